package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
)

// stream is a Kinesis stream of two shards on loopback.
type stream struct {
	t      *testing.T
	server *localkinesis.Server
	client *awskinesis.Client
	put    int // records so far

	consumer string // how it is read
}

const streamFormat = "account-id vpc-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action tcp-flags flow-direction log-status"

func newStream(t *testing.T, clock func() time.Time) *stream {
	t.Helper()
	server, err := localkinesis.New(localkinesis.Options{Clock: clock, Heartbeat: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	client, err := kinesis.NewClient(kinesis.Config{Stream: "flows", Region: "eu-central-1", Endpoint: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: aws.String("flows"), ShardCount: aws.Int32(2)}); err != nil {
		t.Fatal(err)
	}
	return &stream{t: t, server: server, client: client, consumer: kinesis.ConsumerPolling}
}

// send puts lines as CloudWatch envelopes, one for each interface.
func (s *stream) send(lines []string) {
	s.t.Helper()
	byInterface := make(map[string][]envelope.Event)
	for i, line := range lines {
		eni := strings.Fields(line)[2]
		byInterface[eni] = append(byInterface[eni], envelope.Event{ID: strconv.Itoa(i), Message: []byte(line)})
	}
	var records []types.PutRecordsRequestEntry
	for eni, events := range byInterface {
		records = append(records, types.PutRecordsRequestEntry{
			PartitionKey: aws.String(eni), Data: envelope.AppendCloudWatch(nil, "111122223333", "flow-logs", eni+"-all", events),
		})
	}
	out, err := s.client.PutRecords(s.t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("flows"), Records: records})
	if err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
		s.t.Fatalf("put records: %v, %+v", err, out)
	}
	s.put += len(records)
}

// traffic is one minute of four interfaces, with a scan in some of them.
func traffic(start int64, minute int) []string {
	at := start + int64(minute)*60
	r := rand.New(rand.NewPCG(7, uint64(minute)))
	var lines []string
	for i := range 40 {
		lines = append(lines, fmt.Sprintf("111122223333 vpc-1 eni-%d 203.0.113.%d 10.0.0.%d %d 443 6 %d %d %d %d ACCEPT 3 ingress OK",
			i%4, r.IntN(200), i%4, 40000+r.IntN(20000), 5+r.IntN(5), 400+r.IntN(4000), at+int64(r.IntN(20)), at+20+int64(r.IntN(39))))
	}
	if minute >= 31 && minute < 34 {
		for port := range 40 {
			lines = append(lines, fmt.Sprintf("111122223333 vpc-1 eni-1 10.0.0.3 10.0.0.1 51000 %d 6 1 44 %d %d REJECT 2 ingress OK",
				20+port+40*(minute-31), at+5, at+30))
		}
	}
	return lines
}

// scrape returns the metrics at addr by their full names.
func scrape(addr string) (map[string]float64, error) {
	resp, err := http.Get("http://" + addr + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	got := make(map[string]float64)
	for line := range strings.SplitSeq(string(text), "\n") {
		name, value, ok := strings.Cut(line, "} ")
		if ok {
			name += "}"
		} else {
			name, value, ok = strings.Cut(line, " ")
		}
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			got[name] = v
		}
	}
	return got, nil
}

// await scrapes until the metrics satisfy ready.
func await(t *testing.T, addr string, ready func(map[string]float64) bool) map[string]float64 {
	t.Helper()
	var last map[string]float64
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got, err := scrape(addr); err == nil {
			if last = got; ready(got) {
				return got
			}
		}
	}
	t.Fatalf("what was waited for did not come within three minutes; the metrics are %v", flowwatchOnly(last))
	return nil
}

func flowwatchOnly(m map[string]float64) map[string]float64 {
	own := make(map[string]float64)
	for k, v := range m {
		if strings.HasPrefix(k, "flowwatch_") && v != 0 && !strings.HasPrefix(k, "flowwatch_ingress_") && !strings.Contains(k, "_bucket{") {
			own[k] = v
		}
	}
	return own
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// writeRunConfig writes a configuration for the stream and returns its path.
func (s *stream) writeRunConfig(dir, listen string) string {
	s.t.Helper()
	path := filepath.Join(dir, "flowwatch.yml")
	text := fmt.Sprintf(`sources:
  - kinesis: {stream: flows, region: eu-central-1, start: trim_horizon, endpoint: %q, consumer: %s}
    format: "%s"
sinks:
  - file: {path: %q}
    min_severity: info
checkpoint: {file: {dir: %q}, every: 200ms}
listen: %q
`, s.server.URL(), s.consumer, streamFormat, filepath.Join(dir, "findings.jsonl"), filepath.Join(dir, "state"), listen)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// finalUIDs returns the uid of every incident in a file of findings, with its
// last activity.
func finalUIDs(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for line := range bytes.Lines(text) {
		uid, activity := uidOf(t, line)
		got[uid] = activity
	}
	return got
}

func uidOf(t *testing.T, finding []byte) (uid, activity string) {
	t.Helper()
	var f struct {
		ActivityName string `json:"activity_name"`
		FindingInfo  struct {
			UID string `json:"uid"`
		} `json:"finding_info"`
	}
	if err := json.Unmarshal(finding, &f); err != nil {
		t.Fatalf("%s: %v", finding, err)
	}
	return f.FindingInfo.UID, f.ActivityName
}

// movingClock is an injected clock.
type movingClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *movingClock) Now() time.Time   { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *movingClock) set(to time.Time) { c.mu.Lock(); defer c.mu.Unlock(); c.now = to }

func TestRunAndAnalyzeAgree(t *testing.T) {
	for _, consumer := range []string{kinesis.ConsumerPolling, kinesis.ConsumerFanOut} {
		t.Run(consumer, func(t *testing.T) { runAndAnalyzeAgree(t, consumer) })
	}
}

func runAndAnalyzeAgree(t *testing.T, consumer string) {
	const start, minutes = 1_764_000_000, 60
	clock := &movingClock{now: time.Unix(start+minutes*60, 0)}
	s := newStream(t, clock.Now)
	s.consumer = consumer
	dir := t.TempDir()
	var file strings.Builder
	fmt.Fprintln(&file, streamFormat)
	records := 0
	for m := range minutes {
		lines := traffic(start, m)
		s.send(lines)
		records += len(lines)
		fmt.Fprintln(&file, strings.Join(lines, "\n"))
	}
	logs := filepath.Join(dir, "flows.log")
	if err := os.WriteFile(logs, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	analyzed := newWorld(nil)
	analyzed.env.Now = clock.Now
	if code := analyzed.run(t, "analyze", "--output", "json", "--lateness", "15m", logs); code != exitOK {
		t.Fatalf("analyze: exit code %d: %s", code, analyzed.stderr.String())
	}
	var report struct {
		Records  struct{ Total, OK, Late int64 }
		Ingress  struct{ Records, Bytes, Packets int64 }
		Findings []json.RawMessage
	}
	if err := json.Unmarshal(analyzed.stdout.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for _, f := range report.Findings {
		uid, activity := uidOf(t, f)
		want[uid] = activity
	}
	if len(want) == 0 || report.Records.Late != 0 {
		t.Fatalf("analyze finds %d incidents and %d late records, want some and none", len(want), report.Records.Late)
	}

	addr := freeAddr(t)
	running := newWorld(nil)
	running.env.Now = clock.Now
	ctx, stop := context.WithCancel(t.Context())
	code := make(chan int, 1)
	go func() { code <- execute(ctx, &running.env, []string{"run", "--config", s.writeRunConfig(dir, addr)}) }()
	await(t, addr, func(m map[string]float64) bool { return m["flowwatch_source_records_total"] == float64(s.put) })
	// The shards stay open: once they are proven idle, their watermarks follow
	// the clock past the last pane.
	clock.set(time.Unix(start+minutes*60+3*3600, 0))
	idle := await(t, addr, func(m map[string]float64) bool {
		clock.set(clock.Now().Add(time.Minute))
		return m["flowwatch_panes_closed_total"] == minutes/5
	})
	stop()
	if got := <-code; got != exitOK {
		t.Fatalf("run: exit code %d: %s", got, running.stderr.String())
	}
	if polls := s.server.Stats().Reads; (polls > 0) != (consumer == kinesis.ConsumerPolling) {
		t.Errorf("%d polls", polls)
	}
	if diff := cmp.Diff(want, finalUIDs(t, filepath.Join(dir, "findings.jsonl"))); diff != "" {
		t.Errorf("incidents (-analyze +run):\n%s", diff)
	}
	sum := func(metric string) (total int64) {
		for name, v := range idle {
			if strings.HasPrefix(name, metric+"{") {
				total += int64(v)
			}
		}
		return total
	}
	got := []int64{int64(idle[`flowwatch_flow_records_total{status="ok"}`]), sum("flowwatch_ingress_flows_total"), sum("flowwatch_ingress_bytes_total"), sum("flowwatch_ingress_packets_total")}
	if diff := cmp.Diff([]int64{report.Records.OK, report.Ingress.Records, report.Ingress.Bytes, report.Ingress.Packets}, got); diff != "" {
		t.Errorf("records, flows, bytes, packets (-analyze +run):\n%s", diff)
	}
	if int64(records) != report.Records.Total {
		t.Errorf("analyze counts %d lines, want %d", report.Records.Total, records)
	}
}

// startRun starts the service in a process of its own, which ends with the test at
// the latest and is quoted when the test fails.
func startRun(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("flowwatch", append([]string{"run"}, args...)...)
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("process %d said:\n%s", cmd.Process.Pid, cmd.Stderr)
		}
	})
	return cmd
}

// The process is killed while it reads, again and again; what it has counted in
// the end is what was sent, and SIGTERM ends it with 0.
func TestKilledAndRestarted(t *testing.T) {
	s := newStream(t, nil)
	dir, addr := t.TempDir(), freeAddr(t)
	config := s.writeRunConfig(dir, addr)
	start := time.Now().Add(-2*time.Hour).Unix() / 300 * 300
	begin := func() *exec.Cmd { return startRun(t, "--config", config) }
	killed := begin()
	_ = killed.Process.Kill() // before it has committed anything
	_ = killed.Wait()
	records, bytesSent, minute := 0, int64(0), 0
	var cmd *exec.Cmd
	for round := range 4 {
		cmd = begin()
		for range 10 {
			lines := traffic(start, minute)
			s.send(lines)
			records += len(lines)
			for _, l := range lines {
				n, _ := strconv.ParseInt(strings.Fields(l)[9], 10, 64)
				bytesSent += n
			}
			minute++
		}
		if round == 3 {
			break
		}
		least := float64(s.put - 5*(round+1))
		before := await(t, addr, func(m map[string]float64) bool { return m["flowwatch_source_records_total"] >= least })
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		again := begin()
		after := await(t, addr, func(m map[string]float64) bool { return len(m) > 0 })
		for name, v := range before {
			if strings.HasPrefix(name, "flowwatch_ingress_") && strings.Contains(name, "_total") && after[name] < v {
				t.Errorf("%s fell from %g to %g over a kill", name, v, after[name])
			}
		}
		_ = again.Process.Kill()
		_ = again.Wait()
	}
	got := await(t, addr, func(m map[string]float64) bool { return m["flowwatch_source_records_total"] == float64(s.put) })
	if n := got[`flowwatch_flow_records_total{status="ok"}`]; n != float64(records) {
		t.Errorf("%g records counted, %d sent", n, records)
	}
	counted := int64(0)
	for name, v := range got {
		if strings.HasPrefix(name, "flowwatch_ingress_bytes_total{") {
			counted += int64(v)
		}
	}
	if counted != bytesSent {
		t.Errorf("%d bytes counted, %d sent", counted, bytesSent)
	}
	if got["flowwatch_panes_closed_total"] < 4 {
		t.Errorf("%g panes closed, want 4 at least", got["flowwatch_panes_closed_total"])
	}
	refused := begin() // the state is held by the one that runs
	if err := refused.Wait(); exitStatus(err) != exitFailed {
		t.Errorf("a second process on the same state ends with %v, want exit code %d", err, exitFailed)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM ends it with %v, want exit code 0; it says:\n%s", err, cmd.Stderr)
	}
}

func exitStatus(err error) int {
	if err == nil {
		return 0
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return -1
}
