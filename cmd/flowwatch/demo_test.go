package main

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"
)

// Within its first 95 minutes of event time the demo's traffic has two scans from
// inside, two from outside (one of them over IPv6), a spike, and a brute force,
// which may be a spike of its interface as well; and what goes wrong in real
// logs. So a dashboard has something to show everywhere.
func TestDemoFindsItsAttacks(t *testing.T) {
	addr := freeAddr(t)
	w := newWorld(nil)
	w.env.Now = time.Now
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- execute(ctx, &w.env, []string{"demo", "--speed", "1000", "--listen", addr}) }()
	opened := func(m map[string]float64, rule string) (n float64) {
		for name, v := range m {
			if strings.HasPrefix(name, `flowwatch_findings_total{rule="`+rule+`"`) {
				n += v
			}
		}
		return n
	}
	got := await(t, addr, func(m map[string]float64) bool {
		return opened(m, "scan.internal") == 2 && opened(m, "scan.external") == 2 && opened(m, "spike") >= 1 && opened(m, "bruteforce") == 1
	})
	for _, name := range []string{
		`flowwatch_flow_records_total{status="nodata"}`, `flowwatch_flow_records_total{status="skipdata"}`,
		`flowwatch_malformed_records_total{reason="time"}`, "flowwatch_late_records_total", "flowwatch_source_bytes_total",
		"flowwatch_panes_closed_total", "flowwatch_commits_total", "flowwatch_watermark_timestamp_seconds",
	} {
		if got[name] <= 0 {
			t.Errorf("%s is %g", name, got[name])
		}
	}
	stop() // as Ctrl-C does
	if got := <-code; got != exitOK {
		t.Fatalf("exit code %d: %s", got, w.stderr.String())
	}
	for _, want := range []string{"scan.internal 2", "scan.external 2", "spike ", "bruteforce 1", "external-scan-v6", "malformed", "late", addr} {
		if !strings.Contains(w.stderr.String(), want) {
			t.Errorf("the summary does not say %q:\n%s", want, w.stderr.String())
		}
	}
	for _, want := range []string{"Vertical port scan", "Horizontal port scan", "Ingress spike on"} {
		if !strings.Contains(w.stdout.String(), want) {
			t.Errorf("no finding on stdout says %q", want)
		}
	}
}

func TestDemoEndsAfterItsDuration(t *testing.T) {
	w := newWorld(nil)
	w.env.Now = time.Now
	if code := w.run(t, "demo", "--duration", "1s", "--listen", freeAddr(t)); code != exitOK {
		t.Errorf("exit code %d: %s", code, w.stderr.String())
	}
}

func TestDemoOnATakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	w := newWorld(nil)
	w.env.Now = time.Now
	if code := w.run(t, "demo", "--listen", ln.Addr().String()); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if !strings.Contains(w.stderr.String(), "port is taken") {
		t.Errorf("stderr: %s", w.stderr.String())
	}
}
