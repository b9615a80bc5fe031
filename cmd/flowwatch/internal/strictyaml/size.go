package strictyaml

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written like 512MiB.
type Size int64

var units = []struct {
	name  string
	bytes Size
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"B", 1},
}

// Accepts tells what UnmarshalText takes.
func (s Size) Accepts() string { return "a size like 512MiB or 2GB" }

// UnmarshalText reads a whole number of bytes with a unit: B, KiB, MiB, GiB,
// TiB (powers of 1024), kB, MB, GB, TB (powers of 1000).
func (s *Size) UnmarshalText(text []byte) error {
	for _, u := range units {
		number, found := strings.CutSuffix(string(text), u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 {
			return errors.New("is no size")
		}
		if n > math.MaxInt64/int64(u.bytes) {
			return errors.New("is too large")
		}
		*s = Size(n) * u.bytes
		return nil
	}
	if _, err := strconv.ParseInt(string(text), 10, 64); err == nil {
		return errors.New("has no unit")
	}
	return errors.New("is no size")
}

// MarshalText writes the size in the largest unit that keeps it exact.
func (s Size) MarshalText() ([]byte, error) {
	for i := 3; i >= 0 && s != 0; i-- {
		if s%units[i].bytes == 0 {
			return fmt.Appendf(nil, "%d%s", s/units[i].bytes, units[i].name), nil
		}
	}
	return fmt.Appendf(nil, "%dB", s), nil
}
