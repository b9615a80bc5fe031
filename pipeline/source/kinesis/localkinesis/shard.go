package localkinesis

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// record is one stored record. It never changes, so its data may be read
// without the server's lock.
type record struct {
	number  uint64 // within the shard, from 1, without gaps
	arrival time.Time
	key     string
	data    []byte
}

func (r record) size() int64 { return int64(len(r.data) + len(r.key)) }

// shard is one ordered log. Guarded by the server's lock.
type shard struct {
	id      string
	parents []string // none, the parent, or the parent and the adjacent parent
	hashRange
	opened time.Time
	closed time.Time // zero while open
	prefix string    // of its sequence numbers

	records []record // records[head:] are retained
	head    int
	next    uint64 // number of the next record
	pace    pace
	puts    int // what the faults count
	reads   int

	subscriptions int // of SubscribeToShard; what the faults count too
	events        int
	changed       chan struct{} // closed at the next record, or the shard's end; nil when nobody waits
}

// sequence numbers have 56 digits, rise within a shard, and those of a child
// are above its parents': 49, the milliseconds at which the shard was opened,
// its index, the record's number.
const (
	sequenceDigits = 56
	numberDigits   = 35
)

func newShard(index int, hashes hashRange, opened time.Time, parents ...string) *shard {
	return &shard{
		id:        fmt.Sprintf("shardId-%012d", index),
		parents:   parents,
		hashRange: hashes,
		opened:    opened,
		prefix:    fmt.Sprintf("49%013d%06d", opened.UnixMilli(), index),
		next:      1,
	}
}

func (s *shard) sequence(number uint64) string {
	text := strconv.FormatUint(number, 10)
	return s.prefix + strings.Repeat("0", numberDigits-len(text)) + text
}

// number is the inverse of sequence; ok says that the shard gave it out. The
// number 0 is its starting sequence number.
func (s *shard) number(sequence string) (number uint64, ok bool) {
	digits, ours := strings.CutPrefix(sequence, s.prefix)
	if !ours || len(sequence) != sequenceDigits {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number < s.next
}

func (s *shard) isOpen() bool { return s.closed.IsZero() }

// put appends a record. Arrival times never fall within a shard.
func (s *shard) put(now time.Time, key string, data []byte) record {
	if n := len(s.records); n > s.head && now.Before(s.records[n-1].arrival) {
		now = s.records[n-1].arrival
	}
	r := record{number: s.next, arrival: now, key: key, data: data}
	s.records = append(s.records, r)
	s.next++
	s.wake()
	return r
}

// close ends the shard: no record comes after it.
func (s *shard) close(now time.Time) {
	s.closed = now
	s.wake()
}

// await is closed when the shard has changed.
func (s *shard) await() <-chan struct{} {
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

func (s *shard) wake() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// retained are the records from the given number on. The slice is good for as
// long as the server's lock is held.
func (s *shard) retained(from uint64) []record {
	kept := s.records[s.head:]
	if len(kept) == 0 || from <= kept[0].number {
		return kept
	}
	return kept[min(from-kept[0].number, uint64(len(kept))):]
}

// numberAt is the number of the first record that arrived at t or later.
func (s *shard) numberAt(t time.Time) uint64 {
	kept := s.records[s.head:]
	i := sort.Search(len(kept), func(i int) bool { return !kept[i].arrival.Before(t) })
	if i == len(kept) {
		return s.next
	}
	return kept[i].number
}

// oldest is the arrival of the oldest retained record.
func (s *shard) oldest() (time.Time, bool) {
	if s.head == len(s.records) {
		return time.Time{}, false
	}
	return s.records[s.head].arrival, true
}

// trim drops the oldest record and returns its size. The slice is compacted
// once half of it is dropped, so a drop costs constant time on average.
func (s *shard) trim() int64 {
	size := s.records[s.head].size()
	s.records[s.head] = record{}
	s.head++
	if s.head*2 > len(s.records) {
		kept := copy(s.records, s.records[s.head:])
		clear(s.records[kept:])
		s.records, s.head = s.records[:kept], 0
	}
	return size
}

// forgotten says that the shard was closed and retention took all it held:
// Kinesis lists it no longer.
func (s *shard) forgotten() bool {
	return !s.isOpen() && s.next > 1 && s.head == len(s.records)
}
