package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/zap"
)

func TestLoggerJSON(t *testing.T) {
	var out bytes.Buffer
	log := newLogger(&out, "info", false, false)
	log.Debug("hidden")
	log.Info("started", zap.Int("partitions", 2))
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v in %q", err, &out)
	}
	if line["level"] != "info" || line["msg"] != "started" || line["partitions"] != 2.0 || line["time"] == "" {
		t.Errorf("got %v", line)
	}
}

func TestLoggerConsole(t *testing.T) {
	f := func(colour bool, want string) {
		t.Helper()
		var out bytes.Buffer
		newLogger(&out, "warn", true, colour).Warn("retrying", zap.String("shard", "0"))
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "\x1b") != colour {
			t.Errorf("got %q, want %q in it, coloured: %v", &out, want, colour)
		}
	}
	f(false, "  WARN  retrying  {\"shard\": \"0\"}\n")
	f(true, "retrying")
}

func TestColour(t *testing.T) {
	w := newWorld(map[string]string{})
	if w.colour(&w.stderr) {
		t.Error("a buffer is coloured")
	}
	w = newWorld(map[string]string{"NO_COLOR": "1"})
	if w.colour(w.Stderr) {
		t.Error("coloured in spite of NO_COLOR")
	}
}
