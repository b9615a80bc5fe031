package flowlog

// Reason says why a line is malformed. The set is closed: it becomes the
// values of a metric's label.
type Reason uint8

// The reasons. ReasonTime is also what a caller gives to a record whose times
// contradict the time it arrived.
const (
	ReasonNone      Reason = iota // the line is good
	ReasonFields                  // fewer values than columns
	ReasonNumber                  // not a decimal number, or beyond the field's range
	ReasonAddress                 // not an IPv4 or IPv6 address
	ReasonTime                    // end before start, or a window nobody has
	ReasonAction                  // neither ACCEPT nor REJECT
	ReasonStatus                  // neither OK, NODATA nor SKIPDATA
	ReasonDirection               // neither ingress nor egress
	ReasonFormat                  // no known layout fits, or a header names a field twice
	ReasonLine                    // longer than MaxLine
	ReasonText                    // a text that is not UTF-8, or longer than MaxText
	ReasonPayload                 // the envelope around the lines is broken

	numReasons
)

var reasonNames = [numReasons]string{
	ReasonNone:      "",
	ReasonFields:    "fields",
	ReasonNumber:    "number",
	ReasonAddress:   "address",
	ReasonTime:      "time",
	ReasonAction:    "action",
	ReasonStatus:    "status",
	ReasonDirection: "direction",
	ReasonFormat:    "format",
	ReasonLine:      "line",
	ReasonText:      "text",
	ReasonPayload:   "payload",
}

// String returns the reason's name in metrics and logs, "" for ReasonNone.
func (r Reason) String() string { return reasonNames[r] }

// Reasons returns every reason except ReasonNone, in a constant order.
func Reasons() []Reason {
	all := make([]Reason, 0, numReasons-1)
	for r := ReasonNone + 1; r < numReasons; r++ {
		all = append(all, r)
	}
	return all
}
