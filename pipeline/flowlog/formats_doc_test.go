package flowlog

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/formats.md")

const (
	textUse  = "text: `by` and `where` of a view"
	countUse = "number: a view's measure, `by` and `where`"
)

// uses says what flowwatch does with a field beyond its kind's use.
var uses = map[Field]string{
	Version:          "read, and never used to guess the format",
	InterfaceID:      "key of the `interface` view, spikes and coverage; `-` for a regional NAT gateway",
	SrcAddr:          "source, unless pkt-srcaddr is there; direction, when flow-direction is not",
	DstAddr:          "target, unless pkt-dstaddr is there; direction, when flow-direction is not",
	SrcPort:          "service of an answer",
	DstPort:          "service; scan targets",
	Protocol:         "service; scan targets",
	Packets:          "measure, spread over the panes the record covers",
	Bytes:            "measure, spread over the panes the record covers",
	Start:            "event time: the pane of flows, distinct counts and scan evidence",
	End:              "event time: watermark",
	Action:           "rejected flows; scan evidence",
	LogStatus:        "OK, NODATA, SKIPDATA are counted apart; coverage of an interface; none means OK",
	TCPFlags:         "SYN-only flows; scan evidence",
	PktSrcAddr:       "source, before srcaddr",
	PktDstAddr:       "target, before dstaddr",
	FlowDirection:    "direction, before what the addresses say",
	ResourceID:       "key where interface-id is `-`",
	ResourceType:     "`TransitGateway...`: a transit gateway's record",
	TGWID:            "its column: a transit gateway's record",
	TGWAttachmentID:  "its column: a transit gateway's record",
	EncryptionStatus: "0 clear, 1 by the network, 2 by the application, 3 both",
	TrafficPath:      "egress only, 1 to 8",
}

var kindNames = map[Kind]string{
	Text: "text", Int: "integer from 0", Port: "0 to 65535", Octet: "0 to 255", Addr: "IPv4 or IPv6 address",
	Time: "Unix seconds (or ms)", Verdict: "ACCEPT, REJECT", Status: "OK, NODATA, SKIPDATA", Direction: "ingress, egress",
}

var reasonTexts = map[Reason]string{
	ReasonFields:    "fewer values than columns, whatever else is wrong",
	ReasonNumber:    "not a decimal number, or beyond its range: a port above 65535, a protocol above 255",
	ReasonAddress:   "not an IPv4 or IPv6 address; zones (`fe80::1%eth0`) and leading zeros are refused",
	ReasonTime:      "end before start, end more than an hour after start, a time beyond the year 5138, or (told later) more than 10 minutes ahead of arrival",
	ReasonAction:    "neither `ACCEPT`, `REJECT` nor `-`",
	ReasonStatus:    "neither `OK`, `NODATA`, `SKIPDATA` nor `-`",
	ReasonDirection: "neither `ingress`, `egress` nor `-`",
	ReasonFormat:    "several formats are configured and none fits; or a header line names a field twice",
	ReasonLine:      "longer than 1 MiB",
	ReasonText:      "a text that is not UTF-8, or longer than 1 KiB",
	ReasonPayload:   "a piece of a payload, not of a line: broken gzip, zstd or JSON, an object or event without a message, a format that is not read",
}

func fieldTable() string {
	var b strings.Builder
	b.WriteString("| field | since | value | what flowwatch does with it |\n|---|---|---|---|\n")
	for f := Field(0); f < NumFields; f++ {
		since := fmt.Sprint(f.IntroducedIn())
		if since == "6" {
			since = "transit gateway"
		}
		use := uses[f]
		if use == "" {
			use = textUse
			if f.Numeric() {
				use = countUse
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f, since, kindNames[f.Kind()], use)
	}
	return b.String()
}

func reasonTable() string {
	var b strings.Builder
	b.WriteString("| reason | the line or value is |\n|---|---|\n")
	for _, r := range Reasons() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r, reasonTexts[r])
	}
	return b.String()
}

func formatTable() string {
	return "Default, version 2:\n\n    " + V2 + "\n\nThe console's \"all fields\" up to version 5, alphabetical:\n\n    " + ConsoleV5 +
		"\n\nTransit gateway, default:\n\n    " + TransitGatewayDefault + "\n"
}

// TestFormatsDoc holds docs/formats.md to the catalogue: what stands between
// <!-- generated: name --> and <!-- end --> is written by this test.
func TestFormatsDoc(t *testing.T) {
	path := filepath.Join(repository(t), "docs", "formats.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := string(text)
	for name, content := range map[string]string{"fields": fieldTable(), "reasons": reasonTable(), "formats": formatTable()} {
		begin := "<!-- generated: " + name + " -->\n"
		before, rest, ok := strings.Cut(want, begin)
		_, after, closed := strings.Cut(rest, "<!-- end -->")
		if !ok || !closed {
			t.Fatalf("docs/formats.md has no generated part %s", name)
		}
		want = before + begin + "\n" + content + "\n<!-- end -->" + after
	}
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("docs/formats.md is not what the catalogue says; go test ./pipeline/flowlog -update rewrites it (-want +got):\n%s", diff)
	}
}

func TestDocCoversTheCatalogue(t *testing.T) {
	for f := Field(0); f < NumFields; f++ {
		if kindNames[f.Kind()] == "" {
			t.Errorf("the kind of %s has no name", f)
		}
	}
	for _, r := range Reasons() {
		if reasonTexts[r] == "" {
			t.Errorf("reason %s is not explained", r)
		}
	}
}
