package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// decoded is what a payload holds.
type decoded struct {
	Lines    []string // with the timestamp, where there is one: "time|line"
	Controls int
	Err      string
	Count    int // of Err
}

func decode(d *Decoder, payload []byte) decoded {
	var got decoded
	for d.Reset(payload); d.Next(); {
		line := string(d.Line())
		if d.Timestamp() != 0 {
			line = fmt.Sprintf("%d|%s", d.Timestamp(), line)
		}
		got.Lines = append(got.Lines, line)
	}
	got.Controls = d.Controls()
	if d.err != nil {
		got.Err, got.Count = d.Err().Error(), d.err.Count
	}
	return got
}

func zip(contents ...string) string {
	var b bytes.Buffer
	for _, content := range contents {
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(content)); err != nil {
			panic(err)
		}
		if err := w.Close(); err != nil {
			panic(err)
		}
	}
	return b.String()
}

func zstandard(content string) string {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return string(w.EncodeAll([]byte(content), nil))
}

const (
	dataMessage = `{"messageType":"DATA_MESSAGE","owner":"1","logGroup":"g","logStream":"s","subscriptionFilters":["f"],` +
		`"logEvents":[{"id":"1","timestamp":5,"message":"a b","extractedFields":{"message":"no","x":["{",1]}},{"id":"2","timestamp":6,"message":"c d"}]}`
	controlMessage = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"","subscriptionFilters":[],` +
		`"logEvents":[{"id":"","timestamp":7,"message":"CWL CONTROL MESSAGE: Checking health of destination Firehose."}]}`
)

func TestDecoder(t *testing.T) {
	d := NewDecoder(Limits{})
	f := func(payload string, want decoded) {
		t.Helper()
		if diff := cmp.Diff(want, decode(d, []byte(payload))); diff != "" {
			t.Errorf("%.100q (-want +got):\n%s", payload, diff)
		}
	}
	lines := func(lines ...string) decoded { return decoded{Lines: lines} }
	both := lines("5|a b", "6|c d")

	f("", lines())
	f("a b", lines("a b"))
	f("\xef\xbb\xbfa b\r\n\nc d\n\r\n", lines("a b", "c d"))
	f(" a b \r\r\n", lines(" a b "))
	f(zip("a b\nc d"), lines("a b", "c d"))
	f(zip("a b\nc", " d\n", ""), lines("a b", "c d")) // members are cut anywhere
	f(zstandard("a b\nc d"), lines("a b", "c d"))
	f("\x50\x2a\x4d\x18\x01\x00\x00\x00x"+zstandard("a b\n")+zstandard("c d"), lines("a b", "c d"))
	f(zip(zip(zip(dataMessage))), both)
	f(zip(zstandard(zip(zstandard(dataMessage)))), both)

	f(dataMessage, both)
	f(zip(dataMessage), both)
	f(zip(dataMessage, controlMessage, dataMessage), decoded{Lines: []string{"5|a b", "6|c d", "5|a b", "6|c d"}, Controls: 1})
	f(zip(zip(dataMessage)+zip(dataMessage)), lines("5|a b", "6|c d", "5|a b", "6|c d"))
	f(controlMessage+"\n"+dataMessage, decoded{Lines: both.Lines, Controls: 1})
	f(`{"logEvents":[{"message":"x"}],"messageType":"CONTROL_MESSAGE"}`, decoded{Controls: 1})
	f(`{"logEvents":[{"message":"x"}],"messageType":"DATA_MESSAGE"}`, lines("x"))
	f(`{"logEvents":[{"message":"x"}]}`, lines("x"))
	f(`{"messageType":"DATA_MESSAGE","logEvents":[]}`, lines())
	f(`{"events":[{"message":"a","timestamp":1},{"timestamp":2,"message":"b"}],"searchedLogStreams":[]}`, lines("1|a", "2|b"))

	// Logs Insights: the answer of GetQueryResults, and what the console exports.
	f(`{"results":[[{"field":"@timestamp","value":"2024-10-08 15:33:25.123"},{"field":"@message","value":"a \"b"},{"field":"@ptr","value":"x"}],`+
		`[{"value":"c d","field":"@message"}]],"statistics":{"recordsMatched":2.0},"status":"Complete"}`, lines("1728401605123|a \"b", "c d"))
	f(`{"status":"Running","results":[]}`, lines())
	f(`[{"@timestamp":"2024-10-08 15:33:25.000","@message":"a b","@ptr":"x"},{"@message":"c d","@timestamp":"no time"}]`,
		lines("1728401605000|a b", "c d"))

	f(`{"message":"a b"}{"message":"c d"}`, lines("a b", "c d"))
	f("\xef\xbb\xbf {\"message\":\"a b\"}\r\n{\"message\":\"c d\"}\n", lines("a b", "c d"))
	f(`[{"message":"a b"}, {"timestamp":9,"message":"c d"}] [{"message":"e"}]`, lines("a b", "9|c d", "e"))
	f(`{"other":{"message":"no"},"m":[{}, "}", "\"", "\\"],"t":true,"n":null,"f":-1.5E+3,"message":"a"}`, lines("a"))
	f(`{"message":"a b\nc d\r\n\n","timestamp":3}`, lines("3|a b", "3|c d"))
	f(`{"message":"a`+"\n"+`b"}`, lines("a", "b"))
	f(`{"message":"\"\\\/\b\f\t\u0041\u00e9\ud83d\ude00\ud83dx\ude00"}`, lines("\"\\/\b\f\tA\u00e9\U0001f600\ufffdx\ufffd"))
	f(`{"mess\u0061ge":"a"}`, lines("a"))
	f(`{"message":""}`, lines())
	f(`{"timestamp":1.5,"message":"a"}{"timestamp":"5","message":"b"}{"timestamp":-5,"message":"c"}{"timestamp":12345678901234567890,"message":"d"}`,
		lines("a", "b", "c", "d"))
}

func TestDecoderExports(t *testing.T) {
	d := NewDecoder(Limits{})
	f := func(line string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(decoded{Lines: want}, decode(d, []byte(line))); diff != "" {
			t.Errorf("%q (-want +got):\n%s", line, diff)
		}
	}
	f("2018-09-22T20:28:14.000Z 2 6331 eni", "1537648094000|2 6331 eni")
	f("2018-09-22T20:28:14+02:00 2 6331 eni", "1537640894000|2 6331 eni")
	f("2018-09-22T20:28:14.000Z version account-id", "1537648094000|version account-id")
	f("2018-13-22T20:28:14.000Z 2 6331 eni", "2018-13-22T20:28:14.000Z 2 6331 eni")
	f("2018-09-22T20:28:14.000Z", "2018-09-22T20:28:14.000Z")
	f("1960-09-22T20:28:14.000Z 2 6331 eni", "2 6331 eni")
	f("timestamp,message\r\n1.7284E+12,2 8319 eni\r\n1728401605000,2 8319 eni\n1728401605,\"2 8319 eni\"\r\n",
		"2 8319 eni", "1728401605000|2 8319 eni", "1728401605000|2 8319 eni")
	f("\"timestamp\",\"message\"\n\"1728401605000\",\"2 8319 eni\"", "1728401605000|2 8319 eni")
	f("timestamp, message, logStreamName\n1728401605000, \"2 8319 eni\",x", "1728401605000|2 8319 eni")
	f("2024-10-08T15:33:25Z,2 8319 eni", "1728401605000|2 8319 eni")
	f("2 8319 eni", "2 8319 eni")
	f("123456789012 ACCEPT use1-az1", "123456789012 ACCEPT use1-az1")
	f("1728401605000 ACCEPT", "1728401605000 ACCEPT")
	f("12,5 ACCEPT", "12,5 ACCEPT")
	f("123456789,2 8319", "123456789,2 8319")
	f("1234567890123x,2 8319", "1234567890123x,2 8319")
	f("timestamp,bytes", "timestamp,bytes")
	f("12345678901234567890123456789012345678901234567890,2", "12345678901234567890123456789012345678901234567890,2")
	// Only lines are exported so: a message is what it is.
	f(`{"message":"1728401605000,2 8319 eni"}`, "1728401605000,2 8319 eni")
}

func TestDecoderBreaks(t *testing.T) {
	d := NewDecoder(Limits{Inflated: 1 << 16})
	f := func(payload string, want decoded) {
		t.Helper()
		if diff := cmp.Diff(want, decode(d, []byte(payload))); diff != "" {
			t.Errorf("%.100q (-want +got):\n%s", payload, diff)
		}
	}
	broken := func(count int, err string, lines ...string) decoded {
		return decoded{Lines: lines, Err: err, Count: count}
	}

	f(`{"message":"a"}{"message":"b`, broken(1, "read json at byte 28: breaks off", "a"))
	f(`{"message":"a","x":`, broken(1, "read json at byte 19: breaks off", "a"))
	f(`{"message":"a"`, broken(1, "read json at byte 14: breaks off", "a"))
	f(`{"message":"a"} x {"message":"b"}`, broken(1, "read json at byte 16: 'x' where an object should be", "a"))
	f(`{"message":"a"}]`, broken(1, "read json at byte 15: ']' where an object should be", "a"))
	f(`[{"message":"a"}`, broken(1, "read json at byte 16: breaks off", "a"))
	f(`{"message":"a" "b":1}`, broken(1, "read json at byte 15: '\"' where ',' or '}' should be", "a"))
	f(`{"message":"a",}`, broken(1, "read json at byte 15: '}' where a key should be", "a"))
	f(`{"message":,}`, broken(1, "read json at byte 11: ',' where a value should be"))
	f(`{"message" "a"}`, broken(1, "read json at byte 11: '\"' where ':' should be"))
	f(`{"x":?}`, broken(1, "read json at byte 5: '?' where a value should be"))
	f(`{"logEvents":[{"message":"a"},{"message":"b","x"`, broken(1, "read json at byte 48: breaks off", "a", "b"))
	f(`{"logEvents":[{"message":"a"},`, broken(1, "read json at byte 30: breaks off", "a"))
	f(`{"logEvents":[{"message":"a"}],"message":"b","messageType":"CONTROL_MESSAGE"`,
		broken(1, "read json at byte 76: breaks off").with(1))

	// What is whole but no use costs only itself.
	f(`{}`, broken(1, "read json at byte 0: object has none of logEvents, events, results and message"))
	f(`{"message":"a"}{"x":1}{"y":2} {"message":"b"}`, broken(2, "read json at byte 15: object has none of logEvents, events, results and message (and 1 more)", "a", "b"))
	f(`{"message":null}{"message":"b"}`, broken(1, "read json at byte 0: object has none of logEvents, events, results and message", "b"))
	f(`{"logEvents":null}`, broken(1, "read json at byte 0: object has none of logEvents, events, results and message"))
	f(`{"logEvents":[{"id":"1"},5,"x",{"message":"b"}]}`, broken(3, "read json at byte 14: log event has no message (and 2 more)", "b"))
	f(`{"message":"a\x"}{"message":"\u12"}{"message":"b"}`, broken(2, `read json at byte 12: message has an escape that JSON does not have (and 1 more)`, "b"))

	f(`{"results":[[{"field":"srcAddr","value":"10.0.0.1"}],[],["x",{}],[{"field":"@message","value":null}],[{"field":"@message","value":"b"}]]}`,
		broken(4, "read json at byte 12: log event has no message (and 3 more)", "b"))
	f(`{"results":[[{"field":"@message","value":"a"}],[{"field":"@message","value":"b"`, broken(1, "read json at byte 79: breaks off", "a"))
	f(`{"results":[[{"field":"@message","value":"a"},`, broken(1, "read json at byte 46: breaks off", "a"))
	f(`{"results":[[{"field":"@message","value":"a"}}`, broken(1, "read json at byte 45: '}' where a value should be", "a"))

	whole := zip("a b\nc d\n", "e f")
	f(whole[:len(whole)-1], broken(1, fmt.Sprintf("read gzip at byte %d: unexpected EOF", len(whole)-1), "a b", "c d"))
	f(whole+"junk that follows", broken(1, fmt.Sprintf("read gzip at byte %d: gzip: invalid header", len(whole)+10), "a b", "c d", "e f"))
	f("\x1f\x8b", broken(1, "read gzip at byte 2: unexpected EOF"))
	f("\x1f\x8bxxxxxxxxxxxxxxxxxxxxx", broken(1, "read gzip at byte 10: gzip: invalid header"))
	inner := zip("a b\nc d")
	f(zip(inner, "junk that follows"), broken(1, fmt.Sprintf("read gzip at byte %d: gzip: invalid header", len(inner)+10), "a b", "c d"))
	f(zip(inner, "\x1f\x8b"), broken(1, fmt.Sprintf("read gzip at byte %d: unexpected EOF", len(inner)+2), "a b"))
	f(zip(zip(zip(zip(zip("a"))))), broken(1, "read gzip at byte 0: compressed more than 4 times"))
	f(zstandard("a b\n")+"junk", broken(1, "read zstd at byte 21: invalid input: magic number mismatch", "a b"))
	f("\xf3\x89\x9a\xc2xxxx", broken(1, "read kpl aggregate at byte 0: a payload of this format is not read: want gzip, zstd, JSON or lines"))
	f("PAR1xxxx", broken(1, "read parquet at byte 0: a payload of this format is not read: want gzip, zstd, JSON or lines"))

	f("a b", decoded{Lines: []string{"a b"}}) // and nothing of that stays
}

func (d decoded) with(controls int) decoded {
	d.Controls = controls
	return d
}

// Cut anywhere, a compressed envelope gives a beginning of its lines and says
// that it was cut.
func TestDecoderCutAnywhere(t *testing.T) {
	d := NewDecoder(Limits{})
	var events []Event
	var all []string
	for i := range 40 {
		line := fmt.Sprintf("2 12345 eni-%d 10.0.0.%d", i*7919, i)
		events, all = append(events, Event{Message: []byte(line)}), append(all, line)
	}
	for _, whole := range []string{
		string(AppendCloudWatch(nil, "1", "g", "s", events)),
		zip(strings.Join(all, "\n")),
		zstandard(strings.Join(all, "\n")),
	} {
		most := 0
		for n := 2; n < len(whole); n++ {
			got := decode(d, []byte(whole[:n]))
			if n >= 4 && (got.Err == "" || got.Count != 1) {
				t.Fatalf("cut at %d of %d: error %q, count %d", n, len(whole), got.Err, got.Count)
			}
			if len(got.Lines) > len(all) || n >= 4 && !slices.Equal(all[:len(got.Lines)], got.Lines) {
				t.Fatalf("cut at %d of %d: lines %q", n, len(whole), got.Lines)
			}
			most = max(most, len(got.Lines))
		}
		if most == 0 {
			t.Error("no cut payload gave a line")
		}
	}
}

func TestDecoderLimit(t *testing.T) {
	line := strings.Repeat("x", 99) + "\n"
	for name, payload := range map[string]string{
		"gzip": zip(strings.Repeat(line, 1000)), "zstd": zstandard(strings.Repeat(line, 1000)),
		"gzip in gzip": zip(zip(strings.Repeat(line, 1000))),
	} {
		d := NewDecoder(Limits{Inflated: 1050})
		got := decode(d, []byte(payload))
		if len(got.Lines) != 10 || !strings.HasSuffix(got.Err, "inflates to more than 1050 bytes") {
			t.Errorf("%s: %d lines, error %q", name, len(got.Lines), got.Err)
		}
		if c := cap(d.inflater.buffers[0]); c > 4096 {
			t.Errorf("%s: the buffer grew to %d bytes", name, c)
		}
		exact := NewDecoder(Limits{Inflated: 100000})
		if got := decode(exact, []byte(payload)); len(got.Lines) != 1000 || got.Err != "" {
			t.Errorf("%s: at the limit %d lines, error %q", name, len(got.Lines), got.Err)
		}
	}
}

func TestDecoderLetsGoOfBigBuffers(t *testing.T) {
	d := NewDecoder(Limits{})
	decode(d, []byte(zip(strings.Repeat("some line\n", 1<<19))))
	if c := cap(d.inflater.buffers[0]); c < 5<<20 {
		t.Fatalf("the buffer is only %d bytes", c)
	}
	decode(d, []byte(zip(dataMessage)))
	if c := cap(d.inflater.buffers[0]); c > 1<<20 {
		t.Errorf("a small payload left the buffer at %d bytes", c)
	}
}

func TestEncoder(t *testing.T) {
	events := []Event{{Timestamp: 5, Message: []byte("a \"b\"\t\\")}, {ID: "7", Timestamp: 6, Message: []byte("c\nd")}}
	var e Encoder
	first := e.AppendCloudWatch([]byte("before"), "123456789012", "flow/logs", "eni-1-all", events)
	second := AppendCloudWatch(nil, "123456789012", "flow/logs", "eni-1-all", events)
	if string(first) != "before"+string(second) {
		t.Error("the same events gave other bytes")
	}
	d := NewDecoder(Limits{})
	want := decoded{Lines: []string{"5|a \"b\"\t\\", "6|c", "6|d"}}
	if diff := cmp.Diff(want, decode(d, second)); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
	var got struct {
		MessageType, Owner, LogGroup, LogStream string
		LogEvents                               []struct {
			ID        string
			Timestamp int64
			Message   string
		}
	}
	d.Reset(second)
	if err := json.Unmarshal(d.json.src, &got); err != nil {
		t.Fatal(err)
	}
	if got.MessageType != "DATA_MESSAGE" || got.Owner != "123456789012" || got.LogGroup != "flow/logs" || got.LogStream != "eni-1-all" ||
		len(got.LogEvents[0].ID) != 56 || got.LogEvents[1].ID != "7" || got.LogEvents[1].Message != "c\nd" {
		t.Errorf("the envelope is %+v", got)
	}
	if diff := cmp.Diff(decoded{Controls: 1}, decode(d, e.AppendControl(nil, 5))); diff != "" {
		t.Errorf("a control message (-want +got):\n%s", diff)
	}
}
