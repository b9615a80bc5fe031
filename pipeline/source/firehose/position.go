package firehose

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/flowwatch/flowwatch/pipeline"
)

const (
	// remembered is how long a request ID is known.
	remembered = 3 * time.Hour
	// maxRemembered bounds the position; above it the oldest are forgotten and
	// counted.
	maxRemembered = 16384
	// whole stands for all records of a request.
	whole          = 1<<32 - 1
	entrySize      = 16
	positionPrefix = "fh1:"
)

// entry is what a position tells of one request: 8 bytes of its ID's xxHash,
// 4 bytes of Unix seconds, 4 bytes of records merged.
type entry struct {
	id   uint64
	at   int64  // Unix seconds
	done uint32 // records merged, or whole
}

// memory is the requests that came in the last hours, the oldest first, and a
// number that grows with every position.
type memory struct {
	seq     uint64
	entries []entry
}

func hashID(id string) uint64 { return xxhash.Sum64String(id) }

func (m *memory) find(id uint64) *entry {
	for i := range m.entries {
		if m.entries[i].id == id {
			return &m.entries[i]
		}
	}
	return nil
}

// forget drops what is older than three hours or too much, and returns how
// many were too much.
func (m *memory) forget(now time.Time) (early int) {
	n := 0
	for n < len(m.entries) && m.entries[n].at < now.Add(-remembered).Unix() {
		n++
	}
	if over := len(m.entries) - n - maxRemembered; over > 0 {
		n += over
		early = over
	}
	m.entries = append(m.entries[:0], m.entries[n:]...)
	return early
}

func (m *memory) position() pipeline.Position {
	raw := make([]byte, 0, len(m.entries)*entrySize)
	for _, e := range m.entries {
		raw = binary.BigEndian.AppendUint64(raw, e.id)
		raw = binary.BigEndian.AppendUint32(raw, uint32(e.at))
		raw = binary.BigEndian.AppendUint32(raw, e.done)
	}
	return pipeline.Position(positionPrefix + strconv.FormatUint(m.seq, 10) + ":" + base64.RawStdEncoding.EncodeToString(raw))
}

// seqOf is the number of a position made by memory.position.
func seqOf(p pipeline.Position) (uint64, error) {
	text, ok := strings.CutPrefix(string(p), positionPrefix)
	number, _, ok2 := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || !ok2 || err != nil {
		return 0, fmt.Errorf("position %.40q: want %s<number>:<requests>", p, positionPrefix)
	}
	return seq, nil
}

func parsePosition(p pipeline.Position) (m memory, err error) {
	if p == "" {
		return memory{}, nil
	}
	if m.seq, err = seqOf(p); err != nil {
		return memory{}, err
	}
	raw, err := base64.RawStdEncoding.DecodeString(string(p[strings.LastIndexByte(string(p), ':')+1:]))
	if err != nil || len(raw)%entrySize != 0 {
		return memory{}, fmt.Errorf("position %.40q: its list of requests is damaged", p)
	}
	for ; len(raw) > 0; raw = raw[entrySize:] {
		m.entries = append(m.entries, entry{
			id: binary.BigEndian.Uint64(raw), at: int64(binary.BigEndian.Uint32(raw[8:])), done: binary.BigEndian.Uint32(raw[12:]),
		})
	}
	return m, nil
}
