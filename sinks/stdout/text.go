package stdout

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// indent is how far the lines of a finding after its first are moved in.
const indent = 4

// colors of the severities as SGR parameters.
var colors = map[detect.Severity]string{
	detect.Info:     "2",    // faint
	detect.Low:      "36",   // cyan
	detect.Medium:   "33",   // yellow
	detect.High:     "31",   // red
	detect.Critical: "1;31", // bold red
}

// appendText appends a finding for people: event time, severity, activity,
// rule and message, wrapped at width columns (0: not at all).
//
//	2026-11-23 12:55Z HIGH     create scan.internal Vertical port scan: 10.0.3.17
//	    (eni-0aa1) tried 120 distinct TCP ports on 10.0.7.42 in 5 min
func appendText(b []byte, f *detect.Finding, width int, color bool) []byte {
	severity := fmt.Sprintf("%-8s", strings.ToUpper(f.Severity.String()))
	head := time.Unix(f.Time, 0).UTC().Format("2006-01-02 15:04Z") + " "
	tail := fmt.Sprintf(" %-6s %-13s", f.Activity, printable(f.Rule))
	column := len(head) + len(severity) + utf8.RuneCountInString(tail)
	b = append(b, head...)
	if code := colors[f.Severity]; color && code != "" {
		severity = "\x1b[" + code + "m" + severity + "\x1b[0m"
	}
	b = append(append(b, severity...), tail...)
	for word := range strings.FieldsSeq(printable(f.Message)) {
		n := utf8.RuneCountInString(word)
		if width > 0 && column+1+n > width && column > indent {
			b = append(append(b, '\n'), strings.Repeat(" ", indent-1)...)
			column = indent - 1
		}
		b = append(append(b, ' '), word...)
		column += 1 + n
	}
	return append(b, '\n')
}

// printable replaces what a terminal would act on: texts quote flow logs, and
// those may hold anything.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return '?'
		}
		return r
	}, s)
}

// Line returns a finding as one line for people, neither wrapped nor coloured.
func Line(f *detect.Finding) string {
	return strings.TrimSuffix(string(appendText(nil, f, 0, false)), "\n")
}
