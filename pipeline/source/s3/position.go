package s3

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
	remembered = 14 * 24 * time.Hour
	// maxRemembered bounds the position; above it the oldest are forgotten and
	// counted.
	maxRemembered  = 16384
	whole          = -1
	entrySize      = 20
	positionPrefix = "s31:"
)

// entry is what a position tells of one object: the xxHash of its bucket, key
// and etag, when it was last read (Unix seconds), and how far: uncompressed
// bytes, or whole.
type entry struct {
	id  uint64
	at  int64
	off int64
}

// memory is the objects of the last days, the oldest first, and a number that
// grows with every position.
type memory struct {
	seq     uint64
	entries []entry
}

func (o object) hash() uint64 {
	return xxhash.Sum64String(o.Bucket + "\x00" + o.Key + "\x00" + strings.Trim(o.ETag, `"`))
}

func (m *memory) find(id uint64) *entry {
	for i := range m.entries {
		if m.entries[i].id == id {
			return &m.entries[i]
		}
	}
	return nil
}

// set notes how far an object is.
func (m *memory) set(id uint64, now time.Time, off int64) {
	m.seq++
	if e := m.find(id); e != nil {
		e.off = off
		return
	}
	m.entries = append(m.entries, entry{id, now.Unix(), off})
}

// forget drops what is too old or too much, and returns how many were too much.
func (m *memory) forget(now time.Time) (early int) {
	n := 0
	for n < len(m.entries) && m.entries[n].at < now.Add(-remembered).Unix() {
		n++
	}
	if over := len(m.entries) - n - maxRemembered; over > 0 {
		n, early = n+over, over
	}
	m.entries = append(m.entries[:0], m.entries[n:]...)
	return early
}

func (m *memory) position() pipeline.Position {
	raw := make([]byte, 0, len(m.entries)*entrySize)
	for _, e := range m.entries {
		raw = binary.BigEndian.AppendUint64(raw, e.id)
		raw = binary.BigEndian.AppendUint32(raw, uint32(e.at))
		raw = binary.BigEndian.AppendUint64(raw, uint64(e.off))
	}
	return pipeline.Position(positionPrefix + strconv.FormatUint(m.seq, 10) + ":" + base64.RawStdEncoding.EncodeToString(raw))
}

func seqOf(p pipeline.Position) (uint64, error) {
	text, ok := strings.CutPrefix(string(p), positionPrefix)
	number, _, ok2 := strings.Cut(text, ":")
	seq, err := strconv.ParseUint(number, 10, 64)
	if !ok || !ok2 || err != nil {
		return 0, fmt.Errorf("position %.40q: want %s<number>:<objects>", p, positionPrefix)
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
		return memory{}, fmt.Errorf("position %.40q: its list of objects is damaged", p)
	}
	for ; len(raw) > 0; raw = raw[entrySize:] {
		m.entries = append(m.entries, entry{
			binary.BigEndian.Uint64(raw), int64(binary.BigEndian.Uint32(raw[8:])), int64(binary.BigEndian.Uint64(raw[12:])),
		})
	}
	return m, nil
}
