package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks/webhook"
)

// exampleFinding is what docs/sinks.md shows of each sink.
func exampleFinding() detect.Finding {
	return detect.Finding{
		Rule: "bruteforce", Version: "1", Account: "111122223333", Region: "eu-central-1", Scope: "vpc-0abc", Key: "198.51.100.7",
		UID: "bruteforce/111122223333/vpc-0abc/198.51.100.7/1795438200", Seq: 1, Activity: detect.Create,
		Severity: detect.Medium, Confidence: detect.MediumConfidence, ConfidenceScore: 70,
		Time: 1795438500, Created: 1795438500, FirstSeen: 1795438210, LastSeen: 1795438490, Count: 42, Records: 42,
		Title: "Guessed passwords", Message: "198.51.100.7 opened 42 connections to port 22 of 10.0.0.5", Desc: "42 connections, 20 make a finding",
		Types: []string{"bruteforce"}, Analytic: detect.Analytic{Algorithm: "threshold", Category: "Count"}, Attacks: []detect.Attack{},
	}
}

// TestSinksDoc holds docs/sinks.md to what the sinks send.
func TestSinksDoc(t *testing.T) {
	var shown bytes.Buffer
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(&shown, "%s /in HTTP/1.1\n", r.Method)
		for _, name := range []string{"Content-Type", "User-Agent", "Idempotency-Key", webhook.SignatureHeader, "Authorization"} {
			fmt.Fprintf(&shown, "%s: %s\n", name, r.Header.Get(name))
		}
		shown.WriteByte('\n')
		if err := json.Indent(&shown, body, "", "  "); err != nil {
			t.Error(err)
		}
	}))
	defer server.Close()
	now := time.Unix(1795439401, 0)
	sink, err := webhook.New(webhook.Config{
		URL: server.URL + "/in", Secret: "change-me", Headers: map[string]string{"Authorization": "Bearer none"},
	}, webhook.Deps{
		Now: func() time.Time { return now },
		Encode: func(f *detect.Finding, processed time.Time) ([]byte, error) {
			return detect.Product{Version: "1.0.0"}.AppendOCSF(nil, f, processed)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Send(t.Context(), []detect.Finding{exampleFinding()}); err != nil {
		t.Fatal(err)
	}
	generated(t, filepath.Join("..", "..", "docs", "sinks.md"), map[string]string{
		"webhook": "```http\n" + strings.TrimSpace(shown.String()) + "\n```\n",
	})
}
