package simulate

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// WriteTruth writes one JSON object a line.
func WriteTruth(w io.Writer, all []Truth) error {
	e := json.NewEncoder(w)
	for i := range all {
		if err := e.Encode(&all[i]); err != nil {
			return fmt.Errorf("write truth: %w", err)
		}
	}
	return nil
}

// ReadTruth reads what WriteTruth wrote, or what somebody wrote in its form:
// scenario, key, start, end and expect are needed. Empty lines are passed over.
func ReadTruth(r io.Reader) ([]Truth, error) {
	var all []Truth
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		var t Truth
		d := json.NewDecoder(strings.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&t); err != nil {
			return nil, fmt.Errorf("truth, line %d: %w", n, err)
		}
		if err := t.check(); err != nil {
			return nil, fmt.Errorf("truth, line %d: %w", n, err)
		}
		all = append(all, t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read truth: %w", err)
	}
	return all, nil
}

func (t *Truth) check() error {
	switch {
	case t.Scenario == "":
		return fmt.Errorf("no scenario: any name is accepted")
	case t.Key == "":
		return fmt.Errorf("no key: an address or an interface")
	case t.Start.IsZero() || t.End.IsZero() || t.End.Before(t.Start):
		return fmt.Errorf("start %v and end %v: both are needed, in RFC 3339, in order", t.Start, t.End)
	case t.Expect != ExpectFinding && t.Expect != ExpectMetric && t.Expect != ExpectNone:
		return fmt.Errorf("expect %q: accepted are finding, metric and none", t.Expect)
	}
	return nil
}
