package flowlog

import (
	"bufio"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// maxParquetPages bounds what the largest pages of all columns take together
	// in memory: a row needs one of each. Writers make pages of about 1 MiB.
	maxParquetPages = 64 << 20 // bytes
	// valueSize is what a value takes at least: a few bytes of a page can stand
	// for any number of equal ones.
	valueSize = 4 // bytes
	// maxPageHeader is how long the header of a page may be; it can hold the
	// least and the greatest value.
	maxPageHeader = 64 << 10 // bytes
)

// checkPages reads the headers of all pages: the library allocates what they
// declare.
func checkPages(r io.ReaderAt, size int64, groups []format.RowGroup) error {
	for i := range groups {
		var together int64
		for k := range groups[i].Columns {
			largest, err := largestPage(r, size, &groups[i].Columns[k].MetaData)
			if err != nil {
				return fmt.Errorf("row group %d, column %d: %w", i, k, err)
			}
			together += largest
		}
		if together > maxParquetPages {
			return fmt.Errorf("row group %d: the pages of one row declare %d bytes: accepted are up to %d", i, together, maxParquetPages)
		}
	}
	return nil
}

// largestPage is what the largest data page of a column and its dictionary take
// in memory.
func largestPage(r io.ReaderAt, size int64, column *format.ColumnMetaData) (largest int64, err error) {
	at := column.DataPageOffset
	if d := column.DictionaryPageOffset; d > 0 && d < at {
		at = d
	}
	end := at + column.TotalCompressedSize
	if at < 0 || column.TotalCompressedSize < 0 || end < at || end > size {
		return 0, fmt.Errorf("pages from byte %d to %d in a file of %d", at, end, size)
	}
	var dictionary int64
	for at < end {
		read := &countingReader{r: io.NewSectionReader(r, at, min(end-at, maxPageHeader))}
		buffered := bufio.NewReaderSize(read, 512)
		var h format.PageHeader
		protocol := new(thrift.CompactProtocol)
		if err := thrift.NewDecoder(protocol.NewReader(buffered)).Decode(&h); err != nil {
			return 0, fmt.Errorf("page at byte %d: %w", at, err)
		}
		if h.CompressedPageSize < 0 || h.UncompressedPageSize < 0 {
			return 0, fmt.Errorf("page at byte %d: declares %d bytes, %d uncompressed", at, h.CompressedPageSize, h.UncompressedPageSize)
		}
		memory := int64(h.UncompressedPageSize) + valueSize*valuesOf(&h)
		if h.Type == format.DictionaryPage {
			dictionary = max(dictionary, memory)
		} else {
			largest = max(largest, memory)
		}
		at += read.n - int64(buffered.Buffered()) + int64(h.CompressedPageSize)
	}
	return largest + dictionary, nil
}

func valuesOf(h *format.PageHeader) (n int64) {
	if d, ok := h.DataPageHeader.Get(); ok {
		n = max(n, int64(d.NumValues))
	}
	if d, ok := h.DataPageHeaderV2.Get(); ok {
		n = max(n, int64(d.NumValues))
	}
	if d, ok := h.DictionaryPageHeader.Get(); ok {
		n = max(n, int64(d.NumValues))
	}
	return n
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
