package flowlog

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/parquet-go/parquet-go"
)

type parquetRow struct {
	Version   int32   `parquet:"version"`
	AccountID string  `parquet:"account_id"`
	SrcAddr   *string `parquet:"srcaddr,optional"`
	Bytes     *int64  `parquet:"bytes,optional"`
	Tag       string  `parquet:"instance_tag"`
}

func parquetFile(t testing.TB, rows ...parquetRow) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[parquetRow](&b)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readParquet(file []byte) (string, error) {
	l, err := OpenParquet(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(l)
	return string(text), err
}

func TestParquetLines(t *testing.T) {
	addr, n := "192.0.2.1", int64(1<<40)
	got, err := readParquet(parquetFile(t,
		parquetRow{2, "012345678901", &addr, &n, "a b"}, // leading zero kept, white space encoded
		parquetRow{2, "012345678901", nil, nil, ""},     // nulls
	))
	want := "version account-id srcaddr bytes instance-tag\n" +
		"2 012345678901 192.0.2.1 1099511627776 a%20b\n" +
		"2 012345678901 - - -\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestParquetManyRows(t *testing.T) {
	rows := make([]parquetRow, 3*parquetRows+1)
	got, err := readParquet(parquetFile(t, rows...))
	if n := strings.Count(got, "\n"); err != nil || n != len(rows)+1 {
		t.Errorf("got %d lines, %v, want %d", n, err, len(rows)+1)
	}
}

func TestParquetDamaged(t *testing.T) {
	whole := parquetFile(t, make([]parquetRow, 100)...)
	for n := range len(whole) {
		if _, err := readParquet(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(whole))
		}
	}
}

func TestParquetRefused(t *testing.T) {
	type nested struct {
		List []string `parquet:"list,list"`
	}
	var b bytes.Buffer
	w := parquet.NewGenericWriter[nested](&b)
	if _, err := w.Write([]nested{{}}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := readParquet(b.Bytes()); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("nested column: got %v", err)
	}
}

// A page that takes no more than kilobytes of the file, and half a gigabyte of
// memory.
func TestParquetBombIsRefused(t *testing.T) {
	f := func(name string, bomb func() []byte) {
		t.Run(name, func(t *testing.T) {
			hostiletest.Peak(t, bomb, func(path string) {
				file, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if text, err := readParquet(file); err == nil || !strings.Contains(err.Error(), "declare") {
					t.Errorf("%d bytes of text, error %v", len(text), err)
				}
			})
		})
	}
	f("long values", func() []byte {
		return bombOf(t, 80, slices.Repeat([]parquetRow{{Tag: strings.Repeat("a", 8<<10)}}, 128))
	})
	type one struct {
		Version int32 `parquet:"version,dict"`
	}
	f("many equal values", func() []byte { return bombOf(t, 17, make([]one, 1<<20)) })
}

func bombOf[T any](t *testing.T, times int, rows []T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[T](&b, parquet.Compression(&parquet.Zstd), parquet.PageBufferSize(1<<30), parquet.MaxRowsPerRowGroup(1<<40))
	for range times {
		if _, err := w.Write(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func FuzzParquet(f *testing.F) {
	f.Add(parquetFile(f, make([]parquetRow, 3)...))
	f.Add([]byte("PAR1PAR1"))
	if dir, ok := hostiletest.Published(f, "vpc"); ok { // whole: its end tells what is in it
		published, err := os.ReadFile(filepath.Join(dir, "flowlogs_reader_flows.parquet"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(published)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		defer hostiletest.Bound(t)()
		l, err := OpenParquet(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		defer l.Close()
		// A few bytes can stand for any number of rows.
		_, _ = io.Copy(io.Discard, io.LimitReader(l, 1<<20))
	})
}
