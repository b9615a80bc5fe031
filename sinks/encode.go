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

// Within encodes a finding in at most limit bytes: as much of its evidence as
// is needed for that goes, in the order of detect.Finding.Trim. What is larger
// even then is a Permanent error.
func (encode Encode) Within(f *detect.Finding, processed time.Time, limit int) ([]byte, error) {
	for steps := 0; ; steps++ {
		trimmed, ok := f.Trim(steps)
		if !ok {
			return nil, Permanent(fmt.Errorf("finding %s event %d is larger than %d bytes without its evidence", f.UID, f.Seq, limit))
		}
		object, err := encode(&trimmed, processed)
		if err != nil {
			return nil, Permanent(fmt.Errorf("encode finding %s event %d: %w", f.UID, f.Seq, err))
		}
		if len(object) <= limit {
			return object, nil
		}
	}
}
