package detect

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// thousands writes a count with commas: 12,900.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	var b strings.Builder
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return sign + b.String()
}

// kibibytes writes a volume given in KiB with one decimal: 4.2 GiB.
func kibibytes(kib float64) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB"}
	i := 0
	for kib >= 999.95 && i < len(units)-1 {
		kib /= 1024
		i++
	}
	return fmt.Sprintf("%.1f %s", kib, units[i])
}

// span writes a length of time in the largest units that fit: 5 min, 1 h 20 min.
func span(seconds int64) string {
	h, m, s := seconds/3600, seconds%3600/60, seconds%60
	var parts []string
	for _, p := range []struct {
		n    int64
		unit string
	}{{h, "h"}, {m, "min"}, {s, "s"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.unit))
		}
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

// leastP is the least probability that is written as a number.
const leastP = 1e-300

// probability writes p = e^lnP with two digits: p=4.8e-30.
func probability(lnP float64) string {
	if lnP < math.Log(leastP) {
		return "p<1e-300"
	}
	return "p=" + scientific(math.Exp(lnP))
}

// scientific writes a number with at most two digits and no padding: 5.8e-7.
func scientific(v float64) string {
	mantissa, exponent, found := strings.Cut(strconv.FormatFloat(v, 'e', 1, 64), "e")
	if !found {
		return mantissa
	}
	mantissa = strings.TrimSuffix(mantissa, ".0")
	n, err := strconv.Atoi(exponent)
	if err != nil || n == 0 {
		return mantissa
	}
	return mantissa + "e" + strconv.Itoa(n)
}

// count writes a number with its noun: 1 host, 1,200 hosts.
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + one + "s"
}

func rfc3339(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

// rounded keeps so many decimals; NaN and infinities, which JSON has no words
// for, become 0.
func rounded(v float64, decimals int) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	scale := math.Pow10(decimals)
	if r := math.Round(v*scale) / scale; !math.IsInf(r, 0) {
		return r
	}
	return v
}

// significant keeps two significant digits.
func significant(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 1, 64), 64)
	if err != nil || math.IsNaN(r) || math.IsInf(r, 0) {
		return 0
	}
	return r
}

// insightsQuote writes text as a string of CloudWatch Logs Insights.
func insightsQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(printable(s)) + "'"
}

// sqlQuote writes text as a string of SQL.
func sqlQuote(s string) string {
	return "'" + strings.ReplaceAll(printable(s), "'", "''") + "'"
}

// printable makes text from a log line safe to show: valid UTF-8 without
// control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

func printableAll(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = printable(l)
	}
	return out
}
