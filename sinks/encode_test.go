package sinks_test

import (
	"errors"
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
