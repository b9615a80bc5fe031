package firehose

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxBody is what a request may have, as sent and after its content encoding.
const maxBody = 64 << 20

var errTooLarge = errors.New("the body is larger than 64 MiB")

// limited fails, where an io.LimitReader would end, so that half a body is
// never taken for a whole one.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// readBody decodes {"requestId": ..., "timestamp": ..., "records": [{"data":
// base64}]} as a stream. Unknown members are passed over.
func readBody(r io.Reader) (id string, records [][]byte, err error) {
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
			records, err = readRecords(d)
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

func readRecords(d *json.Decoder) (records [][]byte, err error) {
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
