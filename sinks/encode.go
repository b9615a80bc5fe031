package sinks

import (
	"fmt"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Encode turns a finding into one JSON object; processed is the time of
// sending. It is (*detect.Finding).OCSF but in tests.
type Encode func(f *detect.Finding, processed time.Time) ([]byte, error)

// AppendLines appends one line of JSON for each finding, in order. An error is
// Permanent, and nothing has been appended.
func (encode Encode) AppendLines(b []byte, findings []detect.Finding, processed time.Time) ([]byte, error) {
	start := len(b)
	for i := range findings {
		f := &findings[i]
		object, err := encode(f, processed)
		if err != nil {
			return b[:start], Permanent(fmt.Errorf("encode finding %s event %d: %w", f.UID, f.Seq, err))
		}
		b = append(append(b, object...), '\n')
	}
	return b, nil
}
