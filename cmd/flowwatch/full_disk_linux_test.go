package main

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The disk of the state fills up while the service runs: it says so, stops
// reading and goes on by itself when there is room again. Nothing is lost, and
// nothing is counted twice, also after a kill at the worst moment.
func TestRunOnAFullDisk(t *testing.T) {
	s := newStream(t, nil)
	dir, addr := t.TempDir(), freeAddr(t)
	config := s.writeRunConfig(dir, addr)
	state := filepath.Join(dir, "state")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no small disk: mounting one needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(state, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	begin := func() *exec.Cmd { return startRun(t, "--config", config) }
	const start, minutes = 1_764_000_000, 10
	records, minute := 0, 0
	send := func() {
		for range minutes {
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

	cmd := begin()
	send()
	counted()
	filler := filepath.Join(state, "filler")
	fill(t, filler)
	before, recordsBefore := s.put, records
	send()
	got := await(t, addr, func(m map[string]float64) bool { return m["flowwatch_commit_failures_total"] >= 2 })
	if n := got["flowwatch_source_records_total"]; n != float64(before) {
		t.Errorf("%g source records are counted with a full disk, want the %d that were committed", n, before)
	}
	if n := got[`flowwatch_flow_records_total{status="ok"}`]; n != float64(recordsBefore) {
		t.Errorf("%g records are counted with a full disk, want the %d that were committed", n, recordsBefore)
	}
	if why := readyz(t, addr); !strings.Contains(why, "commits fail, reading waits") || !strings.Contains(why, syscall.ENOSPC.Error()) || !strings.Contains(why, state) {
		t.Errorf("/readyz says %q, want why and where", why)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	counted()

	fill(t, filler)
	send()
	await(t, addr, func(m map[string]float64) bool {
		return m["flowwatch_commit_failures_total"] > got["flowwatch_commit_failures_total"]
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if said := cmd.Stderr.(*bytes.Buffer).String(); !strings.Contains(said, "commit fails; reading has stopped until it succeeds") {
		t.Errorf("the log does not tell: %s", said)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	begin()
	counted()
}

// fill writes a file until there is no more room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 4096); err == nil; {
		_, err = f.Write(chunk)
	}
	if !strings.Contains(err.Error(), syscall.ENOSPC.Error()) {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// readyz returns what /readyz says when it does not say that all is well.
func readyz(t *testing.T, addr string) string {
	t.Helper()
	answer, err := http.Get("http://" + addr + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %s, %v; want 503", answer.Status, err)
	}
	return string(text)
}
