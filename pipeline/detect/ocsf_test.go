package detect

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files of this package")

var processed = time.UnixMilli(1_795_439_401_250)

func encode(t *testing.T, f *Finding) []byte {
	t.Helper()
	b, err := Product{Version: "0.1.0"}.AppendOCSF(nil, f, processed)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var indented bytes.Buffer
	if err := json.Indent(&indented, got, "", "  "); err != nil {
		t.Fatalf("%v in %s", err, got)
	}
	indented.WriteByte('\n')
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), indented.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// scanFinding is a scan of 120 ports, of which two answer, late in November.
func scanFinding(t *testing.T) Finding {
	c := internalCase(t)
	c.pane = 154
	c.next() // the pane before, so that the rule has begun
	samples := &Samples{
		Lines:      []string{"2 111122223333 eni-0bb2 10.0.3.17 10.0.7.42 51544 445 6 1 44 1795438271 1795438330 REJECT OK"},
		Interfaces: []string{"eni-0bb2"},
	}
	p := &Pane{Start: 1_795_438_200, End: 1_795_438_500, Late: 3}
	contact := Contact{
		Account: "111122223333", VPC: "vpc-0abc", Source: netip.MustParseAddr(insider), Internal: true,
		Region: "eu-central-1", Interface: "eni-0aa1", Instance: "i-0123", Targets: targetsOf(
			try(insider, rejected, ports("10.0.7.42", 1000, 96)),
			try(insider, synThenRST, ports("10.0.7.42", 2000, 22)),
			try(insider, connected, ports("10.0.7.42", 22, 1), ports("10.0.7.42", 443, 1)),
		),
		First: 1_795_438_265, Last: 1_795_438_499, Records: 412, Samples: samples,
	}
	p.Contacts = func(yield func(Contact) bool) { yield(contact) }
	c.feed(p)
	return *c.last()
}

// spikeFinding is a spike of two measures, one against the season, one
// against the level of the last hours.
func spikeFinding(t *testing.T, samples *Samples) Finding {
	c := newIngressCase(t)
	c.pane = 155 - 4*day
	for range 4 {
		// At this hour there always are more flows than at others.
		c.panes(12, 1200, bytesOf(400<<20)).panes(day-24, 300, bytesOf(400<<20)).panes(12, 1200, bytesOf(400<<20))
	}
	c.panes(1, 12_900, bytesOf(4200<<20), func(l *Load) {
		l.Instance, l.Samples = "i-0456", samples
		l.First, l.Last = 1_795_438_505, 1_795_438_799
	})
	return *c.last()
}

func spikeSamples() *Samples {
	return &Samples{
		Lines:   []string{"2 111122223333 eni-0bb2 203.0.113.9 10.0.7.42 40112 443 6 212 251003 1795438504 1795438561 ACCEPT OK"},
		Sources: []TopSource{{Addr: netip.MustParseAddr(outsider), Records: 3811, Country: "ZZ", ASN: 64500}},
		Ports:   []TopPort{{Port: 443, Protocol: 6, Records: 12_710}},
	}
}

func TestOCSFGolden(t *testing.T) {
	scan := scanFinding(t)
	golden(t, "scan.json", encode(t, &scan))
	spike := spikeFinding(t, spikeSamples())
	golden(t, "spike.json", encode(t, &spike))
	nothing := newIngressCase(t).panes(3*day, 0).panes(1, 1000).panes(3, 0)
	golden(t, "spike-from-nothing-closed.json", encode(t, nothing.last()))
	outside := externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6)))
	golden(t, "scan-external.json", encode(t, outside.last()))
}

func TestOCSFUIDs(t *testing.T) {
	first := encode(t, &Finding{UID: "a", Seq: 1})
	if again := encode(t, &Finding{UID: "a", Seq: 1}); !bytes.Equal(first, again) {
		t.Error("the same event has two encodings")
	}
	var uids []string
	for _, b := range [][]byte{first, encode(t, &Finding{UID: "a", Seq: 2}), encode(t, &Finding{UID: "b", Seq: 1})} {
		var o ocsfFinding
		if err := json.Unmarshal(b, &o); err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(o.Metadata.UID) {
			t.Errorf("%s is no UUID of version 5", o.Metadata.UID)
		}
		uids = append(uids, o.Metadata.UID)
	}
	if uids[0] == uids[1] || uids[0] == uids[2] {
		t.Errorf("events share a uid: %v", uids)
	}
}

func TestOCSFActivities(t *testing.T) {
	for _, c := range []struct {
		activity Activity
		typeUID  int
		status   string
	}{{Create, 200401, "New"}, {Update, 200402, "In Progress"}, {Close, 200403, "Resolved"}} {
		o := (&Finding{Activity: c.activity, Severity: Low, Confidence: Learning}).ocsf(Product{}, processed)
		if o.TypeUID != c.typeUID || o.Status != c.status || o.ConfidenceID != 99 || o.Confidence != "Learning" {
			t.Errorf("%v: type %d, status %s, confidence %d %s", c.activity, o.TypeUID, o.Status, o.ConfidenceID, o.Confidence)
		}
	}
}

func TestOCSFInformationalIsNoAlert(t *testing.T) {
	if o := (&Finding{Severity: Info}).ocsf(Product{}, processed); o.IsAlert || o.Severity != "Informational" {
		t.Errorf("alert %v, severity %s", o.IsAlert, o.Severity)
	}
	if o := (&Finding{Severity: Low}).ocsf(Product{}, processed); !o.IsAlert {
		t.Error("a low finding is no alert")
	}
}

// What stands in a log line is anyone's text.
func TestOCSFHostileText(t *testing.T) {
	hostile := "\"}\x00\x1b[31m\xff\xfe</script>' or 1=1 --\n"
	c := newIngressCase(t).panes(3*day, 100).panes(1, 5000, func(l *Load) {
		l.Instance, l.Region, l.TargetAddr = hostile, hostile, hostile
		l.Samples = &Samples{Lines: []string{hostile}}
	})
	f := c.last()
	b := encode(t, f)
	if !json.Valid(b) || bytes.IndexFunc(b, unicode.IsControl) >= 0 || !utf8.Valid(b) {
		t.Errorf("no clean line of JSON: %q", b)
	}
	kept, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var back Finding
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*f, back, compareAddr); diff != "" {
		t.Errorf("after JSON (-want +got):\n%s", diff)
	}
	q := spikeQueries(&SpikeEvidence{Interface: printable(hostile), WindowSeconds: 300})
	if !strings.Contains(q.Athena, "'' or 1=1") || !strings.Contains(q.LogsInsights, `\' or 1=1`) {
		t.Errorf("quotes are not escaped: %s; %s", q.Athena, q.LogsInsights)
	}
}

func TestOCSFNumbers(t *testing.T) {
	f := &Finding{Spike: &SpikeEvidence{Measures: []MeasureEvidence{
		{Observed: 5, Expected: math.Inf(1), Phi: math.NaN(), LnP: -1e9, Alpha: math.NaN(), Baseline: Recent},
		{Observed: 5, Expected: 0, Baseline: Recent},
		{Observed: 5, Expected: 1, Baseline: Nothing},
	}}}
	b := encode(t, f)
	if !json.Valid(b) || strings.Contains(string(b), "Inf") || strings.Contains(string(b), "NaN") {
		t.Errorf("no JSON: %s", b)
	}
	if n := strings.Count(string(b), `"ratio":null`); n != 2 {
		t.Errorf("%d ratios are null, want the 2 to nothing: %s", n, b)
	}
	if !strings.Contains(string(b), `"p":1e-300`) {
		t.Errorf("P is not told as its least: %s", b)
	}
}

func TestInterfaceARN(t *testing.T) {
	for _, c := range []struct{ region, id, want string }{
		{"eu-central-1", "eni-1", "arn:aws:ec2:eu-central-1:1:network-interface/eni-1"},
		{"cn-north-1", "eni-1", "arn:aws-cn:ec2:cn-north-1:1:network-interface/eni-1"},
		{"us-gov-west-1", "eni-1", "arn:aws-us-gov:ec2:us-gov-west-1:1:network-interface/eni-1"},
		{"", "eni-1", "eni-1"},
		{"eu-central-1", "nat-1", "nat-1"},
	} {
		if got := interfaceARN(c.region, "1", c.id); got != c.want {
			t.Errorf("%q in %q: %s, want %s", c.id, c.region, got, c.want)
		}
	}
}

func TestOCSFAppends(t *testing.T) {
	f := &Finding{UID: "a", Seq: 1}
	got, err := Product{}.AppendOCSF([]byte("x"), f, processed)
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.OCSF(processed)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != "x"+string(want) {
		t.Errorf("appended %s, want x and %s", got, want)
	}
}
