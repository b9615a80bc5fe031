package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/enrich/geotable"
	"github.com/flowwatch/flowwatch/sinks/status"
)

// statusOff is what status.listen is where no page is wanted.
const statusOff = "off"

// checkStatus judges an address of the status page.
func checkStatus(addr string) error {
	if addr == statusOff {
		return nil
	}
	if err := checkListen(addr); err != nil {
		return fmt.Errorf("%w, or %s for no page", err, statusOff)
	}
	return nil
}

// statusPage is the page with the listener that it is served on.
type statusPage struct {
	*status.Page
	ln net.Listener
}

// openStatus opens the status page, nil where none is wanted.
func (s *service) openStatus(ctx context.Context) (*statusPage, error) {
	if s.status == statusOff {
		return nil, nil
	}
	if err := checkStatus(s.status); err != nil {
		return nil, usagef("status page: %w", err)
	}
	ln, err := listen(ctx, s.status)
	if err != nil {
		return nil, fmt.Errorf("status page: %w", err)
	}
	at, err := netip.ParseAddrPort(ln.Addr().String())
	page := status.New(status.Dependencies{
		Published: s.pipeline.Published, Health: s.pipeline.Health, CommitError: s.pipeline.CommitError,
		Clock: s.clock, Pane: s.cfg.Windows.Pane, Version: thisBuild().Version,
		Place: s.places.Lookup, GeoDate: geotable.EmbeddedDate(),
		Local: err == nil && at.Addr().IsLoopback(),
	})
	return &statusPage{page, ln}, nil
}
