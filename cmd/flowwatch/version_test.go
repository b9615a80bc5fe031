package main

import (
	"encoding/json"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
)

func TestBuild(t *testing.T) {
	f := func(linked string, read debug.BuildInfo, want string) {
		t.Helper()
		b := build{Version: linked, Go: "go1.26.0", Platform: "linux/amd64", Geo: "2026-06-17"}
		b.fill(&read)
		if got := b.String(); got != want+"\ngeo data: of 2026-06-17, by nro.net, routeviews.org and db-ip.com (CC BY 4.0)" {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	settings := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"},
		{Key: "vcs.time", Value: "2027-01-31T00:00:00Z"},
		{Key: "vcs.modified", Value: "true"},
	}
	module := debug.Module{Version: "v0.1.0"}
	f("", debug.BuildInfo{Main: module}, "flowwatch v0.1.0 (commit unknown, go1.26.0, linux/amd64)")
	f("v1.2.3", debug.BuildInfo{Main: module, Settings: settings}, "flowwatch v1.2.3 (commit 0123456789ab with changes, go1.26.0, linux/amd64)")
	f("", debug.BuildInfo{Main: module, Settings: settings[:1]}, "flowwatch v0.1.0 (commit 0123456789ab, go1.26.0, linux/amd64)")
}

func TestVersionJSON(t *testing.T) {
	w := newWorld(nil)
	if code := w.run(t, "version", "--output", "json"); code != exitOK {
		t.Fatalf("exits %d: %s", code, &w.stderr)
	}
	var b build
	dec := json.NewDecoder(strings.NewReader(w.stdout.String()))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Geo != geotable.EmbeddedDate() {
		t.Errorf("geo data of %q", b.Geo)
	}
	if b.Version == "" || b.Go != runtime.Version() || b.Platform != runtime.GOOS+"/"+runtime.GOARCH {
		t.Errorf("got %+v", b)
	}
}
