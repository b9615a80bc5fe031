package summary

import (
	"fmt"
	"strconv"
	"time"
)

// known formats a number, or says that it is not known.
func known(n *int64, format func(int64) string) string {
	if n == nil {
		return "-"
	}
	return format(*n)
}

var (
	thousands = []string{"", "k", "M", "G", "T", "P", "E"}
	kibi      = []string{" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"}
)

// brief is count in at most seven columns.
func brief(n int64) string {
	if n >= 1_000_000 {
		return scaled(float64(n), 1000, thousands)
	}
	return count(n)
}

// count writes a number with its thousands apart, or to four digits where that
// would be long: 12,345,678 and 123.5M.
func count(n int64) string {
	if n >= 100_000_000 {
		return scaled(float64(n), 1000, thousands)
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// size writes a number of bytes in binary units: 512 B, 1.5 KiB.
func size(n int64) string {
	return scaled(float64(n), 1024, kibi)
}

func scaled(x, base float64, units []string) string {
	i := 0
	for ; x >= base-0.05 && i < len(units)-1; i++ {
		x /= base
	}
	if i == 0 {
		return fmt.Sprintf("%.0f%s", x, units[0])
	}
	return fmt.Sprintf("%.1f%s", x, units[i])
}

// span writes a length of time to two units.
func span(d time.Duration) string {
	days := d / (24 * time.Hour)
	d -= days * 24 * time.Hour
	hours, minutes, seconds := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}
