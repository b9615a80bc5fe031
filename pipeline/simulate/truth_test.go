package simulate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTruthIsReadAsItWasWritten(t *testing.T) {
	cfg := suiteConfig
	cfg.Scenarios = suite(t, "all", cfg, week)
	want := generator(t, cfg).Truth()
	var b bytes.Buffer
	if err := WriteTruth(&b, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadTruth(&b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("truth (-written +read):\n%s", diff)
	}
}

func TestReadTruthSaysWhatIsWrong(t *testing.T) {
	const good = `{"scenario":"scan","key":"10.0.0.1","start":"2026-01-01T00:00:00Z","end":"2026-01-01T00:05:00Z","expect":"finding"}`
	if got, err := ReadTruth(strings.NewReader("\n" + good + "\n\n")); err != nil || len(got) != 1 {
		t.Fatalf("%d truths, error %v", len(got), err)
	}
	f := func(old, new, want string) {
		t.Helper()
		_, err := ReadTruth(strings.NewReader(good + "\n" + strings.Replace(good, old, new, 1)))
		if err == nil || !strings.Contains(err.Error(), "truth, line 2: "+want) {
			t.Errorf("error %v, want one of line 2 with %q", err, want)
		}
	}
	f(`"scan"`, `""`, "no scenario")
	f(`"10.0.0.1"`, `""`, "no key")
	f(`"finding"`, `"trouble"`, `expect "trouble": accepted are`)
	f(`"end":"2026-01-01T00:05:00Z"`, `"end":"2025-01-01T00:05:00Z"`, "start")
	f(`"key"`, `"kee"`, `json: unknown field "kee"`)
	f(`{`, ``, "")
}
