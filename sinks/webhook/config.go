package webhook

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/sinks/post"
)

// Config configures a Sink. A zero field stands for its default.
type Config struct {
	URL     string            `yaml:"url" strict:"required,secret"`      // http or https; often holds a token, so never shown
	Secret  string            `yaml:"secret,omitempty" strict:"secret"`  // signs each request; empty: none is signed
	Headers map[string]string `yaml:"headers,omitempty" strict:"secret"` // added to each request
	Batch   int               `yaml:"batch"`                             // findings in one request: 1 (default) is an object, more an array
	Timeout time.Duration     `yaml:"timeout"`                           // of one request; default 10 s
	CA      string            `yaml:"ca,omitempty"`                      // PEM file of the only roots to trust; default the system's
}

const mostBatch = 50

// Validate reports every problem, each beginning with its key. No message
// holds a part of the URL or the value of a header.
func (c *Config) Validate() error {
	var errs []error
	if err := post.CheckURL(c.URL); err != nil {
		errs = append(errs, fmt.Errorf("url: %w", err))
	}
	if c.Batch < 0 || c.Batch > mostBatch {
		errs = append(errs, fmt.Errorf("batch: %d is out of range; accepted: 1 to %d", c.Batch, mostBatch))
	}
	if err := post.CheckTimeout(c.Timeout); err != nil {
		errs = append(errs, fmt.Errorf("timeout: %w", err))
	}
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !headerName.MatchString(name):
			errs = append(errs, fmt.Errorf("headers: %q is no header name; accepted: letters, digits and -, like X-Api-Key", name))
		case slices.Contains(ownHeaders, canonical):
			errs = append(errs, fmt.Errorf("headers: %s is set by the sink; accepted: other headers", canonical))
		case seen[canonical] != "":
			errs = append(errs, fmt.Errorf("headers: %s and %s are the same header; accepted: each once", seen[canonical], name))
		case !plainValue(c.Headers[name]):
			errs = append(errs, fmt.Errorf("headers: the value of %s holds a line break or another control character; accepted: printable text", name))
		}
		seen[canonical] = name
	}
	return errors.Join(errs...)
}

var (
	headerName = regexp.MustCompile(`^[A-Za-z0-9!#$%&'*+.^_|~` + "`" + `-]+$`)
	ownHeaders = []string{"Connection", "Content-Length", "Content-Type", "Host", "Idempotency-Key", "Signature", "Transfer-Encoding", http.CanonicalHeaderKey(SignatureHeader)}
)

func plainValue(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

// SetDefaults gives the keys that may be left out their values.
func (c *Config) SetDefaults() { *c = c.withDefaults() }

func (c Config) withDefaults() Config {
	c.Batch = cmp.Or(c.Batch, 1)
	c.Timeout = cmp.Or(c.Timeout, post.DefaultTimeout)
	return c
}
