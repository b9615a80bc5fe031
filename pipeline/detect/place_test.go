package detect

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

// amsterdam is where every outside address of these tests is.
var amsterdam = Place{
	Country: "NL", City: "Amsterdam", Located: true, Latitude: 52.37, Longitude: 4.9,
	ASN: 64500, ASName: "Example B.V.", Kind: enrich.Hosting, List: "Clouds", Service: "EC2",
}

func inAmsterdam(a netip.Addr) Place {
	if a.IsPrivate() {
		return Place{Kind: enrich.Own}
	}
	return amsterdam
}

func nowhere(netip.Addr) Place { return Place{} }

func TestLocate(t *testing.T) {
	scan := *externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6))).last()
	before := *scan.Scan
	found := scan
	found.Locate(inAmsterdam)
	if diff := cmp.Diff(&amsterdam, found.Scan.Place); diff != "" {
		t.Errorf("place of a scan's source (-want +got):\n%s", diff)
	}
	if want := scan.Message + "; the source is in NL, AS64500 Example B.V., the list Clouds (hosting)"; found.Message != want {
		t.Errorf("message %q, want %q", found.Message, want)
	}
	if found.UID != scan.UID || found.DedupKey() != scan.DedupKey() {
		t.Error("the finding is another one")
	}
	if diff := cmp.Diff(before, *scan.Scan, compareAddr); diff != "" {
		t.Errorf("the evidence that was shared changed (-before +after):\n%s", diff)
	}
	conforms(t, []Finding{found})
	golden(t, "scan-located.json", encode(t, &found))

	spike := spikeFinding(t, &Samples{Sources: []TopSource{{Addr: netip.MustParseAddr(outsider), Records: 7}}})
	shared := spike.Spike.TopSources
	spike.Locate(inAmsterdam)
	if got := spike.Spike.TopSources[0]; got.Country != "NL" || got.ASN != 64500 || got.ASName != "Example B.V." {
		t.Errorf("top source of a spike: %+v", got)
	}
	if shared[0].Country != "" {
		t.Error("the list that was shared changed")
	}
	conforms(t, []Finding{spike})

	inside := scanFinding(t)
	message := inside.Message
	inside.Locate(inAmsterdam)
	if inside.Scan.Place.Kind != enrich.Own || inside.Message != message {
		t.Errorf("a source of our own: %+v, %q", inside.Scan.Place, inside.Message)
	}
	if encoded := string(encode(t, &inside)); strings.Contains(encoded, "enrichments") || strings.Contains(encoded, "location") {
		t.Errorf("a source of our own is somewhere: %s", encoded)
	}
	conforms(t, []Finding{inside})
}

func TestLocateNowhere(t *testing.T) {
	scan := *externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6))).last()
	found := scan
	found.Locate(nowhere)
	if diff := cmp.Diff(scan, found, compareAddr); diff != "" {
		t.Errorf("nothing is known, and yet (-before +after):\n%s", diff)
	}
	none := Finding{}
	none.Locate(inAmsterdam) // no evidence at all
}

// What is located survives being kept, as a finding that waits to be sent is.
func TestLocatedFindingsSurviveJSON(t *testing.T) {
	found := *externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6))).last()
	found.Locate(inAmsterdam)
	kept, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	var back Finding
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(found, back, compareAddr); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Names come from databases and lists, and those may hold anything.
func TestHostileNames(t *testing.T) {
	found := *externalCase(t).next(try(outsider, rejected, hosts("10.0.7.1", 120, 23, 6))).last()
	found.Locate(func(netip.Addr) Place {
		return Place{Country: "NL", City: "\x1b[2J</script>", ASN: 1, ASName: "\x00\xff\n", Kind: enrich.Tor, List: "\a\"", Service: "\r"}
	})
	conforms(t, []Finding{found})
	if strings.ContainsFunc(found.Message, unicode.IsControl) || !utf8.ValidString(found.Message) {
		t.Errorf("message %q", found.Message)
	}
}
