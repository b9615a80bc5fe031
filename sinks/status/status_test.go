package status

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// now is the event time of the tests.
const now = 1_795_438_500 // 2026-11-23 12:55 UTC

func scan(uid string, s detect.Severity, a detect.Activity) *detect.Finding {
	return &detect.Finding{
		Rule: "scan.internal", UID: uid, Seq: 1, Severity: s, Activity: a, Time: now - 900, Message: "Port scan " + uid,
		Scan: &detect.ScanEvidence{Interface: "eni-1", Failed: 118},
	}
}

// published is what a pipeline in the middle of its work publishes.
func published() *pipeline.Published {
	p := &pipeline.Published{
		SourceBytes: 1 << 20, OK: 1000, NoData: 20, SkipData: 3, Malformed: map[string]int64{"address": 4, "time": 1}, Late: 5,
		Watermark: now - 900, LastPane: now - 1200, Committed: time.Unix(1_800_000_000, 0),
		Open:   []*detect.Finding{scan("b", detect.Low, detect.Create), scan("a", detect.High, detect.Update)},
		Recent: []*detect.Finding{scan("old", detect.Medium, detect.Close), scan("a", detect.High, detect.Update)},
		Partitions: []pipeline.PublishedPartition{
			{ID: "kinesis:flows/shard-0", Source: "kinesis:flows", Watermark: now - 900, Reading: true, Lag: 2 * time.Second},
			{ID: "kinesis:flows/shard-1", Source: "kinesis:flows", Watermark: aggregate.Never, Reading: true, Lag: 90 * time.Second},
			{ID: "kinesis:flows/shard-2", Source: "kinesis:flows", Watermark: aggregate.Never},
		},
		Views: []pipeline.PublishedView{{
			View:   aggregate.View{Name: "source", By: []string{"source"}, Measure: []string{"flows", "bytes", "rejected_flows"}, Top: 100},
			Gauges: []pipeline.Series{{Labels: []string{"203.0.113.9"}, Values: []int64{1234, 2048, 0}}, {Labels: []string{"198.51.100.7"}, Values: []int64{7, 100, 7}}},
		}},
	}
	for m := range detect.NumMeasures {
		p.Levels = append(p.Levels, detect.Level{
			Key: detect.Key{Account: "1111", VPC: "vpc-1", Interface: "eni-1"}, Measure: m, Observed: 100, Expected: 80, Threshold: 900,
		})
	}
	return p
}

func fine() error { return nil }

func dependencies(p func() *pipeline.Published) Dependencies {
	return Dependencies{
		Published: p, Health: fine, CommitError: fine, Clock: func() time.Time { return time.Unix(now, 0) },
		Pane: 5 * time.Minute, Version: "v9", Local: true, GeoDate: "2026-06-17",
		Place: func(a netip.Addr) enrich.Place {
			if a != netip.MustParseAddr("203.0.113.9") {
				return enrich.Place{}
			}
			return enrich.Place{Country: "SG", ASN: 64501, ASName: "Example & Sons", Kind: enrich.Hosting}
		},
	}
}

func get(page *Page, path string, set func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9465"+path, nil)
	if set != nil {
		set(r)
	}
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w
}

func TestThePageShowsWhatIsPublished(t *testing.T) {
	page := New(dependencies(published))
	got := html.UnescapeString(get(page, "/", nil).Body.String())
	for _, want := range []string{
		"2026-11-23 12:55:00 UTC", "12:40:00", "15 min behind now", "1 min 30 s", "1 high or critical", ">1,023<", "5 malformed, 5 late",
		"Port scan a", "Port scan b", "Port scan old", "203.0.113.9", "1,234", "2 KiB", ">Singapore<", ">AS64501 Example & Sons<", ">hosting<", "table of 2026-06-17", "IP Geolocation by DB-IP</a>", "kinesis:flows/shard-2", "waits", "eni-1", "118 failed", "flowwatch v9",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	order := regexp.MustCompile(`data-key="([^"]*)"`).FindAllStringSubmatch(got, -1)
	var keys []string
	for _, k := range order {
		keys = append(keys, k[1])
	}
	// What is open by severity, then the events, the last one first.
	if diff := cmp.Diff([]string{"open a", "open b", "a#1", "old#1"}, keys); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	for _, never := range []string{"NaN", "<nil>", "%!", "ZgotmplZ"} {
		if strings.Contains(got, never) {
			t.Errorf("%q is on the page", never)
		}
	}
}

func TestStatusJSON(t *testing.T) {
	d := dependencies(published)
	d.CommitError = func() error { return errors.New("no space left") }
	w := get(New(d), "/status.json", nil)
	want := `{
  "version": "v9",
  "now": "2026-11-23T12:55:00Z",
  "problems": [
    "no space left"
  ],
  "watermark": "2026-11-23T12:40:00Z",
  "last_commit": "2027-01-15T08:00:00Z",
  "lag_seconds": 90,
  "throughput": {
    "records_per_second": 0,
    "bytes_per_second": 0
  },
  "records": {
    "ok": 1000,
    "nodata": 20,
    "skipdata": 3,
    "malformed": 5,
    "late": 5
  },
  "incidents_open": {
    "critical": 0,
    "high": 1,
    "medium": 0,
    "low": 1,
    "info": 0
  },
  "partitions": [
    {
      "id": "kinesis:flows/shard-1",
      "source": "kinesis:flows",
      "reading": true,
      "watermark": null,
      "lag_seconds": 90
    },
    {
      "id": "kinesis:flows/shard-0",
      "source": "kinesis:flows",
      "reading": true,
      "watermark": "2026-11-23T12:40:00Z",
      "lag_seconds": 2
    },
    {
      "id": "kinesis:flows/shard-2",
      "source": "kinesis:flows",
      "reading": false,
      "watermark": null,
      "lag_seconds": null
    }
  ],
  "partitions_left_out": 0
}`
	if diff := cmp.Diff(want, w.Body.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if kind := w.Header().Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type %s", kind)
	}
}

// Before the first commit nothing is known, and the page says so.
func TestThePageBeforeAnything(t *testing.T) {
	page := New(dependencies(func() *pipeline.Published {
		return &pipeline.Published{Watermark: aggregate.Never, LastPane: aggregate.Never}
	}))
	got := get(page, "/", nil).Body.String()
	for _, want := range []string{
		"No incident is open", "no window is closed yet", "nothing is read", "none yet", "None since this process began",
		"Nothing is expected yet", "The first figures come within a minute", "No view counts by source", "No partition is registered",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	var s State
	if err := json.Unmarshal(get(page, "/status.json", nil).Body.Bytes(), &s); err != nil || s.Watermark != nil || s.LastCommit != nil || s.LagSeconds != nil {
		t.Errorf("state %+v, %v", s, err)
	}
}

func TestHandler(t *testing.T) {
	page := New(dependencies(published))
	f := func(path string, status int, kind string) {
		t.Helper()
		w := get(page, path, nil)
		if w.Code != status || !strings.HasPrefix(w.Header().Get("Content-Type"), kind) {
			t.Errorf("%s: %d of %s, want %d of %s", path, w.Code, w.Header().Get("Content-Type"), status, kind)
		}
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	f("/", 200, "text/html")
	f("/status.json", 200, "application/json")
	f("/style.css", 200, "text/css")
	f("/page.js", 200, "text/javascript")
	f("/icon.svg", 200, "image/svg+xml")
	f("/metrics", 404, "text/plain")
	f("//", 404, "text/plain")
	if strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	if w := get(page, "/", func(r *http.Request) { r.Method = http.MethodPost }); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if w := get(page, "/", func(r *http.Request) { r.Method = http.MethodHead }); w.Code != 200 || w.Body.Len() != 0 {
		t.Errorf("HEAD: %d with %d bytes", w.Code, w.Body.Len())
	}
	tag := get(page, "/", nil).Header().Get("ETag")
	if w := get(page, "/", func(r *http.Request) { r.Header.Set("If-None-Match", tag) }); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("the same page again: %d with %d bytes", w.Code, w.Body.Len())
	}
}

// A page of another site whose name points here can't read it.
func TestOnlyLocalNamesReachAPageOnLoopback(t *testing.T) {
	f := func(listensLocally bool, host string, want int) {
		t.Helper()
		d := dependencies(published)
		d.Local = listensLocally
		if w := get(New(d), "/status.json", func(r *http.Request) { r.Host = host }); w.Code != want {
			t.Errorf("loopback %v, host %s: %d, want %d", listensLocally, host, w.Code, want)
		}
	}
	for _, host := range []string{"localhost", "localhost:9465", "127.0.0.1:9465", "127.1.2.3", "[::1]:9465", "[::1]"} {
		f(true, host, 200)
	}
	for _, host := range []string{"evil.example", "evil.example:9465", "localhost.evil.example", "10.0.0.1:9465", "", "[", "[]"} {
		f(true, host, 403)
	}
	f(false, "flowwatch.internal:9465", 200)
}

// Whatever the fields of logs say, the page has the elements that it has with
// plain words. (Findings are tried in package look.)
func TestTextsBecomeNoMarkup(t *testing.T) {
	tags := regexp.MustCompile(`<[^>]*>`)
	shape := func(word string) string {
		p := published()
		p.Partitions[0].ID, p.Partitions[0].Source = word, word
		p.Views[0].Gauges[0].Labels = []string{word}
		for i := range p.Levels {
			p.Levels[i].Account, p.Levels[i].VPC, p.Levels[i].Interface = word, word, word
		}
		p.Open[0].Message, p.Open[0].UID = word, word
		d := dependencies(func() *pipeline.Published { return p })
		d.Version, d.GeoDate = word, word
		d.Place = func(netip.Addr) enrich.Place {
			return enrich.Place{Country: word, City: word, ASName: word, ASN: 1, List: word, Service: word}
		}
		p.Views[0].Gauges[1].Labels = []string{"198.51.100.7"}
		d.Health = func() error { return errors.New(word) }
		body := get(New(d), "/", nil).Body.String()
		if !strings.Contains(html.UnescapeString(body), word) {
			t.Errorf("%q is not on the page", word)
		}
		var names []string
		for _, tag := range tags.FindAllString(body, -1) {
			names = append(names, strings.Fields(tag)[0])
		}
		return strings.Join(names, " ")
	}
	plain := shape("plain")
	for _, hostile := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title></svg><h1>`, `{{.}}`} {
		if got := shape(hostile); got != plain {
			t.Errorf("%s makes elements:\n%s\nwant\n%s", hostile, got, plain)
		}
	}
}

// Three hours of commits, each with another pane: what is remembered has a bound, and
// the charts show the last hour.
func TestHistoryIsBounded(t *testing.T) {
	var h history
	p := published()
	for range 50 { // interfaces
		for m := range detect.NumMeasures {
			p.Levels = append(p.Levels, detect.Level{Key: detect.Key{Interface: fmt.Sprint("eni-", len(p.Levels))}, Measure: m, Observed: float64(len(p.Levels))})
		}
	}
	at := time.Unix(1_800_000_000, 0)
	for range 3 * 3600 {
		at = at.Add(time.Second)
		p.OK += 100
		p.LastPane += 300
		h.take(p, at)
	}
	if len(h.samples) > mostSamples+1 || len(h.recent) > 61 || len(h.panes) != mostPanes || len(h.panes[0].each) != mostInterfaces {
		t.Errorf("%d samples, %d recent, %d panes of %d interfaces", len(h.samples), len(h.recent), len(h.panes), len(h.panes[0].each))
	}
	if got := h.throughput(at).RecordsPerSecond; got != 100 {
		t.Errorf("%v records a second, want 100", got)
	}
	c := h.charts(p, 300)
	for _, chart := range c.Pipeline {
		if span := chart.Times[len(chart.Times)-1] - chart.Times[0]; span > 3600 || span < 3500 {
			t.Errorf("%s spans %d seconds", chart.Title, span)
		}
	}
	if len(c.Interfaces) != shownOf || len(c.Ingress[0].Times) != mostPanes {
		t.Errorf("%d interfaces, %d panes", len(c.Interfaces), len(c.Ingress[0].Times))
	}
}

// An interface with an open spike comes before the busiest.
func TestInterfacesWithASpikeComeFirst(t *testing.T) {
	var h history
	p := published()
	for i := range 10 {
		p.Levels = append(p.Levels, detect.Level{Key: detect.Key{Interface: fmt.Sprint("busy-", i)}, Measure: detect.Bytes, Observed: 1e9})
	}
	p.Open = append(p.Open, &detect.Finding{Spike: &detect.SpikeEvidence{Interface: "eni-1"}})
	h.take(p, time.Unix(1_800_000_000, 0))
	if got := h.chosen(p); len(got) != shownOf || got[0].Interface != "eni-1" || got[1].Interface != "busy-0" {
		t.Errorf("chosen are %v", got)
	}
}

// Lists that grow with the deployment are cut, and say so.
func TestThePageIsBounded(t *testing.T) {
	p := published()
	for i := range 5000 {
		p.Open = append(p.Open, scan(fmt.Sprint(i), detect.Low, detect.Create))
		p.Partitions = append(p.Partitions, pipeline.PublishedPartition{ID: fmt.Sprintf("p/%05d", i), Reading: true})
	}
	page := New(dependencies(func() *pipeline.Published { return p }))
	body := get(page, "/", nil).Body.String()
	if len(body) > 1<<20 || !strings.Contains(body, "4,952 more are open") || !strings.Contains(body, "4,903 more") {
		t.Errorf("%d bytes", len(body))
	}
	var s State
	if err := json.Unmarshal(get(page, "/status.json", nil).Body.Bytes(), &s); err != nil || len(s.Partitions) != 1000 || s.PartitionsLeftOut != 4003 {
		t.Errorf("%d partitions and %d left out, %v", len(s.Partitions), s.PartitionsLeftOut, err)
	}
}

// Run takes up what a commit published, without being asked, and many readers
// at a time see whole pages.
func TestRunFollowsTheCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var current atomic.Pointer[pipeline.Published]
		current.Store(published())
		page := New(dependencies(current.Load))
		ctx, stop := context.WithCancel(t.Context())
		go page.Run(ctx)
		before := get(page, "/", nil)
		next := published()
		next.OK = 77_777
		current.Store(next)
		time.Sleep(2 * sampleEvery) // of the bubble's clock
		for range 4 {
			go func() {
				if w := get(page, "/", nil); !strings.Contains(w.Body.String(), "</html>") {
					t.Error("half a page")
				}
			}()
		}
		after := get(page, "/", nil)
		if !strings.Contains(after.Body.String(), "77,800") || before.Header().Get("ETag") == after.Header().Get("ETag") {
			t.Error("the page is that of the commit before")
		}
		stop()
		synctest.Wait()
	})
}
