// Package envelope takes payloads apart: the bytes that a Kinesis record, a
// Firehose delivery or a chunk of a file holds become flow-log lines. What a
// payload is, its first bytes tell, layer by layer:
//
//	1f 8b           gzip, of any number of members; again and again, up to a depth
//	28 b5 2f fd     zstd, of any number of frames
//	{ or [          a stream of JSON objects: CloudWatch Logs subscriptions,
//	                {"message": ...} as Firehose writes, {"events": [...]},
//	                {"results": [...]} of Logs Insights
//	anything else   lines, among them exports that put a time before each
//
// Messages are handed out where they lie, so a payload costs no allocation
// once the buffers have grown to its size.
package envelope

import "bytes"

// DefaultInflated is the limit of Limits.Inflated where none is given.
const DefaultInflated = 64 << 20

// Limits bound what one payload may cost.
type Limits struct {
	// Inflated is how many bytes one compressed layer may grow to. What lies
	// beyond is not read, and Err says so. Zero means DefaultInflated.
	Inflated int
}

// Decoder takes one payload after another apart:
//
//	for d.Reset(payload); d.Next(); {
//		use(d.Line())
//	}
//	if err := d.Err(); err != nil {
//		...
//	}
//
// It keeps its buffers between payloads. One partition has one; it is not for
// concurrent use.
type Decoder struct {
	inflater inflater
	json     cursor
	state    state
	open     int    // "[" that are open around the objects
	object   object // the object being read
	scratch  []byte // the message, where it had to be unescaped

	rest  []byte // what has not been cut into lines yet: of the message, or of the content
	plain bool   // rest is the content itself
	cut   bool   // the content breaks off: its last line may be half a line

	line      []byte
	timestamp int64
	controls  int
	err       *Error
}

// state is where in the JSON the decoder stands.
type state uint8

const (
	between  state = iota // objects
	inObject              // between the members of an object
	inEvents              // between the elements of logEvents or events
	ended
)

// NewDecoder makes a decoder that holds no payload.
func NewDecoder(limits Limits) *Decoder {
	if limits.Inflated <= 0 {
		limits.Inflated = DefaultInflated
	}
	return &Decoder{inflater: inflater{limit: limits.Inflated}, state: ended}
}

var bom = []byte("\xef\xbb\xbf")

// Reset begins a payload. The decoder reads from the payload until the next
// Reset and does not change it; it must not be changed meanwhile.
func (d *Decoder) Reset(payload []byte) {
	d.state, d.plain, d.rest, d.line = ended, false, nil, nil
	d.timestamp, d.controls, d.open = 0, 0, 0
	content, err := d.inflater.unwrap(payload)
	d.err, d.cut = err, err.breaksOff()
	content = bytes.TrimPrefix(content, bom)
	d.json = cursor{src: content}
	d.json.space()
	if d.json.at < len(content) && (content[d.json.at] == '{' || content[d.json.at] == '[') {
		d.state = between
		return
	}
	d.plain, d.rest = true, content
}

// Next goes to the next line and reports whether there is one. Empty lines
// are passed over.
func (d *Decoder) Next() bool {
	for {
		if d.cutLine() {
			return true
		}
		if !d.nextMessage() {
			d.line, d.timestamp = nil, 0
			return false
		}
	}
}

// Line returns the line without its line end. It is valid until the next Next
// or Reset, and must not be changed: it may lie in the payload.
func (d *Decoder) Line() []byte { return d.line }

// Timestamp returns the time that the envelope gives to the line, in Unix
// milliseconds, and 0 when it gives none. For CloudWatch Logs that is the start
// of the flow's window, not an arrival.
func (d *Decoder) Timestamp() int64 { return d.timestamp }

// Controls returns how many control messages there have been since Reset:
// CloudWatch Logs sends them to see whether a destination can be reached.
func (d *Decoder) Controls() int { return d.controls }

// Err returns nil, or an *Error once Next has returned false: what of the
// payload could not be read. The lines before it are good.
func (d *Decoder) Err() error {
	if d.err == nil {
		return nil
	}
	return d.err
}
