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

// askTimeout is how long a running flowwatch may take to answer.
const askTimeout = 3 * time.Second

// Run returns nil when /healthz answers 200, else why not.
func (c *healthcheckCmd) Run(ctx context.Context, e *env) error {
	addr, err := c.address(e)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if _, err := fetch(ctx, "http://"+addr+"/healthz", 4<<10); err != nil {
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
		cfg, err := configIf(e, configSource{c.Config, c.Set}, "FLOWWATCH_LISTEN")
		if err != nil {
			return "", err
		}
		listen, from = listenAddress(e, cfg), "FLOWWATCH_LISTEN, or listen of the configuration"
	}
	addr, err := dialable(listen)
	if err != nil {
		return "", usagef("%s: %w", from, err)
	}
	return addr, nil
}

// configIf reads a configuration that decides where to ask: nil where there is
// none, and where the variable does.
func configIf(e *env, from configSource, variable string) (*Config, error) {
	if !from.isGiven(e) || e.Getenv(variable) != "" {
		return nil, nil
	}
	cfg, _, err := loadConfig(e, from)
	return cfg, err
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

// fetch returns what is answered with status 200, up to so many bytes. It goes
// straight to the address: no proxy, no redirect.
func fetch(ctx context.Context, url string, most int64) ([]byte, error) {
	client := &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, fmt.Errorf("no answer from %s within %s", url, askTimeout)
	} else if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return io.ReadAll(io.LimitReader(resp.Body, most))
	}
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // best effort: the status alone tells enough
	return nil, fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(reason)))
}
