package look

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Unknown stands where nothing is known.
const Unknown = "-"

// Count writes a whole number with its thousands apart: 12,345,678.
func Count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// Optional is Count, or Unknown for nil.
func Optional(n *int64) string {
	if n == nil {
		return Unknown
	}
	return Count(*n)
}

// Number writes an amount: whole from 100 on, below that with one decimal
// where it has one.
func Number(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return Unknown
	}
	if math.Abs(x) >= 100 || x == math.Trunc(x) {
		return Count(int64(math.Round(max(math.MinInt64/2, min(math.MaxInt64/2, x)))))
	}
	return strconv.FormatFloat(x, 'f', 1, 64)
}

// Short writes an amount in at most five characters, for axes: 1.2k, 35M.
func Short(x float64) string { return scaled(x, 1000, []string{"", "k", "M", "G", "T", "P", "E"}) }

// Bytes writes a number of bytes in binary units: 512 B, 1.5 KiB.
func Bytes(x float64) string {
	return scaled(x, 1024, []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"})
}

func scaled(x, base float64, units []string) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return Unknown
	}
	i := 0
	for ; math.Abs(x) >= base*0.9995 && i < len(units)-1; i++ {
		x /= base
	}
	decimals := 1
	switch {
	case math.Abs(x) >= 1e6:
		return Unknown // beyond what there are names for
	case math.Abs(x) >= 99.95:
		decimals = 0
	}
	return strings.TrimSuffix(strconv.FormatFloat(x, 'f', decimals, 64), ".0") + units[i]
}

// Share writes a part of a whole in percent, Unknown of nothing.
func Share(part, whole int64) string {
	if whole <= 0 {
		return Unknown
	}
	percent := 100 * float64(part) / float64(whole)
	if part > 0 && percent < 0.1 {
		return "< 0.1 %"
	}
	return strconv.FormatFloat(percent, 'f', 1, 64) + " %"
}

// UTC writes Unix seconds to the minute, with the zone: 2026-11-23 12:55 UTC.
func UTC(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04 UTC") }

// Span writes a length of time in its two largest units: 1 h 20 min.
func Span(d time.Duration) string {
	seconds := int64(d.Round(time.Second) / time.Second)
	if seconds < 0 {
		return "-" + Span(-d)
	}
	var parts []string
	for _, u := range []struct {
		seconds int64
		name    string
	}{{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}} {
		if n := seconds / u.seconds; n > 0 && len(parts) < 2 {
			parts = append(parts, strconv.FormatInt(n, 10)+" "+u.name)
		} else if len(parts) > 0 {
			break // 1 d, not 1 d 5 s
		}
		seconds %= u.seconds
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}
