package status

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"

	"github.com/flowwatch/flowwatch/sinks/look"
)

// policy allows the page its own files and nothing else: no inline script or
// style, no other origin, no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var (
	//go:embed live.js
	liveJS string
	//go:embed icon.svg
	icon string
)

// file is what a path answers.
type file struct {
	kind string
	body func() ([]byte, error)
}

// Handler answers /, /status.json and the files of the page.
func (p *Page) Handler() http.Handler {
	files := map[string]file{
		"/":            {"text/html; charset=utf-8", func() ([]byte, error) { return p.current.Load().html() }},
		"/status.json": {"application/json", func() ([]byte, error) { return json.MarshalIndent(p.current.Load().state, "", "  ") }},
		"/style.css":   {"text/css; charset=utf-8", fixed(look.CSS)},
		"/page.js":     {"text/javascript; charset=utf-8", fixed(look.TablesJS + liveJS)},
		"/icon.svg":    {"image/svg+xml", fixed(icon)},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-cache")
		f, ok := files[r.URL.Path]
		switch {
		case p.d.Local && !local(r.Host):
			http.Error(w, "this page answers to localhost and loopback addresses only", http.StatusForbidden)
		case !ok:
			http.Error(w, "not found; here are / and /status.json", http.StatusNotFound)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed; accepted: GET, HEAD", http.StatusMethodNotAllowed)
		default:
			f.serve(w, r)
		}
	})
}

func fixed(text string) func() ([]byte, error) {
	body := []byte(text)
	return func() ([]byte, error) { return body, nil }
}

// serve answers with the file, or that it has not changed.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	body, err := f.body()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	sum := sha256.Sum256(body)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", f.kind)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if r.Method == http.MethodGet {
		_, _ = bytes.NewReader(body).WriteTo(w) // a client that went away has nobody to tell
	}
}

// local reports whether a Host header names this machine.
func local(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 1 && host[0] == '[' {
		host = host[1 : len(host)-1]
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
