package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
)

// version is set with -ldflags "-X main.version=v1.2.3"; otherwise the version
// is the module's, as Go knows it.
var version string

type versionCmd struct {
	Output string `help:"text or json." enum:"text,json" default:"text"`
}

// build is what is known of this binary.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"`   // empty when it was built outside of a repository
	Modified bool   `json:"modified"` // the tree had changes that are not in the commit
	Time     string `json:"time"`     // of the commit, RFC 3339
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Geo      string `json:"geo_data"` // day of the embedded country and AS data, empty when there are none
}

func thisBuild() build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Geo: geotable.EmbeddedDate()}
	if read, ok := debug.ReadBuildInfo(); ok {
		b.fill(read)
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	return b
}

func (b *build) fill(read *debug.BuildInfo) {
	if b.Version == "" {
		b.Version = read.Main.Version
	}
	for _, s := range read.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
}

// String returns a line, and one on the embedded data.
func (b build) String() string {
	commit := "unknown"
	if b.Commit != "" {
		commit = b.Commit[:min(12, len(b.Commit))]
	}
	if b.Modified {
		commit += " with changes"
	}
	geo := "none"
	if b.Geo != "" {
		geo = "of " + b.Geo + ", by nro.net, routeviews.org and db-ip.com (CC BY 4.0)"
	}
	return fmt.Sprintf("flowwatch %s (commit %s, %s, %s)\ngeo data: %s", b.Version, commit, b.Go, b.Platform, geo)
}

// Run prints what is known of the binary.
func (c *versionCmd) Run(e *env) error {
	if c.Output == "json" {
		enc := json.NewEncoder(e.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(thisBuild())
	}
	_, err := fmt.Fprintln(e.Stdout, thisBuild())
	return err
}
