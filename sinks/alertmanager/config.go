package alertmanager

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/flowwatch/flowwatch/sinks/post"
)

// Config configures a Sink. A zero field stands for its default.
type Config struct {
	// URL holds the base URLs of Alertmanager, one for each member of a cluster
	// as Alertmanager asks for, without /api/v2/alerts. A user and password in
	// one is sent as basic authentication.
	URL     []string      `yaml:"url" strict:"required,single,secret"`
	Timeout time.Duration `yaml:"timeout"`      // of one request; default 10 s
	CA      string        `yaml:"ca,omitempty"` // PEM file of the only roots to trust; default the system's
}

// SetDefaults gives the keys that may be left out their values.
func (c *Config) SetDefaults() { c.Timeout = cmp.Or(c.Timeout, post.DefaultTimeout) }

// mostURLs is how many members a cluster may have.
const mostURLs = 16

// Validate reports every problem, each beginning with its key. No message
// holds a part of a URL.
func (c *Config) Validate() error {
	var errs []error
	if n := len(c.URL); n == 0 || n > mostURLs {
		errs = append(errs, fmt.Errorf("url: has %d URLs; accepted: 1 to %d", n, mostURLs))
	}
	first := map[string]int{}
	for i, text := range c.URL {
		if err := checkURL(text); err != nil {
			errs = append(errs, fmt.Errorf("url[%d]: %w", i, err))
			continue
		}
		if j, ok := first[text]; ok {
			errs = append(errs, fmt.Errorf("url[%d]: is that of url[%d]; accepted: each member once", i, j))
			continue
		}
		first[text] = i
	}
	if err := post.CheckTimeout(c.Timeout); err != nil {
		errs = append(errs, fmt.Errorf("timeout: %w", err))
	}
	return errors.Join(errs...)
}

func checkURL(text string) error {
	if err := post.CheckURL(text); err != nil {
		return err
	}
	u, err := url.Parse(text)
	if err != nil || u.RawQuery != "" {
		return errors.New("has a ?query; accepted: a base URL like http://alertmanager:9093")
	}
	return nil
}

// alertsURL is where a member takes alerts.
func alertsURL(base string) (string, error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", errors.New("url: is no URL") // err would repeat it
	}
	return u.JoinPath("api", "v2", "alerts").String(), nil
}
