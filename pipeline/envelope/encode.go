package envelope

import (
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
)

// Event is one log event to be put in an envelope.
type Event struct {
	ID        string // "" makes one out of the event and its place
	Timestamp int64  // Unix milliseconds
	Message   []byte
}

// Encoder writes the envelopes that CloudWatch Logs subscriptions put on a
// stream, for simulations and tests. The same events give the same bytes. Its
// buffers are kept; it is not for concurrent use. The zero value is ready.
type Encoder struct {
	json []byte
	gzip *gzip.Writer
	out  appender
}

// appender is an io.Writer onto the end of a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

// AppendCloudWatch appends a gzipped DATA_MESSAGE with the events. Kinesis and
// Firehose take records up to 1 MiB: CloudWatch Logs splits above, and so
// should the caller.
func (e *Encoder) AppendCloudWatch(dst []byte, owner, group, stream string, events []Event) []byte {
	e.json = appendMessage(e.json[:0], "DATA_MESSAGE", owner, group, stream, events)
	return e.compress(dst)
}

// AppendControl appends the gzipped CONTROL_MESSAGE that CloudWatch Logs sends
// to see whether a destination can be reached.
func (e *Encoder) AppendControl(dst []byte, timestamp int64) []byte {
	e.json = appendMessage(e.json[:0], "CONTROL_MESSAGE", "CloudwatchLogs", "", "", []Event{{
		Timestamp: timestamp, Message: []byte("CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."),
	}})
	return e.compress(dst)
}

// AppendCloudWatch is Encoder.AppendCloudWatch for a single envelope.
func AppendCloudWatch(dst []byte, owner, group, stream string, events []Event) []byte {
	return new(Encoder).AppendCloudWatch(dst, owner, group, stream, events)
}

func (e *Encoder) compress(dst []byte) []byte {
	e.out.b = dst
	if e.gzip == nil {
		e.gzip = gzip.NewWriter(&e.out)
	} else {
		e.gzip.Reset(&e.out)
	}
	// Writing to an appender cannot fail.
	_, _ = e.gzip.Write(e.json)
	_ = e.gzip.Close()
	dst, e.out.b = e.out.b, nil
	return dst
}

func appendMessage(b []byte, kind, owner, group, stream string, events []Event) []byte {
	b = append(b, `{"messageType":"`...)
	b = append(b, kind...)
	b = append(b, `","owner":`...)
	b = appendString(b, owner)
	b = append(b, `,"logGroup":`...)
	b = appendString(b, group)
	b = append(b, `,"logStream":`...)
	b = appendString(b, stream)
	b = append(b, `,"subscriptionFilters":["flowwatch"],"logEvents":[`...)
	for i, e := range events {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"id":`...)
		if e.ID != "" {
			b = appendString(b, e.ID)
		} else {
			b = appendID(b, stream, i, e)
		}
		b = append(b, `,"timestamp":`...)
		b = strconv.AppendInt(b, e.Timestamp, 10)
		b = append(b, `,"message":`...)
		b = appendString(b, e.Message)
		b = append(b, '}')
	}
	return append(b, "]}"...)
}

// appendID writes 56 digits, as AWS's ids have: time, a hash of the stream and
// the message, and the place in the envelope.
func appendID(b []byte, stream string, place int, e Event) []byte {
	b = append(b, `"3`...)
	b = appendPadded(b, uint64(max(e.Timestamp, 0)), 19)
	b = appendPadded(b, xxhash.Sum64String(stream)>>4, 18)
	b = appendPadded(b, xxhash.Sum64(e.Message)>>16, 14)
	b = appendPadded(b, uint64(place), 4)
	return append(b, '"')
}

// appendPadded writes the last digits of v.
func appendPadded(b []byte, v uint64, digits int) []byte {
	for range digits {
		b = append(b, '0')
	}
	for i := len(b) - 1; i >= len(b)-digits; i-- {
		b[i] += byte(v % 10)
		v /= 10
	}
	return b
}

// appendString writes a JSON string. Bytes that are not UTF-8 stay as they are.
func appendString[T string | []byte](b []byte, s T) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}
