// Package delivered remembers what senders that repeat themselves have
// delivered: requests of Firehose, objects that a queue announces. What is
// remembered is the partition's position, so it is committed with what was
// counted, and a delivery that comes again is known.
package delivered

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

// Max bounds a memory; above it the oldest deliveries are forgotten and
// counted.
const Max = 16384

// Whole is how far a delivery is of which everything was delivered.
const Whole = -1

// entry is one delivery. In a position it takes 8 bytes of its ID's hash, 4 of
// Unix seconds, and a varint of how far it is.
type entry struct {
	id   uint64
	at   int64 // Unix seconds, when something of it was delivered last
	done int64
}

// Kind is what a source remembers.
type Kind struct {
	Prefix string        // of its positions, with a version: "s32:"
	Keep   time.Duration // how long a delivery is remembered
}

// Memory is the deliveries of the last while. Not safe for concurrent use; its
// places are.
type Memory struct {
	kind    Kind
	seq     uint64
	past    []entry // by ascending time, never changed in place: places share it
	current entry   // the delivery at hand
	open    bool    // there is one
}

// Seq is a number that grows with every Set.
func (m *Memory) Seq() uint64 { return m.seq }

// Done returns how far a delivery is: what Set was told, or known is false.
func (m *Memory) Done(id uint64) (done int64, known bool) {
	if m.open && m.current.id == id {
		return m.current.done, true
	}
	if i := m.find(id); i >= 0 {
		return m.past[i].done, true
	}
	return 0, false
}

func (m *Memory) find(id uint64) int {
	return slices.IndexFunc(m.past, func(e entry) bool { return e.id == id })
}

// Set notes how far a delivery is: Whole, or a number from 0 on whose meaning
// is the source's.
func (m *Memory) Set(id uint64, now time.Time, done int64) {
	m.seq++
	if !m.open || m.current.id != id {
		if m.open {
			m.past = append(m.past, m.current)
		}
		if i := m.find(id); i >= 0 {
			m.past = slices.Concat(m.past[:i], m.past[i+1:])
		}
		m.open = true
	}
	m.current = entry{id, now.Unix(), done}
}

// Forget drops what is too old or too much, and returns how many were too much.
func (m *Memory) Forget(now time.Time) (early int) {
	least := now.Add(-m.kind.Keep).Unix()
	n := 0
	for n < len(m.past) && m.past[n].at < least {
		n++
	}
	if over := len(m.past) - n - (Max - 1); over > 0 {
		n, early = n+over, over
	}
	m.past = m.past[n:]
	return early
}

// Place is where the memory is now. Taking it costs the same however much is
// remembered; putting it into words does not.
func (m *Memory) Place() pipeline.Place {
	return place{m.kind.Prefix, m.seq, m.past, m.current, m.open}
}

type place struct {
	prefix  string
	seq     uint64
	past    []entry
	current entry
	open    bool
}

func (p place) Position() pipeline.Position {
	raw := make([]byte, 0, (len(p.past)+1)*16)
	put := func(e *entry) {
		raw = binary.BigEndian.AppendUint64(raw, e.id)
		raw = binary.BigEndian.AppendUint32(raw, uint32(e.at))
		raw = binary.AppendUvarint(raw, uint64(e.done+1))
	}
	for i := range p.past {
		put(&p.past[i])
	}
	if p.open {
		put(&p.current)
	}
	return pipeline.Position(p.prefix + strconv.FormatUint(p.seq, 10) + ":" + base64.RawStdEncoding.EncodeToString(raw))
}

// Seq is Memory.Seq at the time of a position.
func (k Kind) Seq(p pipeline.Position) (uint64, error) {
	seq, _, err := k.split(p)
	return seq, err
}

func (k Kind) split(p pipeline.Position) (seq uint64, list string, err error) {
	text, ok := strings.CutPrefix(string(p), k.Prefix)
	number, list, ok2 := strings.Cut(text, ":")
	seq, err = strconv.ParseUint(number, 10, 64)
	if !ok || !ok2 || err != nil {
		return 0, "", fmt.Errorf("position %.40q: want %s<number>:<deliveries>", p, k.Prefix)
	}
	return seq, list, nil
}

// Memory returns the memory at a position; the empty position is that of an
// empty one.
func (k Kind) Memory(p pipeline.Position) (*Memory, error) {
	m := &Memory{kind: k}
	if p == "" {
		return m, nil
	}
	seq, list, err := k.split(p)
	if err != nil {
		return nil, err
	}
	raw, err := base64.RawStdEncoding.DecodeString(list)
	damaged := err != nil
	for len(raw) > 0 && !damaged {
		var done uint64
		n := -1
		if len(raw) > 12 {
			done, n = binary.Uvarint(raw[12:])
		}
		if damaged = n <= 0 || done > 1<<63-1; damaged {
			break
		}
		m.past = append(m.past, entry{binary.BigEndian.Uint64(raw), int64(binary.BigEndian.Uint32(raw[8:])), int64(done) - 1})
		raw = raw[12+n:]
	}
	if damaged {
		return nil, fmt.Errorf("position %.40q: its list of deliveries is damaged", p)
	}
	m.seq = seq
	return m, nil
}
