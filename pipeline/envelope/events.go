package envelope

import (
	"bytes"
	"errors"
	"time"
)

// event is one log event: a message and the time the envelope gives to it.
type event struct {
	message    text
	hasMessage bool
	timestamp  int64
}

// object is what is known of a top-level object while its members are read.
type object struct {
	event         // where the object is itself an event
	offset   int  // of its "{"
	started  bool // a member was read
	typed    bool // messageType was read
	control  bool // ... and is CONTROL_MESSAGE
	envelope bool // logEvents, events or results was read
}

var (
	errNoEvents  = errors.New("object has none of logEvents, events, results and message")
	errNoMessage = errors.New("log event has no message")
	errEscape    = errors.New("message has an escape that JSON does not have")
)

// nextMessage puts the next message into rest, to be cut into lines. It is
// false at the end of the content and at a break in it.
func (d *Decoder) nextMessage() bool {
	for d.state != ended {
		var e event
		ok := false
		switch d.state {
		case between:
			ok = d.nextObject()
		case inObject:
			e, ok = d.nextMember()
		case inEvents:
			e, ok = d.nextEvent()
		}
		if !ok {
			d.giveUp(d.json.at, d.json.err)
			d.state = ended
		}
		if e.hasMessage && d.begin(e) {
			return true
		}
	}
	return false
}

// begin makes a message the one to be cut into lines.
func (d *Decoder) begin(e event) bool {
	d.rest = d.json.raw(e.message)
	d.timestamp = e.timestamp
	if !e.message.escaped {
		return true
	}
	var ok bool
	if d.scratch, ok = unescape(d.scratch[:0], d.rest); !ok {
		d.rest = nil
		d.giveUp(e.message.from, errEscape)
		return false
	}
	d.rest = d.scratch
	return true
}

// giveUp counts a piece of JSON that could not be used. Where the content was
// cut before it got here, that is the reason of a break at its end.
func (d *Decoder) giveUp(offset int, err error) {
	switch {
	case d.err == nil:
		d.err = &Error{Layer: "json", Offset: offset, Count: 1, Err: err}
	case d.cut && errors.Is(err, errCut):
	default:
		d.err.Count++
	}
}

// nextObject goes into the next top-level object. Between objects there may be
// nothing, white space, or the brackets and commas of arrays.
func (d *Decoder) nextObject() bool {
	c := &d.json
	for {
		c.space()
		if c.at == len(c.src) {
			d.state = ended
			if d.open > 0 {
				return c.fail(errCut)
			}
			return true
		}
		switch c.src[c.at] {
		case ',':
		case '[':
			d.open++
		case ']':
			if d.open == 0 {
				return c.want("an object")
			}
			d.open--
		case '{':
			d.object = object{offset: c.at}
			d.state = inObject
			c.at++
			return true
		default:
			return c.want("an object")
		}
		c.at++
	}
}

// nextMember reads one member of a top-level object. The event is the object
// itself, once it is complete, or cut behind its message.
func (d *Decoder) nextMember() (event, bool) {
	c, o := &d.json, &d.object
	key, more, ok := c.member(!o.started)
	o.started = true
	if ok && more {
		ok = d.readMember(key)
	}
	if ok && more {
		return event{}, true
	}
	e := o.event
	if o.control {
		e = event{}
	}
	if !ok {
		return e, false
	}
	d.state = between
	if !o.control && !o.envelope && !o.hasMessage {
		d.giveUp(o.offset, errNoEvents)
	}
	return e, true
}

func (d *Decoder) readMember(key text) bool {
	c, o := &d.json, &d.object
	switch name := d.key(key); string(name) {
	case "messageType":
		o.typed = true
		if !c.is('"') {
			return c.skip()
		}
		value, ok := c.str()
		if ok && string(c.raw(value)) == "CONTROL_MESSAGE" && !o.control {
			o.control = true
			d.controls++
		}
		return ok
	case "logEvents", "events", "results":
		if !c.is('[') {
			return c.skip()
		}
		o.envelope = true
		if o.control || string(name) == "logEvents" && !o.typed && d.controlAhead() {
			return c.skip()
		}
		c.at++
		d.state = inEvents
		return true
	}
	return d.readEventMember(key, &o.event)
}

// controlAhead looks for a messageType behind a logEvents that stands before
// it, which JSON allows.
func (d *Decoder) controlAhead() bool {
	c := d.json // a copy: looking moves nothing
	if !c.skip() {
		return false
	}
	for {
		key, more, ok := c.member(false)
		if !ok || !more {
			return false
		}
		if string(c.raw(key)) == "messageType" && c.is('"') {
			value, ok := c.str()
			return ok && string(c.raw(value)) == "CONTROL_MESSAGE"
		}
		if !c.skip() {
			return false
		}
	}
}

// readEventMember reads a member of an event, passing over those that do not
// matter here. Logs Insights puts an @ before the names, and exports objects of
// them from the console.
func (d *Decoder) readEventMember(key text, e *event) (ok bool) {
	c := &d.json
	switch name := d.key(key); string(name) {
	case "message", "@message":
		if !c.is('"') {
			return c.skip()
		}
		e.message, ok = c.str()
		e.hasMessage = ok
		return ok
	case "@timestamp":
		if !c.is('"') {
			return c.skip()
		}
		value, ok := c.str()
		if ok {
			e.timestamp = insightsTime(c.raw(value))
		}
		return ok
	case "timestamp":
		e.timestamp, ok = c.millis()
		return ok
	}
	return c.skip()
}

// readRow reads an element of results, an array of {"field":..., "value":...}:
// see GetQueryResults in the API reference of CloudWatch Logs.
func (d *Decoder) readRow(e *event) bool {
	c := &d.json
	for c.at++; ; {
		c.space()
		switch {
		case c.is(']'):
			c.at++
			return true
		case c.is(','):
			c.at++
		case !c.is('{'):
			if !c.skip() {
				return false
			}
		case !d.readCell(e):
			return false
		}
	}
}

// readCell reads one field of a row.
func (d *Decoder) readCell(e *event) bool {
	c := &d.json
	c.at++
	var field, value text
	for first := true; ; first = false {
		key, more, ok := c.member(first)
		if !ok {
			return false
		}
		if !more {
			break
		}
		to := &field
		switch name := d.key(key); {
		case !c.is('"') || string(name) != "field" && string(name) != "value":
			if !c.skip() {
				return false
			}
			continue
		case string(name) == "value":
			to = &value
		}
		if *to, ok = c.str(); !ok {
			return false
		}
	}
	if value.from == 0 { // no value, or none that is a text
		return true
	}
	switch string(d.key(field)) {
	case "@message":
		e.message, e.hasMessage = value, true
	case "@timestamp":
		e.timestamp = insightsTime(c.raw(value))
	}
	return true
}

// insightsTime reads the time of Logs Insights, which is in UTC, as Unix
// milliseconds: 0 when it is none.
func insightsTime(value []byte) int64 {
	t, err := time.Parse("2006-01-02 15:04:05.000", string(value))
	if err != nil {
		return 0
	}
	return max(t.UnixMilli(), 0)
}

// key returns a member's name. One with an escape in it is unescaped, into
// memory of its own since nobody writes such keys.
func (d *Decoder) key(t text) []byte {
	raw := d.json.raw(t)
	if !t.escaped {
		return raw
	}
	name, _ := unescape(nil, raw)
	return name
}

// usualMembers reads {"id":..., "timestamp":..., "message":... as CloudWatch
// Logs writes it. For anything else it is false and has moved nothing: it is
// a short cut, at a third of the time, and never decides what an event is.
func (d *Decoder) usualMembers(e *event) bool {
	c := &d.json
	from := c.at
	if c.literal(`{"id":"`) {
		id := c.at
		if end := bytes.IndexByte(c.src[id:], '"'); end > 0 && c.src[id+end-1] != '\\' {
			c.at = id + end
			if c.literal(`","timestamp":`) {
				time, ok := c.millis()
				if ok && c.literal(`,"message":`) && c.is('"') {
					if message, ok := c.str(); ok {
						*e = event{message, true, time}
						return true
					}
				}
			}
		}
	}
	c.at, c.err = from, nil
	return false
}

// nextEvent reads one element of logEvents, events or results.
func (d *Decoder) nextEvent() (e event, ok bool) {
	c := &d.json
	c.space()
	for c.is(',') {
		c.at++
		c.space()
	}
	if c.is(']') {
		c.at++
		d.state = inObject
		return e, true
	}
	offset := c.at
	if c.is('[') {
		if !d.readRow(&e) {
			return e, false
		}
	} else if c.is('{') {
		first := !d.usualMembers(&e)
		if first {
			c.at++
		}
		for ; ; first = false {
			key, more, ok := c.member(first)
			if !ok || more && !d.readEventMember(key, &e) {
				return e, false // with the message, when that came before the break
			}
			if !more {
				break
			}
		}
	} else if !c.skip() {
		return e, false
	}
	if !e.hasMessage {
		d.giveUp(offset, errNoMessage)
	}
	return e, true
}
