package evaluate

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// ReadLabels reads labels of captures: lines of start, end, source and kind
// separated by tabs, the times in Unix seconds, after a header line that begins
// with start. Further columns are passed over: how many targets there were is
// for the records to say, since distinct addresses and distinct ports don't
// multiply.
//
// A kind with "scan" in it is to be found by a scan rule, whichever; one with
// "dos" or "flood" by the rule spike. Of the others, and of weak labels
// (weak:...), nothing is expected.
func ReadLabels(r io.Reader) ([]simulate.Truth, error) {
	var all []simulate.Truth
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimRight(lines.Text(), "\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		fields := strings.Split(text, "\t")
		if fields[0] == "start" {
			continue
		}
		t, err := label(fields)
		if err != nil {
			return nil, fmt.Errorf("labels, line %d: %w", n, err)
		}
		all = append(all, t)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read labels: %w", err)
	}
	return all, nil
}

func label(fields []string) (simulate.Truth, error) {
	if len(fields) < 4 {
		return simulate.Truth{}, fmt.Errorf("%d columns: accepted are start, end, source and kind, separated by tabs", len(fields))
	}
	var times [2]time.Time
	for i := range times {
		seconds, err := strconv.ParseFloat(fields[i], 64)
		if err != nil || seconds < 0 || seconds > 1e11 {
			return simulate.Truth{}, fmt.Errorf("time %q: accepted are Unix seconds", fields[i])
		}
		times[i] = time.Unix(int64(seconds), 0).UTC()
	}
	source, err := netip.ParseAddr(fields[2])
	if err != nil {
		return simulate.Truth{}, fmt.Errorf("source %q: accepted is an address", fields[2])
	}
	if times[1].Before(times[0]) {
		return simulate.Truth{}, fmt.Errorf("end %s is before start %s", fields[1], fields[0])
	}
	t := simulate.Truth{
		Scenario: simulate.Kind(fields[3]), Key: source.String(), Start: times[0], End: times[1], Expect: simulate.ExpectNone,
	}
	switch kind := strings.ToLower(fields[3]); {
	case strings.HasPrefix(kind, "weak:"):
	case strings.Contains(kind, "scan"):
		t.Expect, t.Also = simulate.ExpectFinding, []string{"spike"}
	case strings.Contains(kind, "dos"), strings.Contains(kind, "flood"):
		t.Expect, t.Rule = simulate.ExpectFinding, "spike"
	}
	return t, nil
}
