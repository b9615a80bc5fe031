package firehose

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/sourcetest"
)

// pemPair is a certificate for 127.0.0.1 that signs itself, and its key.
type pemPair struct {
	cert, key []byte
	parsed    *x509.Certificate
}

func newPair(t *testing.T, serial int64) pemPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemPair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), parsed,
	}
}

// The endpoint answers over TLS, and takes a renewed certificate without a
// restart: in the middle of the renewal the old one stays.
func TestCertificateIsReadAgain(t *testing.T) {
	dir := t.TempDir()
	cfg := DefaultConfig()
	cfg.Listen, cfg.AccessKey = "127.0.0.1:0", testKey
	cfg.TLS = TLSConfig{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	modified := time.Now().Add(-time.Hour)
	write := func(path string, content []byte) {
		t.Helper()
		modified = modified.Add(time.Minute) // whatever the file system's clock tells apart
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	first, second := newPair(t, 1), newPair(t, 2)
	write(cfg.TLS.Cert, first.cert)
	write(cfg.TLS.Key, first.key)
	source, err := New(cfg, Dependencies{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- source.Run(ctx, deafHost{sourcetest.NewHost(t, nil)}) }()

	served := func(pair pemPair) {
		t.Helper()
		roots := x509.NewCertPool()
		roots.AddCert(pair.parsed)
		client := http.Client{Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, DisableKeepAlives: true,
		}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+source.Addr().String(), bytes.NewReader(nil))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			t.Fatalf("with the certificate of serial %v: %v", pair.parsed.SerialNumber, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized { // without an access key
			t.Errorf("answered with %d", resp.StatusCode)
		}
	}
	served(first)
	write(cfg.TLS.Cert, second.cert) // the key is still the old one
	served(first)
	write(cfg.TLS.Key, second.key)
	served(second)
	if err := os.Remove(cfg.TLS.Cert); err != nil {
		t.Fatal(err)
	}
	served(second)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// deafHost reads nothing: what is asked here is not of records.
type deafHost struct{ *sourcetest.Host }

func (deafHost) Resume(string) map[string]pipeline.Resumed        { return nil }
func (deafHost) Register(context.Context, []pipeline.Start) error { return nil }
func (deafHost) Work(ctx context.Context, _ pipeline.Partition) error {
	<-ctx.Done()
	return ctx.Err()
}

// A certificate that can't be read ends the start, with the file in the error.
func TestNoCertificateNoStart(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Listen, cfg.AccessKey = "127.0.0.1:0", testKey
	cfg.TLS = TLSConfig{Cert: filepath.Join(t.TempDir(), "none.pem"), Key: "none.key"}
	if _, err := New(cfg, Dependencies{}); err == nil || !strings.Contains(err.Error(), "tls: ") || !strings.Contains(err.Error(), "none.pem") {
		t.Errorf("got %v", err)
	}
	cfg.TLS.Key = ""
	if _, err := New(cfg, Dependencies{}); err == nil || !strings.Contains(err.Error(), "has one of cert and key") {
		t.Errorf("got %v", err)
	}
}
