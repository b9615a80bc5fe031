package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The whole service keeps its state in a bucket: it ends and starts again, a
// second one is refused and told why, and after a kill nothing is counted twice.
func TestRunWithItsStateInS3(t *testing.T) {
	endpoint, bucket := os.Getenv("FLOWWATCH_S3_ENDPOINT"), os.Getenv("FLOWWATCH_S3_BUCKET")
	if endpoint == "" || bucket == "" {
		t.Skip("FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET name no server; .ci/peers-s3 starts one")
	}
	s := newStream(t, nil)
	dir, addr := t.TempDir(), freeAddr(t)
	config := s.writeRunConfig(dir, addr)
	state := fmt.Sprintf("checkpoint={s3: {bucket: %s, prefix: run-%d, endpoint: %q}, every: 500ms}", bucket, os.Getpid(), endpoint)
	begin := func(listen string) *exec.Cmd {
		return startRun(t, "--config", config, "--set", state, "--set", "listen="+listen,
			"--set", "sinks[0].file.path="+filepath.Join(dir, "findings-"+listen[len(listen)-5:]))
	}
	start, records, minute := time.Now().Add(-2*time.Hour).Unix()/300*300, 0, 0
	send := func() {
		for range 10 {
			lines := traffic(start, minute)
			s.send(lines)
			records += len(lines)
			minute++
		}
	}
	counted := func() {
		t.Helper()
		got := await(t, addr, func(m map[string]float64) bool { return m["flowwatch_source_records_total"] == float64(s.put) })
		if n := got[`flowwatch_flow_records_total{status="ok"}`]; n != float64(records) {
			t.Errorf("%g records counted, %d sent", n, records)
		}
	}

	first := begin(addr)
	send()
	counted()
	second := begin(freeAddr(t))
	if err := second.Wait(); exitStatus(err) != exitFailed {
		t.Errorf("a second process ends with %v, want exit code %d", err, exitFailed)
	}
	if want := fmt.Sprintf("in use by process %d on host ", first.Process.Pid); !strings.Contains(second.Stderr.(*bytes.Buffer).String(), want) {
		t.Errorf("it does not say %q: %s", want, second.Stderr)
	}
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err != nil {
		t.Errorf("SIGTERM ends it with %v, want exit code 0", err)
	}

	third := begin(addr)
	send()
	counted()
	_ = third.Process.Kill()
	_ = third.Wait()
	fourth := begin(addr) // waits until the one that was killed is taken for dead
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if _, err := scrape(addr); err == nil {
			break
		}
	}
	send()
	counted()
	_ = fourth.Process.Kill()
	_ = fourth.Wait()
	if said := fourth.Stderr.(*bytes.Buffer).String(); !strings.Contains(said, "shows no life") {
		t.Errorf("nothing tells why it waited: %s", said)
	}
}
