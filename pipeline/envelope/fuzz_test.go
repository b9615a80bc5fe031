package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowwatch/flowwatch/pipeline/hostiletest"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// The same lines come out of every envelope.
func TestEveryEnvelopeGivesItsLines(t *testing.T) {
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<16))
	if err != nil {
		t.Fatal(err)
	}
	var zipped bytes.Buffer
	zipper, err := gzip.NewWriterLevel(&zipped, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	gz := func(payload string) string {
		zipped.Reset()
		zipper.Reset(&zipped)
		_, _ = zipper.Write([]byte(payload)) // into memory: no error
		_ = zipper.Close()
		return zipped.String()
	}
	line := rapid.Custom(func(t *rapid.T) string {
		return "2 " + rapid.StringMatching(`[ -~\t\x00-\x08é😀"\\]{0,40}[!-~]`).Draw(t, "line")
	})
	d := NewDecoder(Limits{})
	var e Encoder
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(line, 0, 20).Draw(t, "lines")
		var events []Event
		var objects, exported, rows []string
		for i, l := range lines {
			events = append(events, Event{Timestamp: int64(i), Message: []byte(l)})
			object, err := json.Marshal(map[string]any{"message": l, "timestamp": i, "x": lines})
			if err != nil {
				t.Fatal(err)
			}
			objects = append(objects, string(object))
			rows = append(rows, mustJSON([]map[string]string{{"field": "@timestamp", "value": "2018-09-22 20:28:14.000"}, {"value": l, "field": "@message"}}))
			exported = append(exported, fmt.Sprintf("2018-09-22T20:28:%02d.000Z %s", i, l))
		}
		first := rapid.IntRange(0, len(lines)).Draw(t, "first")
		envelopes := map[string]string{
			"lines":         strings.Join(lines, "\n"),
			"dos lines":     strings.Join(append(lines, ""), "\r\n"),
			"exported":      strings.Join(exported, "\n"),
			"objects":       strings.Join(objects, ""),
			"object a line": strings.Join(objects, "\n"),
			"array":         "[" + strings.Join(objects, ",") + "]",
			"events":        `{"events":[` + strings.Join(objects, ", ") + `]}`,
			"insights":      `{"results":[` + strings.Join(rows, ",") + `],"status":"Complete"}`,
			"one message":   mustJSON(map[string]string{"message": strings.Join(lines, "\n")}),
			"cloudwatch":    string(e.AppendCloudWatch(nil, "1", "g", "s", events)),
			"two members": string(e.AppendCloudWatch(nil, "1", "g", "s", events[:first])) +
				string(e.AppendCloudWatch(nil, "1", "g", "s", events[first:])),
		}
		for name, payload := range envelopes {
			for wrapping, wrapped := range map[string]string{"": payload, "in gzip": gz(payload), "in zstd": string(pack.EncodeAll([]byte(payload), nil))} {
				var got []string
				for d.Reset([]byte(wrapped)); d.Next(); {
					got = append(got, string(d.Line()))
				}
				if d.Err() != nil || !slices.Equal(got, lines) {
					t.Fatalf("%s %s: %q, %v; want %q", name, wrapping, got, d.Err(), lines)
				}
			}
		}
	})
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Nothing makes the decoder panic, read on for ever, or hand out a line end;
// and what came before does not show.
func FuzzDecoder(f *testing.F) {
	whole := string(AppendCloudWatch(nil, "1", "g", "s", []Event{{Timestamp: 1, Message: []byte("2 1 eni-1 10.0.0.1 \"\\")}}))
	for _, seed := range []string{
		"", "a b\r\nc d", `{"message":"a\u00e9\ud83d\n\r\n b","x":[1]}`, dataMessage, controlMessage, zip(dataMessage, controlMessage), whole, whole[:len(whole)-9], zip(whole),
		zstandard(dataMessage), "timestamp,message\n1.7E+12,\"a\"", "2018-09-22T20:28:14.000Z 2 1", `[{"message":"a\u00e9\n"}]`,
		`{"logEvents":[{"message":"x"}],"messageType":"CONTROL_MESSAGE"}`, `{"message":"a"}{"x":[{"":"}"}]}`, "\xef\xbb\xbf{",
		`{"message":"\ud83d\u0020\`, `{"results":[[{"field":"@timestamp","value":"2024-10-08 15:33:25.000"},{"field":"@message","value":"a"}]]}`,
		`[{"@timestamp":"2024-10-08 15:33:25.000","@message":"a"}]`,
	} {
		f.Add([]byte(seed))
	}
	for _, glob := range []string{"vpc/*", "envelopes/*"} {
		hostiletest.Seeds(f, glob, func(seed []byte) { f.Add(seed) })
	}
	used := NewDecoder(Limits{Inflated: 1 << 16})
	f.Fuzz(func(t *testing.T, payload []byte) {
		defer hostiletest.Bound(t)()
		got := decode(used, payload)
		for _, line := range got.Lines {
			if strings.ContainsAny(line, "\n") {
				t.Fatalf("line %q", line)
			}
		}
		if used.Next() || used.Line() != nil {
			t.Fatal("a line after the last")
		}
		if fresh := decode(NewDecoder(Limits{Inflated: 1 << 16}), payload); !slices.Equal(fresh.Lines, got.Lines) || fresh.Err != got.Err || fresh.Controls != got.Controls {
			t.Fatalf("a new decoder gives %+v, a used one %+v", fresh, got)
		}
		if want, sure := plainly(payload); sure && (got.Err != "" || !slices.Equal(got.Lines, want)) {
			t.Fatalf("got %+v, encoding/json finds %q", got, want)
		}
	})
}

// plainly decodes one {"message": "..."} object the slow way; sure is false
// for all other payloads.
func plainly(payload []byte) (lines []string, sure bool) {
	var members map[string]json.RawMessage
	if !utf8.Valid(payload) || json.Unmarshal(payload, &members) != nil || bytes.Count(payload, []byte("message")) != 1 {
		return nil, false
	}
	var message *string
	for name, value := range members {
		switch name {
		case "message":
			if json.Unmarshal(value, &message) != nil || message == nil {
				return nil, false
			}
		case "timestamp", "@timestamp", "@message", "logEvents", "events", "results":
			return nil, false
		}
	}
	if message == nil {
		return nil, false
	}
	for line := range strings.SplitSeq(*message, "\n") {
		if line = strings.TrimRight(line, "\r"); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, true
}
