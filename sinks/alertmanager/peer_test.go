package alertmanager

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// Prometheus' own Alertmanager takes what is posted, and has active what
// receiver has.
func TestAgainstAlertmanager(t *testing.T) {
	base := startAlertmanager(t)
	now := time.Now()
	s, err := New(Config{URL: []string{base}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	at := func(seq int, a detect.Activity, severity detect.Severity) []detect.Finding {
		f := event(seq, a, severity)
		f.Title, f.Message = "Port scan", `10.0.3.17 tried "120" ports`
		f.Created, f.Time = now.Add(-time.Hour).Unix(), now.Unix()
		return []detect.Finding{f}
	}
	for _, step := range []struct {
		name   string
		events []detect.Finding
		want   map[string]string // event by severity
	}{
		{"opened", at(1, detect.Create, detect.Medium), map[string]string{"medium": "1"}},
		{"repeated", at(1, detect.Create, detect.Medium), map[string]string{"medium": "1"}},
		{"gets worse", at(2, detect.Update, detect.High), map[string]string{"high": "2"}},
		{"closed", at(3, detect.Close, detect.High), map[string]string{}},
	} {
		if err := s.Send(t.Context(), step.events); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, active(t, base)); diff != "" {
			t.Errorf("%s: active alerts (-want +got):\n%s", step.name, diff)
		}
	}
}

// startAlertmanager runs one on a free port of loopback until the test ends,
// and returns its base URL.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if binary, err = exec.LookPath("alertmanager"); err != nil {
			t.Skip("neither prometheus-alertmanager nor alertmanager is in PATH")
		}
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), binary, "--config.file="+config, "--storage.path="+dir,
		"--cluster.listen-address=", "--web.listen-address="+addr, "--log.level=error")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed
	})
	base := "http://" + addr
	for deadline := time.Now().Add(30 * time.Second); ; {
		if answer, err := http.Get(base + "/-/ready"); err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return base
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("alertmanager is not ready after 30 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// active returns the events of the alerts that are active, by severity.
func active(t *testing.T, base string) map[string]string {
	t.Helper()
	answer, err := http.Get(base + "/api/v2/alerts?active=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var alerts []alert
	if err := json.Unmarshal(body, &alerts); err != nil {
		t.Fatal(fmt.Errorf("%w in %.200q", err, body))
	}
	found := map[string]string{}
	for _, a := range alerts {
		found[a.Labels["severity"]] = a.Annotations["event"]
	}
	return found
}
