package firehose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxBody is what a request may have, as sent and after its content encoding.
const maxBody = 64 << 20

// maxValue is what one record may have, in base64, with what lies before it. A
// record of Firehose has 1,000 KiB, and 6 MB after a transformation. The JSON
// decoder holds a value whole, in a buffer that doubles.
const maxValue = 16 << 20

var (
	errTooLarge      = errors.New("the body is larger than 64 MiB")
	errValueTooLarge = errors.New("a record or another value is larger than 16 MiB")
)

// limited fails, where an io.LimitReader would end, so that half a body is
// never taken for a whole one.
type limited struct {
	r     io.Reader
	left  int64
	value int64 // read since the last value was whole, about
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	if l.value += int64(n); l.value > maxValue {
		return 0, errValueTooLarge
	}
	return n, err
}

// readBody decodes {"requestId": ..., "timestamp": ..., "records": [{"data":
// base64}]} as a stream, of at most maxBody bytes. Unknown members are passed over.
func readBody(body io.Reader) (id string, records [][]byte, err error) {
	r := &limited{r: body, left: maxBody}
	d := json.NewDecoder(r)
	if err := expect(d, '{'); err != nil {
		return "", nil, err
	}
	seen := false
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return "", nil, err
		}
		switch name {
		case "requestId":
			err = d.Decode(&id)
		case "records":
			if seen {
				return "", nil, errors.New("records: stands there twice")
			}
			seen = true
			records, err = readRecords(d, r)
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil {
			return "", nil, fmt.Errorf("%v: %w", name, err)
		}
	}
	if err := expect(d, '}'); err != nil {
		return "", nil, err
	}
	if !seen {
		return "", nil, errors.New("records: is missing")
	}
	if _, err := d.Token(); err != io.EOF {
		if err == nil {
			err = errors.New("something follows the request")
		}
		return "", nil, err
	}
	return id, records, nil
}

func readRecords(d *json.Decoder, r *limited) (records [][]byte, err error) {
	if err := expect(d, '['); err != nil {
		return nil, err
	}
	for d.More() {
		var record struct {
			Data *[]byte `json:"data"`
		}
		if err := d.Decode(&record); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records), err)
		}
		if record.Data == nil {
			return nil, fmt.Errorf("record %d: has no data", len(records))
		}
		records = append(records, *record.Data)
		r.value = 0
	}
	return records, expect(d, ']')
}

func expect(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("got %v at byte %d, want %v", got, d.InputOffset(), want)
	}
	return nil
}
