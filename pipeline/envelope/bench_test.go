package envelope

import (
	"fmt"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// flows makes lines of the default format.
func flows(n int) []Event {
	events := make([]Event, n)
	for i := range events {
		start := 1_700_000_000 + i/20
		events[i] = Event{Timestamp: int64(start) * 1000, Message: fmt.Appendf(nil,
			"2 123456789012 eni-%017x 203.0.%d.%d 10.0.%d.%d %d %d 6 %d %d %d %d ACCEPT OK",
			0xa96c4c2eb3869f+i%5*7919, i*37%256, i*101%256, i%3, i*13%256, 1024+i*7919%60000, []int{443, 22, 80, 8443}[i%4],
			1+i*31%900, 40+i*7907%900000, start, start+59)}
	}
	return events
}

func BenchmarkDecode(b *testing.B) {
	const n = 200
	events := flows(n)
	var text []byte
	for _, e := range events {
		text = append(append(text, e.Message...), '\n')
	}
	cloudwatch := AppendCloudWatch(nil, "123456789012", "flow-logs", "eni-1-all", events)
	b.Run("cloudwatch-gzip", func(b *testing.B) { benchmark(b, cloudwatch, n, nil) })
	b.Run("cloudwatch-gzip-parse", func(b *testing.B) { benchmark(b, cloudwatch, n, flowlog.NewParser(nil)) })
	b.Run("plain", func(b *testing.B) { benchmark(b, text, n, nil) })
	b.Run("plain-parse", func(b *testing.B) { benchmark(b, text, n, flowlog.NewParser(nil)) })
	d := NewDecoder(Limits{})
	d.Reset(cloudwatch)
	inflated := strings.Clone(string(d.json.src))
	b.Run("cloudwatch", func(b *testing.B) { benchmark(b, []byte(inflated), n, nil) })
}

func benchmark(b *testing.B, payload []byte, records int, p *flowlog.Parser) {
	d := NewDecoder(Limits{})
	var r flowlog.Record
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for d.Reset(payload); d.Next(); n++ {
			if p == nil {
				continue
			}
			if _, reason := p.Parse(d.Line(), &r); reason != flowlog.ReasonNone {
				b.Fatal(reason)
			}
		}
		if n != records || d.Err() != nil {
			b.Fatal(n, d.Err())
		}
	}
	b.ReportMetric(float64(b.N*records)/b.Elapsed().Seconds(), "records/s")
}

func TestDecoderAllocatesNothing(t *testing.T) {
	events := flows(200)
	escaped := append(flows(3), Event{Message: []byte("a \"quoted\" line")})
	text := strings.Repeat("2018-09-22T20:28:14.000Z 2 123 eni-1\n", 100)
	for name, payload := range map[string][]byte{
		"cloudwatch":    AppendCloudWatch(nil, "1", "g", "s", events),
		"two members":   append(AppendCloudWatch(nil, "1", "g", "s", events), AppendCloudWatch(nil, "1", "g", "s", events)...),
		"gzip in gzip":  []byte(zip(string(AppendCloudWatch(nil, "1", "g", "s", events)))),
		"escapes":       AppendCloudWatch(nil, "1", "g", "s", escaped),
		"objects":       []byte(strings.Repeat(`{"message":"2 123 eni-1"}`, 50)),
		"exported":      []byte(text),
		"exported gzip": []byte(zip(text)),
		"csv":           []byte("timestamp,message\n1728401605000,\"2 123 eni-1\"\n1.7E+12,2 123"),
	} {
		d := NewDecoder(Limits{})
		run := func() {
			for d.Reset(payload); d.Next(); {
				_ = d.Line()
			}
			if d.Err() != nil {
				t.Fatal(name, d.Err())
			}
		}
		if n := testing.AllocsPerRun(50, run); n != 0 {
			t.Errorf("%s: a payload makes %v allocations", name, n)
		}
	}
}

func TestEncoderAllocatesNothing(t *testing.T) {
	events := flows(200)
	var e Encoder
	dst := e.AppendCloudWatch(nil, "1", "g", "s", events)
	if n := testing.AllocsPerRun(20, func() { dst = e.AppendCloudWatch(dst[:0], "1", "g", "s", events) }); n != 0 {
		t.Errorf("an envelope makes %v allocations", n)
	}
}
