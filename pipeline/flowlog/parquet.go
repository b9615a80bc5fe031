package flowlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

const (
	parquetRows      = 512       // rows read at a time
	maxParquetFields = 1024      // columns of a file
	maxParquetFooter = 16 << 20  // bytes of its metadata
	maxRowGroup      = 512 << 20 // bytes, uncompressed, that a row group may declare
)

// ParquetLines reads a Parquet file of flow logs as text: a header line with
// the columns' names, hyphens for underscores as AWS writes them in text files,
// and a line for each row. A null is "-". White space inside a value becomes
// percent-encoded, as in a tag, so that a row keeps its number of fields.
// Columns may be of any order and name; nested and repeated ones are refused.
//
// Not safe for concurrent use.
type ParquetLines struct {
	groups  []parquet.RowGroup
	columns int
	rows    parquet.Rows
	buffer  []parquet.Row
	text    []byte
	read    int // of text
	err     error
}

// OpenParquet opens the file of size bytes in r.
func OpenParquet(r io.ReaderAt, size int64) (lines *ParquetLines, err error) {
	defer recovered(&err)
	if err := checkFooter(r, size); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	f, err := parquet.OpenFile(r, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	var names []string
	for _, column := range f.Schema().Fields() {
		if !column.Leaf() || column.Repeated() {
			return nil, fmt.Errorf("parquet: column %q is nested or repeated: accepted are plain columns", column.Name())
		}
		names = append(names, strings.ReplaceAll(column.Name(), "_", "-"))
	}
	if len(names) == 0 || len(names) > maxParquetFields {
		return nil, fmt.Errorf("parquet: %d columns: accepted are 1 to %d", len(names), maxParquetFields)
	}
	for i := range f.Metadata().RowGroups {
		if n := f.Metadata().RowGroups[i].TotalByteSize; n < 0 || n > maxRowGroup {
			return nil, fmt.Errorf("parquet: row group %d declares %d bytes: accepted are up to %d", i, n, maxRowGroup)
		}
	}
	if err := checkPages(r, size, f.Metadata().RowGroups); err != nil {
		return nil, fmt.Errorf("parquet: %w", err)
	}
	l := &ParquetLines{groups: f.RowGroups(), columns: len(names), buffer: make([]parquet.Row, parquetRows)}
	l.text = append(l.text, strings.Join(names, " ")...)
	l.text = append(l.text, '\n')
	return l, nil
}

// checkFooter reads what a file says of the length of its metadata, at its end:
// the library allocates that much before it reads.
func checkFooter(r io.ReaderAt, size int64) error {
	var end [8]byte // the length, and the magic
	if size < int64(len("PAR1")+len(end)) {
		return fmt.Errorf("a file of %d bytes is too short", size)
	}
	if _, err := r.ReadAt(end[:], size-int64(len(end))); err != nil && err != io.EOF {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(end[:]))
	if n > maxParquetFooter || n > size-int64(len("PAR1")+len(end)) {
		return fmt.Errorf("metadata of %d bytes in a file of %d: accepted are up to %d", n, size, maxParquetFooter)
	}
	return nil
}

// recovered turns a panic of the Parquet reader, which damaged files can
// provoke, into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("parquet: the file is damaged: %v", p)
	}
}

// Read implements io.Reader.
func (l *ParquetLines) Read(p []byte) (int, error) {
	for l.read == len(l.text) {
		if l.err != nil {
			return 0, l.err
		}
		l.text, l.read = l.text[:0], 0
		if err := l.fill(); err != nil {
			l.err = errors.Join(l.Close())
			if l.err == nil || err != io.EOF {
				l.err = err
			}
		}
	}
	n := copy(p, l.text[l.read:])
	l.read += n
	return n, nil
}

// fill reads the next rows into text; io.EOF says that there are no more.
func (l *ParquetLines) fill() (err error) {
	defer recovered(&err)
	if l.rows == nil {
		if len(l.groups) == 0 {
			return io.EOF
		}
		l.rows, l.groups = l.groups[0].Rows(), l.groups[1:]
	}
	n, err := l.rows.ReadRows(l.buffer)
	for _, row := range l.buffer[:n] {
		if len(row) != l.columns {
			return fmt.Errorf("parquet: a row of %d values in a file of %d columns", len(row), l.columns)
		}
		l.text = appendRow(l.text, row)
	}
	if err == io.EOF {
		closing := l.rows.Close()
		l.rows = nil
		return closing
	}
	if err == nil && n == 0 {
		err = io.ErrNoProgress
	}
	if err != nil {
		return fmt.Errorf("parquet: %w", err)
	}
	return nil
}

// Close gives up what Read has not returned. It need not be called after Read
// returned an error.
func (l *ParquetLines) Close() (err error) {
	defer recovered(&err)
	rows := l.rows
	l.rows, l.groups = nil, nil
	if rows == nil {
		return nil
	}
	return rows.Close()
}

func appendRow(text []byte, row parquet.Row) []byte {
	for i, v := range row {
		if i > 0 {
			text = append(text, ' ')
		}
		text = appendValue(text, v)
	}
	return append(text, '\n')
}

func appendValue(text []byte, v parquet.Value) []byte {
	if v.IsNull() {
		return append(text, '-')
	}
	switch v.Kind() {
	case parquet.Int32:
		return strconv.AppendInt(text, int64(v.Int32()), 10)
	case parquet.Int64:
		return strconv.AppendInt(text, v.Int64(), 10)
	case parquet.ByteArray, parquet.FixedLenByteArray:
		b := v.ByteArray()
		if len(b) == 0 {
			return append(text, '-')
		}
		for _, c := range b {
			if c <= ' ' {
				text = append(text, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
				continue
			}
			text = append(text, c)
		}
		return text
	}
	return append(text, strings.ReplaceAll(v.String(), " ", "%20")...)
}
