package s3

import (
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"
	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/delivered"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
)

// objects are remembered by the hash of bucket, key and etag, with the offset
// in uncompressed bytes that was delivered. A queue keeps messages for two
// weeks at the most.
var objects = delivered.Kind{Prefix: "s32:", Keep: 14 * 24 * time.Hour}

func (o object) hash() uint64 {
	return xxhash.Sum64String(o.Bucket + "\x00" + o.Key + "\x00" + strings.Trim(o.ETag, `"`))
}

const (
	wait  = time.Second      // that Next waits for a message
	quiet = 15 * time.Minute // without messages, until the queue counts as idle
	// unanswered is how long the queue may not answer until nothing is known of
	// it any more; it answers every 20 s.
	unanswered = time.Minute
)

// delivery is one received message.
type delivery struct {
	receipt string
	objects []object
	failed  bool   // an object could not be read
	seq     uint64 // of the position that holds all of it
}

// partition is the queue as the pipeline reads it. Next alone uses the fields
// above mu.
type partition struct {
	id       string
	api      API
	log      *zap.Logger
	now      func() time.Time
	metrics  *metrics
	chunk    int // bytes of a payload, about
	incoming chan *delivery
	answered atomic.Int64 // Unix nanoseconds of the last answer to receive, on the real clock
	memory   *delivered.Memory
	last     time.Time // when a message came
	at       *delivery
	reading  *reading
	failing  map[uint64]bool // objects counted as failed, by hash

	mu        sync.Mutex
	committed uint64          // the number of the last committed position
	held      map[string]bool // receipts whose invisibility is extended
	waiting   []*delivery     // for their commit
	deletes   []string        // receipts
	releases  []string        // receipts of messages that go back
	signal    chan struct{}
}

// reading is an object that is being read.
type reading struct {
	object  object
	hash    uint64
	from    int64 // uncompressed bytes that were committed before
	written time.Time
	body    *file.Spooled
	reader  *file.Reader
	header  []byte // the first line, to go before what is read from the middle
	before  int64
	chunk   []byte // read and not delivered
	after   int64  // offset after it
	given   []byte // the buffer of what was delivered last
}

func (p *partition) ID() string { return p.id }

// Children returns nil: a queue has no end.
func (p *partition) Children() []pipeline.Start { return nil }

// Next returns the next payload of the object at hand, or goes to the next one.
func (p *partition) Next(ctx context.Context) (pipeline.Batch, error) {
	for {
		if err := ctx.Err(); err != nil {
			return pipeline.Batch{}, err
		}
		if p.reading != nil {
			payload, ok, err := p.read(ctx)
			if err != nil {
				return pipeline.Batch{}, err
			}
			if ok {
				return pipeline.Batch{Payloads: []pipeline.Payload{payload}}, nil
			}
			continue
		}
		if p.at != nil {
			p.open(ctx)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return pipeline.Batch{}, ctx.Err()
		case p.at = <-p.incoming:
			timer.Stop()
			p.last = p.now()
			p.metrics.forgotten.Add(float64(p.memory.Forget(p.last)))
		case <-timer.C:
			return p.nothing(), nil
		}
	}
}

// nothing says why there is no message: none was announced, or none came
// because the queue could not be asked.
func (p *partition) nothing() pipeline.Batch {
	if unread := time.Since(time.Unix(0, p.answered.Load())); unread >= unanswered {
		return pipeline.Batch{Unread: "no answer from SQS for " + unread.Round(time.Second).String()}
	}
	return pipeline.Batch{Idle: p.now().Sub(p.last) >= quiet}
}

// open goes to the next object of the message that is not known, or finishes
// the message.
func (p *partition) open(ctx context.Context) {
	d := p.at
	if len(d.objects) == 0 {
		p.at = nil
		p.finish(d)
		return
	}
	o := d.objects[0]
	d.objects = d.objects[1:]
	r := &reading{object: o, hash: o.hash()}
	off, _ := p.memory.Done(r.hash)
	if off == delivered.Whole {
		p.metrics.objects.WithLabelValues("repeated").Inc()
		return
	}
	r.from = off
	p.reading = r
	if err := r.start(ctx, p.api); err != nil && ctx.Err() == nil {
		p.fail(err)
	}
}

// start opens an object.
func (r *reading) start(ctx context.Context, api API) error {
	body, written, err := api.Open(ctx, r.object)
	if err != nil {
		return err
	}
	r.written = written
	if r.body, err = file.Spool(body); err != nil {
		return err
	}
	r.reader, err = r.body.NewReader()
	return err
}

func (r *reading) close() {
	if r.reader != nil {
		r.reader.Close()
	}
	if r.body != nil {
		_ = r.body.Close() // it was only read
	}
}

// read reads one chunk ahead, so that the last payload of an object is known
// to be the last. ok is false when there is nothing to deliver now.
func (p *partition) read(ctx context.Context) (payload pipeline.Payload, ok bool, err error) {
	r := p.reading
	for {
		if r.reader == nil { // interrupted while it was opened
			return pipeline.Payload{}, false, ctx.Err()
		}
		chunk, after, err := r.reader.Next(p.chunk)
		before := r.before
		r.before = after
		switch {
		case ctx.Err() != nil:
			return pipeline.Payload{}, false, ctx.Err()
		case err == io.EOF:
			p.metrics.objects.WithLabelValues("read").Inc()
			delete(p.failing, r.hash)
			p.memory.Set(r.hash, p.now(), delivered.Whole)
			p.reading = nil
			r.close()
			return pipeline.Payload{Data: r.chunk, Position: p.memory.Place(), Arrival: r.written}, true, nil
		case err != nil:
			data, off := r.chunk, r.after
			p.fail(err)
			if data == nil {
				return pipeline.Payload{}, false, nil
			}
			p.memory.Set(r.hash, p.now(), off)
			return pipeline.Payload{Data: data, Position: p.memory.Place(), Arrival: r.written}, true, nil
		}
		if before == 0 && r.from > 0 {
			r.header = file.Header(chunk)
		}
		if after <= r.from {
			continue
		}
		data, off := r.chunk, r.after
		fresh := r.given[:0] // no longer in use: this is the next call
		fresh = append(fresh, r.header...)
		fresh = append(fresh, chunk[max(0, min(r.from-before, int64(len(chunk)))):]...)
		r.header, r.given, r.chunk, r.after = nil, data, fresh, after
		if data == nil {
			continue
		}
		p.memory.Set(r.hash, p.now(), off)
		return pipeline.Payload{Data: data, Position: p.memory.Place(), Arrival: r.written}, true, nil
	}
}

// fail gives the object at hand up; its message goes back to the queue.
func (p *partition) fail(err error) {
	r := p.reading
	p.reading = nil
	r.close()
	p.at.failed = true
	if !p.failing[r.hash] {
		if len(p.failing) >= delivered.Max {
			clear(p.failing)
		}
		p.failing[r.hash] = true
		p.metrics.objects.WithLabelValues("failed").Inc()
		p.log.Warn("an object can't be read; its message goes back to the queue",
			zap.String("bucket", r.object.Bucket), zap.String("key", r.object.Key), zap.Error(err))
	}
}

// finish deletes the message when it is committed, or lets it go back.
func (p *partition) finish(d *delivery) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d.seq = p.memory.Seq()
	switch {
	case d.failed:
		p.releases = append(p.releases, d.receipt)
		delete(p.held, d.receipt)
	case d.seq <= p.committed:
		p.deletes = append(p.deletes, d.receipt)
	default:
		p.waiting = append(p.waiting, d)
		return
	}
	p.wake()
}

// Committed lets the messages be deleted that position holds whole.
func (p *partition) Committed(position pipeline.Position) {
	seq, err := objects.Seq(position)
	if err != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.committed = max(p.committed, seq)
	n := 0
	for n < len(p.waiting) && p.waiting[n].seq <= seq {
		p.deletes = append(p.deletes, p.waiting[n].receipt)
		n++
	}
	p.waiting = p.waiting[n:]
	if n > 0 {
		p.wake()
	}
}

func (p *partition) wake() {
	select {
	case p.signal <- struct{}{}:
	default:
	}
}
