package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/sinks/status"
)

// The demo serves its page where it says, and the command status reads it.
func TestStatusOfTheDemo(t *testing.T) {
	metrics, page := freeAddr(t), freeAddr(t)
	w := newWorld(nil)
	w.env.Now = time.Now
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() {
		code <- execute(ctx, &w.env, []string{"demo", "--speed", "1000", "--listen", metrics, "--status", page})
	}()
	await(t, metrics, func(m map[string]float64) bool { return m["flowwatch_panes_closed_total"] > 3 })
	asked := newWorld(nil)
	var state status.State
	for deadline := time.Now().Add(30 * time.Second); state.Watermark == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if code := asked.run(t, "status", "--listen", page, "--output", "json"); code != exitOK {
			t.Fatalf("exit code %d: %s", code, asked.stderr.String())
		}
		if err := json.Unmarshal(asked.stdout.Bytes(), &state); err != nil {
			t.Fatal(err)
		}
	}
	if len(state.Partitions) != 2 || state.LastCommit == nil || state.LagSeconds == nil || state.Records.OK == 0 || len(state.Problems) > 0 {
		t.Errorf("state %+v", state)
	}
	if code := asked.run(t, "status", "--listen", page); code != exitOK {
		t.Fatalf("exit code %d: %s", code, asked.stderr.String())
	}
	for _, want := range []string{"Watermark", "Lag", "Last commit", "records/s", "kinesis:vpc-flow-logs/shardId-000000000001"} {
		if !strings.Contains(asked.stdout.String(), want) {
			t.Errorf("status does not say %q:\n%s", want, asked.stdout.String())
		}
	}
	resp, err := http.Get("http://" + page + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), "<title>flowwatch status</title>") {
		t.Errorf("the page: %d, %v", resp.StatusCode, err)
	}
	stop()
	if got := <-code; got != exitOK {
		t.Fatalf("exit code %d: %s", got, w.stderr.String())
	}
	if !strings.Contains(w.stderr.String(), "Status page: http://"+page+"/\n") {
		t.Errorf("the demo does not say where its page is:\n%s", w.stderr.String())
	}
	if connects(page) {
		t.Error("the page is served on after the end")
	}
}

func TestStatusSaysWhatIsWrong(t *testing.T) {
	f := func(code int, stderr string, variables map[string]string, args ...string) {
		t.Helper()
		w := newWorld(variables)
		if got := w.run(t, append([]string{"status"}, args...)...); got != code || !strings.Contains(w.stderr.String(), stderr) {
			t.Errorf("%v exits %d with %q, want %d and %q", args, got, w.stderr.String(), code, stderr)
		}
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/status.json" {
			_, _ = io.WriteString(w, "hello")
		}
	}))
	defer server.Close()
	addr := strings.TrimPrefix(server.URL, "http://")
	f(exitFailed, "no status page of flowwatch", nil, "--listen", addr)
	f(exitFailed, "no status page of flowwatch", map[string]string{"FLOWWATCH_STATUS_LISTEN": addr})
	f(exitFailed, "ask for the status: ", nil, "--listen", freeAddr(t))
	f(exitUsage, "--listen: \"here\" is no address", nil, "--listen", "here")
	f(exitUsage, "leaves the port to the system", nil, "--listen", ":0")
	f(exitUsage, "the status page is off", nil)
	// The configuration says where, from wherever run would take it; the nearest place counts.
	cfg := func(listen string) string {
		return "{sources: [{kinesis: {stream: flows}}], status: {listen: \"" + listen + "\"}}"
	}
	file := filepath.Join(t.TempDir(), "flowwatch.yml")
	if err := os.WriteFile(file, []byte(cfg(addr)), 0o600); err != nil {
		t.Fatal(err)
	}
	configured := func(text string) map[string]string {
		return map[string]string{configVariable: text, "FLOWWATCH_STATUS_LISTEN": ""}
	}
	f(exitFailed, "no status page of flowwatch", configured(""), "--config", file)
	f(exitFailed, "no status page of flowwatch", configured(cfg(addr)))
	f(exitFailed, "no status page of flowwatch", configured(cfg("off")), "--set", "status.listen="+addr)
	f(exitFailed, "no status page of flowwatch", configured(cfg("off")), "--config", file)
	f(exitUsage, "the status page is off", configured(cfg("off")))
	f(exitUsage, "--set status.listen: \"here\" is no address", configured(cfg(addr)), "--set", "status.listen=here")
}

// A state of many partitions, in trouble.
func TestWriteStatus(t *testing.T) {
	at, lag := time.Unix(1_795_438_500, 0).UTC(), 90.2
	s := &status.State{
		Now: at.Add(15 * time.Minute), Watermark: &at, LastCommit: &at, LagSeconds: &lag, Problems: []string{"no space left\x1b[31m"},
		Throughput: status.Throughput{RecordsPerSecond: 1234.5, BytesPerSecond: 2048}, Records: status.Records{OK: 1_000_000, Malformed: 2},
		Incidents:  status.Incidents{High: 2, Low: 1},
		Partitions: []status.Partition{{ID: "kinesis:flows/shard-1", Reading: true, LagSeconds: &lag, Watermark: &at}, {ID: "kinesis:flows/shard-2"}},
	}
	var b strings.Builder
	if err := writeStatus(&b, s); err != nil {
		t.Fatal(err)
	}
	want := `Problem         no space left?[31m
Watermark       2026-11-23 12:55:00 UTC, 15 min behind now
Lag             1 min 30 s
Last commit     2026-11-23 12:55:00 UTC
Throughput      1,235 records/s, 2 KiB/s over a minute
Records         1,000,000 ok, 0 no data, 0 skipped, 2 malformed, 0 late
Open incidents  3: 0 critical, 2 high, 0 medium, 1 low, 0 info

PARTITION              STATE    LAG         WATERMARK
kinesis:flows/shard-1  is read  1 min 30 s  2026-11-23 12:55:00 UTC
kinesis:flows/shard-2  waits    -           -
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for range 100 {
		s.Partitions = append(s.Partitions, status.Partition{ID: "kinesis:flows/shard"})
	}
	s.PartitionsLeftOut = 7
	b.Reset()
	if err := writeStatus(&b, s); err != nil || !strings.HasSuffix(b.String(), "and 69 more: --output json lists the first thousand\n") {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestStatusPageOnATakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w := newWorld(nil)
	w.env.Now = time.Now
	metrics := freeAddr(t)
	if code := w.run(t, "demo", "--listen", metrics, "--status", ln.Addr().String()); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(w.stderr.String(), "status page: listen on "+ln.Addr().String()+": the port is taken") {
		t.Errorf("stderr: %s", w.stderr.String())
	}
	if connects(metrics) {
		t.Error("the metrics are served on")
	}
}
