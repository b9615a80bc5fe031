package pipeline

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// minutes sends a batch a minute to each partition that reads.
func minutes(n int, b Batch, to ...*handPartition) {
	for range n {
		for _, p := range to {
			p.send(b)
		}
		time.Sleep(time.Minute)
	}
}

func wantHealth(t *testing.T, b *bench, health, ready string) {
	t.Helper()
	for _, probe := range []struct{ name, got, want string }{{"Health", text(b.Health()), health}, {"Ready", text(b.Ready()), ready}} {
		if probe.want == "" && probe.got != "" || !strings.Contains(probe.got, probe.want) {
			t.Errorf("%s says %q, want %q", probe.name, probe.got, probe.want)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// A shard that waits for the others is healthy however long that takes, and
// Ready names it. The one it waits for is not, once it has got nowhere for five
// minutes though records wait; and is again with the next of them.
func TestHealthOfAPartitionHeldBackAndOfOneThatIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newHand("a", "b")
		b := start(t, source)
		ahead, behind := source.parts["a"], source.parts["b"]
		behind.feed("1", 1_700_000_100, v2)
		ahead.feed("1", 1_700_000_100, v2)
		fed := ahead.feedWithoutWaiting("2", 1_700_010_000, strings.ReplaceAll(v2, "17000000", "17000090"))
		wantHealth(t, b, "", "")

		minutes(10, Batch{}, behind)
		wantHealth(t, b, "", "partition hand/a has been held back for 10m")

		minutes(4, Batch{Lag: time.Hour}, behind)
		wantHealth(t, b, "", "partition hand/a has been held back for 14m")
		minutes(2, Batch{Lag: time.Hour}, behind)
		wantHealth(t, b, "partition hand/b: nothing read for 7m", "partition hand/a has been held back for 16m")
		minutes(1, Batch{Unread: "no answer from Kinesis for 7m0s"}, behind)
		wantHealth(t, b, "no answer from Kinesis for 7m0s", "partition hand/a")

		behind.feed("2", 1_700_010_000, strings.ReplaceAll(v2, "17000000", "17000089"))
		<-fed
		wantHealth(t, b, "", "")
		b.finish(t)
	})
}

// A shard whose records wait for a commit that does not succeed is healthy: a
// restart would not help. Ready tells why nothing is read.
func TestHealthWhileCommitsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &failingStore{worldStore: worldStore{entries: map[string][]byte{}}}
		source := newHand("a")
		b := start(t, source, withStore(store), func(c *Config, _ *Dependencies) { c.CommitEvery = time.Second })
		part := source.parts["a"]
		part.feed("1", 1_700_000_100, v2)
		store.fail(errors.New("no space left on device"))
		<-store.failed
		<-store.failed // the second try: the first one's failure is known
		fed := part.feedWithoutWaiting("2", 1_700_000_100, v2)

		time.Sleep(10 * time.Minute)
		wantHealth(t, b, "", "commits fail, reading waits: no space left on device")

		store.fail(nil)
		<-fed
		wantHealth(t, b, "", "")
		b.finish(t)
	})
}
