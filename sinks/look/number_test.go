package look

import (
	"math"
	"testing"
	"time"
)

func TestNumbers(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(Count(0), "0")
	f(Count(999), "999")
	f(Count(1000), "1,000")
	f(Count(-1234567), "-1,234,567")
	f(Count(math.MaxInt64), "9,223,372,036,854,775,807")
	f(Count(math.MinInt64), "-9,223,372,036,854,775,808")
	f(Optional(nil), "-")
	f(Number(12.34), "12.3")
	f(Number(12), "12")
	f(Number(12345.6), "12,346")
	f(Number(math.NaN()), "-")
	f(Number(math.Inf(1)), "-")
	f(Short(1234), "1.2k")
	f(Short(150), "150")
	f(Short(999.9), "1k")
	f(Bytes(0), "0 B")
	f(Bytes(1536), "1.5 KiB")
	f(Bytes(1<<62), "4 EiB")
	f(Share(1, 3), "33.3 %")
	f(Share(1, 1_000_000), "< 0.1 %")
	f(Share(0, 0), "-")
	f(UTC(1795438500), "2026-11-23 12:55 UTC")
	f(Span(0), "0 s")
	f(Span(59*time.Second), "59 s")
	f(Span(80*time.Minute), "1 h 20 min")
	f(Span(24*time.Hour+5*time.Second), "1 d")
	f(Span(-90*time.Second), "-1 min 30 s")
}
