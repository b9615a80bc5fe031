package localkinesis

import "time"

// The limits of a shard, per second.
const (
	readsPerSecond        = 5
	readBytesPerSecond    = 2 << 20
	writesPerSecond       = 1000
	writtenBytesPerSecond = 1 << 20
)

// pace enforces the limits of one shard. Reads are counted over the last
// second, sliding; a read of n bytes blocks the next for as long as n bytes
// are worth; writes are counted in a bucket that fills within a second.
type pace struct {
	reads      [readsPerSecond]time.Time // a ring, the oldest at next
	next       int
	readableAt time.Time

	written      float64 // records in the bucket
	writtenBytes float64
	drained      time.Time
}

// admitRead says whether a read may happen now, and counts it if so.
func (p *pace) admitRead(now time.Time) bool {
	if now.Before(p.readableAt) || now.Sub(p.reads[p.next]) < time.Second {
		return false
	}
	p.reads[p.next] = now
	p.next = (p.next + 1) % readsPerSecond
	return true
}

// read accounts for what a read returned. Only what goes beyond one second's
// worth blocks the reads to come.
func (p *pace) read(now time.Time, bytes int64) {
	if bytes > readBytesPerSecond {
		p.readableAt = now.Add(time.Duration(bytes) * time.Second / readBytesPerSecond)
	}
}

// admitWrite says whether a record may be written now, and counts it if so.
func (p *pace) admitWrite(now time.Time, bytes int64) bool {
	drained := now.Sub(p.drained).Seconds()
	p.drained = now
	p.written = max(0, p.written-drained*writesPerSecond)
	p.writtenBytes = max(0, p.writtenBytes-drained*writtenBytesPerSecond)
	if p.written+1 > writesPerSecond || p.writtenBytes+float64(bytes) > writtenBytesPerSecond {
		return false
	}
	p.written++
	p.writtenBytes += float64(bytes)
	return true
}
