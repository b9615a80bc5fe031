package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/alertmanager"
	"github.com/flowwatch/flowwatch/sinks/eventbridge"
	"github.com/flowwatch/flowwatch/sinks/slack"
	"github.com/flowwatch/flowwatch/sinks/sns"
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

// exampleTime is when the examples are sent: 16 minutes after the pane.
func exampleTime() time.Time { return time.Unix(1795439401, 0) }

func exampleEncode(f *detect.Finding, processed time.Time) ([]byte, error) {
	return detect.Product{Version: "1.0.0"}.AppendOCSF(nil, f, processed)
}

// sent returns the requests that a sink makes to a local server, which answers
// each, for the example finding.
func sent(t *testing.T, answer string, open func(url string) (sinks.Sink, error)) (request *http.Request, body []byte) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		request = r
		_, _ = io.WriteString(w, answer) // a sink that misses it fails
	}))
	defer server.Close()
	sink, err := open(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Send(t.Context(), []detect.Finding{exampleFinding()}); err != nil {
		t.Fatal(err)
	}
	return request, body
}

// TestSinksDoc holds docs/sinks.md to what the sinks send.
func TestSinksDoc(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	generated(t, filepath.Join("..", "..", "docs", "sinks.md"), map[string]string{
		"webhook": webhookExample(t), "alertmanager": alertmanagerExample(t), "sns": snsExample(t),
		"eventbridge": eventbridgeExample(t), "slack": slackExample(t),
	})
}

func webhookExample(t *testing.T) string {
	r, body := sent(t, "", func(url string) (sinks.Sink, error) {
		return webhook.New(webhook.Config{
			URL: url + "/in", Secret: "change-me", Headers: map[string]string{"Authorization": "Bearer none"},
		}, webhook.Deps{Now: exampleTime, Encode: exampleEncode})
	})
	return fenced("http", requestHead(r, "Content-Type", "User-Agent", "Idempotency-Key", webhook.SignatureHeader, "Authorization")+indented(t, body))
}

func alertmanagerExample(t *testing.T) string {
	r, body := sent(t, "", func(url string) (sinks.Sink, error) {
		return alertmanager.New(alertmanager.Config{URL: []string{url}}, alertmanager.Deps{Now: exampleTime})
	})
	return fenced("http", requestHead(r, "Content-Type")+indented(t, body))
}

func slackExample(t *testing.T) string {
	_, body := sent(t, "ok", func(url string) (sinks.Sink, error) { return slack.New(slack.Config{URL: url}, slack.Deps{}) })
	return fenced("json", indented(t, body))
}

// snsExample shows the parameters of a Publish, without those of the protocol.
func snsExample(t *testing.T) string {
	_, body := sent(t, "<PublishResponse><PublishResult><MessageId>id</MessageId></PublishResult></PublishResponse>", func(url string) (sinks.Sink, error) {
		return sns.New(sns.Config{TopicARN: "arn:aws:sns:eu-central-1:111122223333:findings.fifo", Endpoint: url}, sns.Deps{Now: exampleTime, Encode: exampleEncode})
	})
	form, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{"Message": "{ the OCSF object }"}
	attributes := map[string]string{}
	for name, values := range form {
		entry, isName := strings.CutSuffix(name, ".Name")
		switch {
		case isName:
			attributes[values[0]] = form.Get(entry + ".Value.StringValue")
		case name != "Action" && name != "Version" && name != "Message" && !strings.Contains(name, "."):
			shown[name] = values[0]
		}
	}
	shown["MessageAttributes"] = attributes
	return fenced("json", marshalled(t, shown))
}

func eventbridgeExample(t *testing.T) string {
	_, body := sent(t, `{"FailedEntryCount":0,"Entries":[{"EventId":"id"}]}`, func(url string) (sinks.Sink, error) {
		return eventbridge.New(eventbridge.Config{Region: "eu-central-1", Endpoint: url}, eventbridge.Deps{Now: exampleTime, Encode: exampleEncode})
	})
	var in struct{ Entries []map[string]any }
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	in.Entries[0]["Detail"] = "{ the OCSF object }"
	return fenced("json", marshalled(t, in.Entries[0]))
}

func requestHead(r *http.Request, names ...string) string {
	head := fmt.Sprintf("%s %s HTTP/1.1\n", r.Method, r.URL.Path)
	for _, name := range names {
		head += name + ": " + r.Header.Get(name) + "\n"
	}
	return head + "\n"
}

func marshalled(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v) // sorts the keys
	if err != nil {
		t.Fatal(err)
	}
	return indented(t, b)
}

func indented(t *testing.T, object []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, object, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func fenced(language, text string) string {
	return "```" + language + "\n" + strings.TrimSpace(text) + "\n```\n"
}
