package sns

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/sinktest"
)

// topic is a local server of Publish (AWS Query), with its limits.
type topic struct {
	mu       sync.Mutex
	events   []sinktest.Event
	messages []url.Values
	fails    string                                       // the part of a message that fails
	answer   func(w http.ResponseWriter, r *http.Request) // in the place of all that
}

func (p *topic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	if answer != nil {
		answer(w, r)
		return
	}
	if err := r.ParseForm(); err != nil || r.PostForm.Get("Action") != "Publish" || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ") {
		awsError(w, http.StatusBadRequest, "InvalidAction")
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	message := r.PostForm.Get("Message")
	switch why := refusal(r.PostForm); {
	case why != "":
		awsError(w, http.StatusBadRequest, "InvalidParameter")
		return
	case p.fails != "" && strings.Contains(message, p.fails):
		awsError(w, http.StatusBadRequest, "Throttling")
		return
	}
	var event sinktest.Event
	if err := json.Unmarshal([]byte(message), &event); err != nil {
		awsError(w, http.StatusBadRequest, "InvalidParameter")
		return
	}
	p.events = append(p.events, event)
	p.messages = append(p.messages, r.PostForm)
	fmt.Fprint(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>id</MessageId></PublishResult></PublishResponse>`)
}

// refusal says why SNS takes no such message; empty when it does.
func refusal(form url.Values) string {
	subject := form.Get("Subject")
	size := len(form.Get("Message"))
	for name, values := range form {
		if strings.HasPrefix(name, "MessageAttributes.") {
			if values[0] == "" {
				return "empty attribute"
			}
			size += len(values[0])
		}
	}
	switch {
	case form.Get("TopicArn") == "":
		return "no topic"
	case size > 256<<10 || size == 0:
		return "size"
	case utf8.RuneCountInString(subject) >= 100 || strings.ContainsAny(subject, "\n\r\t\x00"):
		return "subject"
	case strings.HasSuffix(form.Get("TopicArn"), ".fifo") != (form.Get("MessageGroupId") != ""):
		return "group"
	case len(form.Get("MessageGroupId")) > 128 || len(form.Get("MessageDeduplicationId")) > 128:
		return "id"
	}
	return ""
}

func awsError(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type><Code>%s</Code><Message>the reason</Message></Error><RequestId>id</RequestId></ErrorResponse>`, code)
}

func (p *topic) set(answer func(http.ResponseWriter, *http.Request)) func() func() {
	return func() func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.answer = answer
		return func() { p.mu.Lock(); defer p.mu.Unlock(); p.answer = nil }
	}
}

func (p *topic) error(status int, code string) func() func() {
	return p.set(func(w http.ResponseWriter, _ *http.Request) { awsError(w, status, code) })
}

func (p *topic) fail(part string) func() (mend func()) {
	return func() func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.fails = part
		return func() { p.mu.Lock(); defer p.mu.Unlock(); p.fails = "" }
	}
}

func (p *topic) received() []sinktest.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]sinktest.Event{}, p.events...)
}

const standard = "arn:aws:sns:eu-central-1:111122223333:findings"

func open(t *testing.T, p *topic, arn string, encode sinks.Encode) *Sink {
	t.Helper()
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	cfg := Config{TopicARN: arn, Endpoint: server.URL}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(cfg, Deps{Encode: encode})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSinkContract(t *testing.T) {
	for _, arn := range []string{standard, standard + ".fifo"} {
		t.Run(arn, func(t *testing.T) {
			sinktest.Run(t, func(t *testing.T) *sinktest.Rig {
				p := &topic{}
				return &sinktest.Rig{
					Sink:     open(t, p, arn, sinktest.Encode),
					Received: func(testing.TB) []sinktest.Event { return p.received() },
					Break:    p.error(http.StatusServiceUnavailable, "ServiceUnavailable"),
					Part:     p.fail("10.0.0.b"),
					Refuse:   p.error(http.StatusBadRequest, "InvalidParameter"),
					Hang:     func(reached func()) func() { return p.set(sinktest.Hang(reached))() },
				}
			})
		})
	}
}

// What a call fails with decides whether the finding is given up: not over a
// permission or a topic that somebody has yet to make.
func TestCallErrors(t *testing.T) {
	for _, test := range []struct {
		status    int
		code      string
		permanent bool
	}{
		{400, "InvalidParameter", true},
		{400, "ParameterValueInvalid", true},
		{413, "RequestEntityTooLarge", true},
		{403, "AuthorizationError", false},
		{403, "InvalidClientTokenId", false},
		{404, "NotFound", false},
		{400, "KMSAccessDenied", false},
		{400, "Throttling", false},
		{500, "InternalError", false},
	} {
		p := &topic{}
		s := open(t, p, standard, sinktest.Encode)
		p.error(test.status, test.code)()
		err := s.Send(t.Context(), sinktest.Interleaved(1, 1))
		if err == nil || sinks.IsPermanent(err) != test.permanent || !strings.Contains(err.Error(), standard) {
			t.Errorf("%s: %v, want permanent %v", test.code, err, test.permanent)
		}
	}
}

func TestMessage(t *testing.T) {
	p := &topic{}
	f := detect.Finding{
		Rule: "spike", UID: "u", Seq: 3, Severity: detect.High, Activity: detect.Update, Account: "111122223333",
		Title: "Ingress spike\n" + strings.Repeat("é", 100),
	}
	if err := open(t, p, standard+".fifo", sinktest.Encode).Send(t.Context(), []detect.Finding{f}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, values := range p.messages[0] {
		got[name] = values[0]
	}
	attributes := map[string]string{}
	for i := 1; got[fmt.Sprintf("MessageAttributes.entry.%d.Name", i)] != ""; i++ {
		entry := fmt.Sprintf("MessageAttributes.entry.%d.", i)
		attributes[got[entry+"Name"]] = got[entry+"Value.StringValue"]
	}
	// Without a VPC there is no such attribute: SNS takes no empty one.
	want := map[string]string{"rule": "spike", "severity": "high", "activity": "update", "account": "111122223333"}
	if diff := cmp.Diff(want, attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if subject := got["Subject"]; !strings.HasPrefix(subject, "flowwatch: high spike, Ingress spike éé") || utf8.RuneCountInString(subject) != 99 {
		t.Errorf("subject %q", subject)
	}
	if got["MessageGroupId"] != digest("u") || got["MessageDeduplicationId"] != digest("u#3") {
		t.Errorf("group %q, deduplication %q", got["MessageGroupId"], got["MessageDeduplicationId"])
	}
}

// A finding above SNS's limit goes without its evidence, and arrives.
func TestMessageSize(t *testing.T) {
	p := &topic{}
	f := sinktest.Interleaved(1, 1)
	f[0].Lines = []string{strings.Repeat("x", 256<<10)}
	s := open(t, p, standard, func(f *detect.Finding, _ time.Time) ([]byte, error) {
		return json.Marshal(f)
	})
	if err := s.Send(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	var got detect.Finding
	if err := json.Unmarshal([]byte(p.messages[0].Get("Message")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Lines) != 0 || cmp.Diff([]string{"flow_records_sample"}, got.Trimmed) != "" {
		t.Errorf("%d lines, trimmed %v; want none and the lines", len(got.Lines), got.Trimmed)
	}
}

func TestConfig(t *testing.T) {
	for _, test := range []struct{ arn, endpoint, want string }{
		{standard, "", ""},
		{"arn:aws-cn:sns:cn-north-1:111122223333:findings.fifo", "http://127.0.0.1:4566", ""},
		{"", "", "topic_arn: \"\" is no topic"},
		{"findings", "", "topic_arn: \"findings\" is no topic"},
		{"arn:aws:sqs:eu-central-1:111122223333:findings", "", "topic_arn:"},
		{"arn:aws:sns::111122223333:findings", "", "topic_arn:"},
		{standard + ":2a1b0c", "", "topic_arn:"}, // a subscription
		{standard, "127.0.0.1:4566", "endpoint: is no endpoint"},
	} {
		err := (&Config{TopicARN: test.arn, Endpoint: test.endpoint}).Validate()
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.HasPrefix(err.Error(), test.want)) {
			t.Errorf("%s %s: %v, want %q", test.arn, test.endpoint, err, test.want)
		}
	}
}
