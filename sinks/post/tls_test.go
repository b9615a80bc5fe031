package post

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A receiver with a certificate of a private root is trusted when its root is
// configured, and by nothing else.
func TestPrivateRoots(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	other := filepath.Join("testdata", "other-root.pem")
	own := write(t, "own.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for _, test := range []struct{ name, ca, want string }{
		{"its own root", own, ""},
		{"the system's roots", "", "certificate"},
		{"another root", other, "certificate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := New(server.URL, Options{CA: test.ca})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			err = c.JSON(t.Context(), []byte("{}"), http.Header{})
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("JSON: %v, want %q", err, test.want)
			}
		})
	}
}

func TestRootsThatCannotBeRead(t *testing.T) {
	for _, test := range []struct{ name, ca, want string }{
		{"missing", filepath.Join(t.TempDir(), "none.pem"), "no such file"},
		{"no PEM", write(t, "text.pem", []byte("text")), "holds no certificate"},
	} {
		if _, err := New("https://h", Options{CA: test.ca}); err == nil || !strings.HasPrefix(err.Error(), "ca: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want an error about ca with %q", test.name, err, test.want)
		}
	}
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
