package sinks_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
)

func TestEncodeAppendLines(t *testing.T) {
	cause := errors.New("cause")
	now := time.Unix(1795438500, 0)
	encode := sinks.Encode(func(f *detect.Finding, processed time.Time) ([]byte, error) {
		if f.UID == "bad" {
			return nil, cause
		}
		return []byte(f.UID + processed.UTC().Format("@15:04")), nil
	})
	got, err := encode.AppendLines([]byte("before\n"), []detect.Finding{event("a", 1), event("b", 1)}, now)
	if want := "before\na@12:55\nb@12:55\n"; err != nil || string(got) != want {
		t.Errorf("lines %q, %v; want %q", got, err, want)
	}
	got, err = encode.AppendLines([]byte("before\n"), []detect.Finding{event("a", 1), event("bad", 7)}, now)
	if !sinks.IsPermanent(err) || !errors.Is(err, cause) || err.Error() != "encode finding bad event 7: cause" {
		t.Errorf("error %v, want a Permanent one that names the finding", err)
	}
	if string(got) != "before\n" {
		t.Errorf("after the error %q, want what was there", got)
	}
}

// A finding is encoded with as much of its evidence as fits.
func TestEncodeWithin(t *testing.T) {
	encode := sinks.Encode(func(f *detect.Finding, _ time.Time) ([]byte, error) {
		return []byte(strings.Join(f.Lines, "") + f.Queries.Athena + f.Message), nil
	})
	f := event("a", 7)
	f.Lines, f.Queries.Athena, f.Message = []string{"12345"}, "abc", "xy"
	for _, test := range []struct {
		limit int
		want  string // "" is an error
	}{{10, "12345abcxy"}, {9, "abcxy"}, {5, "abcxy"}, {4, "xy"}, {2, "xy"}, {1, ""}} {
		got, err := encode.Within(&f, time.Time{}, test.limit)
		if test.want == "" {
			if !sinks.IsPermanent(err) || !strings.Contains(err.Error(), "finding a event 7") {
				t.Errorf("within %d: %v, want a Permanent error that names the finding", test.limit, err)
			}
			continue
		}
		if err != nil || string(got) != test.want {
			t.Errorf("within %d: %q, %v; want %q", test.limit, got, err, test.want)
		}
	}
}
