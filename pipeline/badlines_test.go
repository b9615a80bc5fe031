package pipeline

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// However many lines are broken, the log has one a second, the beginning of it,
// and says how many it did not show.
func TestOneBadLineASecondIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zap.WarnLevel)
		bad := &badLines{log: zap.New(core)}
		for range 3000 { // one a millisecond
			bad.sample("k/a", flowlog.ReasonFields, []byte(strings.Repeat("x", 1000)), errors.New("why"))
			time.Sleep(time.Millisecond)
		}
		type shown struct {
			partition, reason, line, err string
			notShown                     int64
		}
		var got []shown
		for _, entry := range logs.All() {
			f := entry.ContextMap()
			got = append(got, shown{f["partition"].(string), f["reason"].(string), f["line"].(string), f["error"].(string), f["not_shown"].(int64)})
		}
		line := strings.Repeat("x", shownBytes)
		want := []shown{{"k/a", "fields", line, "why", 0}, {"k/a", "fields", line, "why", 999}, {"k/a", "fields", line, "why", 999}}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(shown{})); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	})
}
