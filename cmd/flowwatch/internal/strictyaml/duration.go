package strictyaml

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var days = regexp.MustCompile(`^(-?)(\d{1,5})d(.*)$`)

// parseDuration is time.ParseDuration with days (of 24 h) in front.
func parseDuration(text string) (time.Duration, error) {
	var whole time.Duration
	sign := ""
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[2]) // five digits
		whole, sign, text = time.Duration(n)*24*time.Hour, m[1], m[3]
		if text == "" {
			text = "0"
		} else if text[0] == '-' || text[0] == '+' {
			return 0, errors.New("is no duration")
		}
	}
	rest, err := time.ParseDuration(text)
	switch {
	case err != nil && strings.Contains(err.Error(), "missing unit"):
		return 0, errors.New("has no unit")
	case err != nil || whole+rest < whole && rest > 0:
		return 0, errors.New("is no duration")
	case sign != "":
		return -(whole + rest), nil
	}
	return whole + rest, nil
}

// FormatDuration leaves out the zero units of Duration.String: 5m, not 5m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
