//go:build soak

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis"
	"github.com/flowwatch/flowwatch/pipeline/source/kinesis/localkinesis"
)

// What a soak holds the service to. Memory is judged when there is half an hour
// and more of it: what is learned in the first ten minutes takes room.
const (
	soakWarmUp     = 10 * time.Minute
	soakLeast      = 30 * time.Minute
	soakSlope      = 1 << 20 // bytes of own memory a minute
	soakGoroutines = 8       // more than after the warm-up: connections come and go
	soakSample     = 10 * time.Second
)

const (
	soakInterfaces = 50
	soakSources    = 20_000 // that come again and again, each to three interfaces
	soakCrawlers   = 50     // that go everywhere
)

// TestSoak runs the service for SOAK (5m by default) under SOAK_RATE (50000)
// records a second from an endpoint that throttles, fails and lets iterators
// expire: make soak SOAK=60m.
func TestSoak(t *testing.T) {
	long, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK"), "5m"))
	if err != nil {
		t.Fatalf("SOAK: %v", err)
	}
	rate, err := strconv.Atoi(cmp.Or(os.Getenv("SOAK_RATE"), "50000"))
	if err != nil || rate < soakInterfaces {
		t.Fatalf("SOAK_RATE: %v; accepted: %d or more", err, soakInterfaces)
	}
	server, err := localkinesis.New(localkinesis.Options{RetainBytes: 512 << 20, Faults: localkinesis.Faults{
		ExpireEvery: 97, ThrottleEvery: 31, FailEvery: 53, RepeatEvery: 41,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	client, err := kinesis.NewClient(kinesis.Config{Stream: "flows", Region: "eu-central-1", Endpoint: server.URL()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{StreamName: aws.String("flows"), ShardCount: aws.Int32(4)}); err != nil {
		t.Fatal(err)
	}
	s := &stream{t: t, server: server, client: client, consumer: kinesis.ConsumerPolling}
	dir, addr := t.TempDir(), freeAddr(t)
	cmd := exec.Command("flowwatch", "run", "--config", s.writeRunConfig(dir, addr), "--set", "checkpoint.every=10s",
		"--set", "windows.allowed_lateness=2m", // all panes that are ever open are so before the warm-up ends
		"--set", "sinks[0].file.max_size=16MiB")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	await(t, addr, func(m map[string]float64) bool { return len(m) > 0 })

	f := &soakFeed{stream: s, chance: rand.New(rand.NewPCG(7, 7))}
	watch := &soakWatch{addr: addr, pid: cmd.Process.Pid, began: time.Now()}
	next := watch.began.Add(soakSample)
	for second := 0; time.Since(watch.began) < long; second++ {
		time.Sleep(time.Until(watch.began.Add(time.Duration(second) * time.Second)))
		f.second(time.Now().Unix(), rate)
		if time.Now().After(next) {
			watch.sample(t)
			next = next.Add(soakSample)
		}
	}
	took := time.Since(watch.began)
	end := await(t, addr, func(m map[string]float64) bool {
		return m["flowwatch_source_records_total"] == float64(s.put) && soakLag(m) == 0
	})
	drained := time.Since(watch.began) - took
	f.exact(t, end)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Errorf("SIGTERM ends it with %v: %s", err, said[max(0, len(said)-2000):])
	}
	stats := server.Stats()
	t.Logf("%d records in %s: %.0f a second, %d envelopes; all read %s after the last",
		f.records, took.Round(time.Second), float64(f.records)/took.Seconds(), s.put, drained.Round(100*time.Millisecond))
	t.Logf("faults: %d reads throttled, %d failed, %d iterators expired; commits %.0f, of which failed %.0f; panes closed %.0f",
		stats.Throttled, stats.Failed, stats.Expired, end["flowwatch_commits_total"], end["flowwatch_commit_failures_total"], end["flowwatch_panes_closed_total"])
	watch.judge(t, long)
}

// soakLag is the greatest lag of any partition in seconds.
func soakLag(m map[string]float64) (most float64) {
	for name, v := range m {
		if strings.HasPrefix(name, "flowwatch_source_lag_seconds") {
			most = max(most, v)
		}
	}
	return most
}

// soakFeed puts records and counts what they say.
type soakFeed struct {
	*stream
	chance  *rand.Rand
	encoder envelope.Encoder
	events  []envelope.Event
	lines   []byte

	records, bytes, packets int64
}

// second puts one second of records of each interface: mostly accepted flows
// of sources that come again and again, some refused ones.
func (f *soakFeed) second(now int64, rate int) {
	var entries []types.PutRecordsRequestEntry
	for eni := range soakInterfaces {
		f.events, f.lines = f.events[:0], f.lines[:0]
		for i := range rate / soakInterfaces {
			from := len(f.lines)
			f.line(eni, now)
			f.events = append(f.events, envelope.Event{ID: strconv.Itoa(i), Timestamp: now * 1000, Message: f.lines[from:len(f.lines):len(f.lines)]})
		}
		name := fmt.Sprintf("eni-%d", eni)
		entries = append(entries, types.PutRecordsRequestEntry{
			PartitionKey: &name, Data: f.encoder.AppendCloudWatch(nil, "111122223333", "flow-logs", name+"-all", f.events),
		})
	}
	out, err := f.client.PutRecords(f.t.Context(), &awskinesis.PutRecordsInput{StreamName: aws.String("flows"), Records: entries})
	if err != nil || aws.ToInt32(out.FailedRecordCount) > 0 {
		f.t.Fatalf("put records: %v, %+v", err, out)
	}
	f.put += len(entries)
}

func (f *soakFeed) line(eni int, now int64) {
	source, packets := f.source(eni), int64(1+f.chance.IntN(40))
	size := packets * int64(40+f.chance.IntN(1400))
	verdict := "ACCEPT 19"
	if f.chance.IntN(50) == 0 {
		verdict = "REJECT 2"
	}
	f.lines = fmt.Appendf(f.lines, "111122223333 vpc-%d eni-%d 198.%d.%d.%d 10.0.%d.%d %d 443 6 %d %d %d %d %s ingress OK",
		eni%3, eni, 18+source>>16, source>>8&255, source&255, eni/256, eni%256, 1024+f.chance.IntN(60_000), packets, size, now-50, now-1, verdict)
	f.records++
	f.bytes += size
	f.packets += packets
}

// source draws who sends to an interface.
func (f *soakFeed) source(eni int) int {
	if f.chance.IntN(100) == 0 {
		return soakSources + f.chance.IntN(soakCrawlers)
	}
	return (eni+f.chance.IntN(3))%soakInterfaces + soakInterfaces*f.chance.IntN(soakSources/soakInterfaces)
}

// exact holds the totals to what was put.
func (f *soakFeed) exact(t *testing.T, m map[string]float64) {
	t.Helper()
	sum := func(metric string) (total int64) {
		for name, v := range m {
			if strings.HasPrefix(name, metric+"{") {
				total += int64(v)
			}
		}
		return total
	}
	got := []int64{int64(m[`flowwatch_flow_records_total{status="ok"}`]), sum("flowwatch_ingress_flows_total"), sum("flowwatch_ingress_bytes_total"), sum("flowwatch_ingress_packets_total")}
	if want := []int64{f.records, f.records, f.bytes, f.packets}; !slices.Equal(got, want) {
		t.Errorf("records, flows, bytes, packets %d, want %d", got, want)
	}
	if n := sum("flowwatch_malformed_records_total"); n != 0 {
		t.Errorf("%d malformed records", n)
	}
}

// soakWatch looks at the process from outside.
type soakWatch struct {
	addr    string
	pid     int
	began   time.Time
	samples []soakFigures
}

type soakFigures struct {
	// Seconds; bytes of resident memory that is the process's own, of all with the
	// pages of the state file, which the kernel takes back when it needs them, and of
	// the heap; number; seconds.
	at, own, resident, heap, goroutines, lag float64
}

func (w *soakWatch) sample(t *testing.T) {
	m, err := scrape(w.addr)
	if err != nil {
		t.Errorf("scrape: %v", err)
		return
	}
	w.samples = append(w.samples, soakFigures{
		time.Since(w.began).Seconds(), w.own(t), m["process_resident_memory_bytes"], m["go_memstats_heap_inuse_bytes"], m["go_goroutines"], soakLag(m),
	})
}

// own is RssAnon of the process.
func (w *soakWatch) own(t *testing.T) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		t.Errorf("own memory: %v", err)
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			kB, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err != nil {
				t.Errorf("own memory: %v", err)
			}
			return kB * 1024
		}
	}
	t.Error("own memory: the system does not tell")
	return 0
}

// judge prints the figures and holds those after the warm-up to their bounds.
func (w *soakWatch) judge(t *testing.T, long time.Duration) {
	var out bytes.Buffer
	for i, s := range w.samples {
		if i%max(1, len(w.samples)/30) == 0 || i == len(w.samples)-1 {
			fmt.Fprintf(&out, "%6.0f s  own %4.0f MiB  resident %4.0f MiB  heap %4.0f MiB  goroutines %3.0f  lag %5.1f s\n", s.at, s.own/(1<<20), s.resident/(1<<20), s.heap/(1<<20), s.goroutines, s.lag)
		}
	}
	t.Logf("\n%s", &out)
	warm := min(soakWarmUp, long/2).Seconds()
	settled := slices.DeleteFunc(slices.Clone(w.samples), func(s soakFigures) bool { return s.at < warm })
	if len(settled) < 4 {
		t.Fatalf("%d samples after the warm-up, too few to say anything", len(settled))
	}
	slope := 60 * slopeOf(settled, func(s *soakFigures) float64 { return s.own })
	all := 60 * slopeOf(settled, func(s *soakFigures) float64 { return s.resident })
	first, last := settled[:len(settled)/4+1], settled[len(settled)*3/4:]
	before, after := mostGoroutines(first), mostGoroutines(last)
	t.Logf("after %.0f s: own memory grows by %.2f MiB a minute, with the state file's pages by %.2f, goroutines from %.0f to %.0f",
		warm, slope/(1<<20), all/(1<<20), before, after)
	if long < soakLeast {
		t.Logf("memory is not judged in less than %s", soakLeast)
	} else if slope >= soakSlope {
		t.Errorf("own memory grows by %.2f MiB a minute, want less than %d", slope/(1<<20), soakSlope>>20)
	}
	if after > before+soakGoroutines {
		t.Errorf("goroutines grow from %.0f to %.0f", before, after)
	}
}

// slopeOf is the least-squares slope of memory in bytes a second.
func slopeOf(samples []soakFigures, of func(*soakFigures) float64) float64 {
	var x, y float64
	for i := range samples {
		x, y = x+samples[i].at, y+of(&samples[i])
	}
	n := float64(len(samples))
	x, y = x/n, y/n
	var xy, xx float64
	for _, s := range samples {
		xy, xx = xy+(s.at-x)*(of(&s)-y), xx+(s.at-x)*(s.at-x)
	}
	return xy / xx
}

func mostGoroutines(samples []soakFigures) (most float64) {
	for _, s := range samples {
		most = max(most, s.goroutines)
	}
	return most
}
