package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

type healthcheckCmd struct {
	Listen string `help:"Address that flowwatch listens on (also $$FLOWWATCH_LISTEN; by default what the configuration says, else :9464)." placeholder:"HOST:PORT"`
	Config string `help:"Configuration file to take the address from; by default the text in $$FLOWWATCH_CONFIG." placeholder:"FILE"`
	setFlag
}

const healthcheckTimeout = 3 * time.Second

// Run returns nil when /healthz answers 200, else why not.
func (c *healthcheckCmd) Run(ctx context.Context, e *env) error {
	addr, err := c.address(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	url := "http://" + addr + "/healthz"
	if err := askHealth(ctx, url); err != nil {
		return fmt.Errorf("not healthy: %w", err)
	}
	_, err = fmt.Fprintln(e.Stdout, "healthy")
	return err
}

// address finds out where to ask: --listen, else where listenAddress says that
// flowwatch listens.
func (c *healthcheckCmd) address(e *env) (string, error) {
	listen, from := c.Listen, "--listen"
	if listen == "" {
		var cfg *Config
		source := configSource{c.Config, c.Set}
		if source.isGiven(e) && e.Getenv("FLOWWATCH_LISTEN") == "" { // else it does not matter
			var err error
			if cfg, _, err = loadConfig(e, source); err != nil {
				return "", err
			}
		}
		listen, from = listenAddress(e, cfg), "FLOWWATCH_LISTEN, or listen of the configuration"
	}
	addr, err := dialable(listen)
	if err != nil {
		return "", usagef("%s: %w", from, err)
	}
	return addr, nil
}

// dialable returns the address that reaches who listens on one: an unspecified
// host is reached over loopback.
func dialable(listen string) (string, error) {
	if err := checkListen(listen); err != nil {
		return "", err
	}
	host, port, _ := net.SplitHostPort(listen) // checkListen did
	if strings.Trim(port, "0") == "" {
		return "", fmt.Errorf("%q leaves the port to the system, so it can't be known here; accepted: a port of 1 to 65535", listen)
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip.Is4() && ip.IsUnspecified():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port), nil
}

// askHealth goes straight to the address: no proxy, no redirect.
func askHealth(ctx context.Context, url string) error {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer from %s within %s", url, healthcheckTimeout)
	} else if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // best effort: the status alone tells enough
	return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(reason)))
}
