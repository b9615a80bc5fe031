package geotable

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// The file is a line "flowwatch geotable 1 2026-06-17" and, behind it, one zstd
// frame of uvarints and bytes:
//
//	the countries, and two letters for each
//	the systems, those with the most steps first, then by number: the
//	differences, the lengths of the names, the names
//	four lists of steps: countries of IPv4 and IPv6, systems of both
//
// A list of steps is its length and three columns: how many zero bits the
// distance from the start before ends with, what is left of it, halved, and the
// values: 0 for none, or which country or system. Columns of like
// things are what makes 1.2 million steps 2.5 MB.
const magic = "flowwatch geotable 1 "

// ErrBroken is the error of a file that is no table.
var ErrBroken = errors.New("geotable: the file is broken")

// Limits of what is read: a table of a future Internet fits, a broken file
// can't ask for all memory.
const (
	mostSteps   = 8 << 20
	mostSystems = 1 << 20
	mostNames   = 64 << 20
	mostBytes   = 256 << 20 // unpacked
)

// WriteTo writes the table as a file.
func (b *Builder) WriteTo(w io.Writer) (int64, error) {
	if _, err := time.Parse(time.DateOnly, b.Date); err != nil {
		return 0, fmt.Errorf("date of the table: %w", err)
	}
	packer, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(8<<20))
	if err != nil {
		return 0, err
	}
	defer packer.Close()
	n, err := w.Write(packer.EncodeAll(b.encode(), []byte(magic+b.Date+"\n")))
	return int64(n), err
}

func (b *Builder) encode() []byte {
	var countries [2][]step[string]
	var systems [2][]step[uint32]
	letters := map[string]uint64{}
	uses := map[uint32]int{}
	for i, last := range [2]uint64{1<<32 - 1, 1<<64 - 1} {
		countries[i] = flatten(b.countries[i], last)
		systems[i] = flatten(b.systems[i], last)
		for _, s := range countries[i] {
			letters[s.value] = 0
		}
		for _, s := range systems[i] {
			uses[s.value]++
		}
	}
	delete(letters, "")
	var e []byte
	e = binary.AppendUvarint(e, uint64(len(letters)))
	for i, c := range slices.Sorted(maps.Keys(letters)) {
		letters[c] = uint64(i + 1)
		e = append(e, c...)
	}
	delete(uses, 0)
	numbers := slices.Collect(maps.Keys(uses))
	slices.SortFunc(numbers, func(a, b uint32) int { return cmp.Or(cmp.Compare(uses[b], uses[a]), cmp.Compare(a, b)) })
	ranks := map[uint32]uint64{} // 0 is none
	e = binary.AppendUvarint(e, uint64(len(numbers)))
	before := int64(0)
	for i, n := range numbers {
		ranks[n] = uint64(i + 1)
		e = binary.AppendVarint(e, int64(n)-before)
		before = int64(n)
	}
	var names strings.Builder
	for _, n := range numbers {
		e = binary.AppendUvarint(e, uint64(len(b.names[n])))
		names.WriteString(b.names[n])
	}
	e = append(e, names.String()...)
	for _, s := range countries {
		e = appendSteps(e, s, letters)
	}
	for _, s := range systems {
		e = appendSteps(e, s, ranks)
	}
	return e
}

func appendSteps[V comparable](e []byte, all []step[V], number map[V]uint64) []byte {
	e = binary.AppendUvarint(e, uint64(len(all)))
	distance := func(i int) uint64 {
		if i == 0 {
			return 0
		}
		return all[i].start - all[i-1].start
	}
	for i := range all {
		e = append(e, byte(bits.TrailingZeros64(distance(i))))
	}
	for i := range all {
		d := distance(i)
		e = binary.AppendUvarint(e, d>>bits.TrailingZeros64(d)>>1)
	}
	for _, s := range all {
		e = binary.AppendUvarint(e, number[s.value])
	}
	return e
}

// DateOf returns the day of the data of a file, without reading the rest; "" when
// it is no table.
func DateOf(file []byte) string {
	rest, ok := bytes.CutPrefix(file, []byte(magic))
	if !ok {
		return ""
	}
	line, _, ok := bytes.Cut(rest[:min(len(rest), 16)], []byte("\n"))
	if _, err := time.Parse(time.DateOnly, string(line)); err != nil || !ok {
		return ""
	}
	return string(line)
}

// Read reads a file. The error is ErrBroken, or wraps it.
func Read(file []byte) (*Table, error) {
	date := DateOf(file)
	if date == "" {
		return nil, ErrBroken
	}
	unpacker, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(mostBytes))
	if err != nil {
		return nil, err
	}
	defer unpacker.Close()
	unpacked, err := unpacker.DecodeAll(file[len(magic)+len(date)+1:], nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, err)
	}
	return parse(date, unpacked)
}

// parse reads what the frame held.
func parse(date string, unpacked []byte) (*Table, error) {
	t := &Table{date: date}
	d := &decoder{rest: unpacked}
	d.countries(t)
	d.systems(t)
	readSteps(d, &t.country4, len(t.countries))
	readSteps(d, &t.country6, len(t.countries))
	readSteps(d, &t.system4, len(t.systems))
	readSteps(d, &t.system6, len(t.systems))
	if d.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBroken, d.err)
	}
	t.near4 = [2][]uint32{nearby(&t.country4), nearby(&t.system4)}
	return t, nil
}

// decoder reads what was unpacked; after an error everything it reads is zero.
type decoder struct {
	rest []byte
	err  error
}

func (d *decoder) fail(why string) {
	if d.err == nil {
		d.err = errors.New(why)
	}
	d.rest = nil
}

func (d *decoder) number(most uint64, what string) uint64 {
	if len(d.rest) > 0 && d.rest[0] < 0x80 && uint64(d.rest[0]) <= most { // most are
		n := d.rest[0]
		d.rest = d.rest[1:]
		return uint64(n)
	}
	n, used := binary.Uvarint(d.rest)
	if used <= 0 || n > most {
		d.fail(what + " is none")
		return 0
	}
	d.rest = d.rest[used:]
	return n
}

func (d *decoder) difference(what string) int64 {
	n, used := binary.Varint(d.rest)
	if used <= 0 {
		d.fail(what + " is none")
		return 0
	}
	d.rest = d.rest[used:]
	return n
}

func (d *decoder) bytes(n uint64, what string) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(what + " break off")
		return nil
	}
	b := d.rest[:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) countries(t *Table) {
	letters := string(d.bytes(2*d.number(255, "number of countries"), "countries"))
	t.countries = make([]string, 1, 1+len(letters)/2)
	for ; letters != ""; letters = letters[2:] {
		t.countries = append(t.countries, letters[:2])
	}
}

func (d *decoder) systems(t *Table) {
	n := d.number(mostSystems, "number of systems")
	t.systems = make([]system, 1+n)
	number := int64(0)
	for i := range t.systems[1:] {
		number += d.difference("number of a system")
		if number < 0 || number > 1<<32-1 {
			d.fail("number of a system is none")
		}
		t.systems[i+1].number = uint32(number)
	}
	lengths := make([]uint64, n)
	all := uint64(0)
	for i := range lengths {
		lengths[i] = d.number(1<<16, "length of a name")
		all += lengths[i]
	}
	if all > mostNames {
		d.fail("names are too long")
		return
	}
	names := string(d.bytes(all, "names"))
	if d.err != nil {
		return
	}
	for i, length := range lengths {
		t.systems[i+1].name, names = names[:length], names[length:]
	}
}

func readSteps[K uint32 | uint64, V uint8 | uint32](d *decoder, s *steps[K, V], values int) {
	n := d.number(mostSteps, "number of steps")
	if n == 0 {
		d.fail("no steps")
		return
	}
	zeros := d.bytes(n, "distances")
	if zeros == nil {
		return
	}
	s.starts, s.values = make([]K, n), make([]V, n)
	start := uint64(0)
	for i := range s.starts {
		left := d.number(1<<63-1, "distance")
		if i > 0 {
			far := (left<<1 | 1) << zeros[i]
			if start+far <= start || start+far > uint64(^K(0)) {
				d.fail("distance leads out of the addresses")
				return
			}
			start += far
		}
		s.starts[i] = K(start)
	}
	for i := range s.values {
		s.values[i] = V(d.number(uint64(values-1), "value"))
	}
}
