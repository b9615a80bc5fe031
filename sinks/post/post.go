// Package post sends JSON to an HTTP receiver for the sinks that do, and tells
// from the answer whether sending it again is of use. No error holds a part of
// the URL but its host, or what the receiver answered.
package post

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/flowwatch/flowwatch/sinks"
)

// CheckURL judges the URL of a receiver without repeating it.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("is no URL of a receiver; accepted: https://host/path, or http for a local one")
	}
	if u.Fragment != "" {
		return errors.New("has a #fragment, which is never sent; accepted: a URL without")
	}
	return nil
}

// Client posts to one URL.
type Client struct {
	url, host string
	timeout   time.Duration
	now       func() time.Time
	http      *http.Client
}

// Options say how a Client posts. A zero field stands for its default.
type Options struct {
	Timeout   time.Duration     // of one request; default 10 s
	CA        string            // PEM file of the only roots to trust; default the system's
	Now       func() time.Time  // default time.Now: dates in Retry-After
	Transport http.RoundTripper // default its own; with one, CA is not used
}

// LongestTimeout is what Options.Timeout may be at most.
const LongestTimeout = 5 * time.Minute

// CheckTimeout judges a Timeout.
func CheckTimeout(timeout time.Duration) error {
	if timeout < 0 || timeout > LongestTimeout {
		return fmt.Errorf("%s is out of range; accepted: more than 0s, up to 5m", timeout)
	}
	return nil
}

// DefaultTimeout is that of Options.
const DefaultTimeout = 10 * time.Second

// New returns a client; CheckURL has accepted the URL.
func New(target string, o Options) (*Client, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, errors.New("url: is no URL") // err would repeat it
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Transport == nil {
		if o.Transport, err = newTransport(o.CA); err != nil {
			return nil, err
		}
	}
	return &Client{url: target, host: u.Host, timeout: cmp.Or(o.Timeout, DefaultTimeout), now: o.Now, http: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Host is the host that it posts to, for messages.
func (c *Client) Host() string { return c.host }

// Close closes the idle connections.
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// maxAnswer is how much of an answer is read, for the sake of reusing the
// connection. What it says is not used: it could repeat a secret.
const maxAnswer = 64 << 10

// JSON posts a body. The error is Permanent when the receiver refuses it, and
// has the wait that a receiver asks for.
func (c *Client) JSON(ctx context.Context, body []byte, header http.Header) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return sinks.Permanent(fmt.Errorf("post to %s: the request cannot be built", c.host))
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "flowwatch")
	answer, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("post to %s: %w", c.host, withoutURL(err))
	}
	defer answer.Body.Close()
	_, _ = io.CopyN(io.Discard, answer.Body, maxAnswer) // whatever it says, the status counts
	return c.judge(answer)
}

// passing are the answers of the 4xx class that say nothing of what was sent:
// they are about when it came, who sent it and what it was sent to. Somebody
// mends a token or a URL, and what waited then arrives.
var passing = []int{
	http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests,
	http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusProxyAuthRequired,
	http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone,
}

// judge tells what an answer means for what was sent.
func (c *Client) judge(answer *http.Response) error {
	code := answer.StatusCode
	err := fmt.Errorf("post to %s: status %d %s", c.host, code, http.StatusText(code))
	switch {
	case code/100 == 2:
		return nil
	case code/100 == 3:
		return fmt.Errorf("%w: redirects are not followed, the configured URL has to be the last one", err)
	case code/100 == 4 && !slices.Contains(passing, code):
		return sinks.Permanent(err)
	}
	return sinks.RetryAfter(err, c.asked(answer.Header.Get("Retry-After")))
}

// asked reads a Retry-After: seconds, or a date. What is neither asks nothing.
func (c *Client) asked(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(c.now())
	}
	return 0
}

// withoutURL unwraps the error of a client, whose message repeats the URL.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
