package main

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// labelled is what records of captures say of their labels: which interfaces
// there are, from when to when, and what came of the targets of each labelled
// source. It judges nothing: it tells why a scan could not be found.
type labelled struct {
	mu          sync.Mutex
	interfaces  map[string]struct{}
	first, last time.Time
	flags       bool // a record had tcp-flags
	of          map[netip.Addr][]*contacts
}

// contacts are the targets of one label's source in the label's time.
type contacts struct {
	truth    *simulate.Truth
	from, to int64 // Unix seconds
	internal bool
	targets  map[target]outcome
}

type target struct {
	at       netip.AddrPort
	protocol int64
}

// outcome is a set of what was seen of a target.
type outcome uint8

const (
	failing  outcome = 1 << iota // REJECT, a SYN alone, or an RST alone in return
	answered                     // a SYN-ACK in return
)

// labelSlack is how much the times of a label and of its records differ by
// rounding and aggregation.
const labelSlack = 60 // seconds

func newLabelled(truth []simulate.Truth) *labelled {
	l := &labelled{interfaces: make(map[string]struct{}), of: make(map[netip.Addr][]*contacts)}
	for i := range truth {
		t := &truth[i]
		if source, err := netip.ParseAddr(t.Key); err == nil {
			l.of[source] = append(l.of[source], &contacts{
				truth: t, from: t.Start.Unix() - labelSlack, to: t.End.Unix() + labelSlack, targets: make(map[target]outcome),
			})
		}
	}
	return l
}

func (l *labelled) observe(string) pipeline.Observer { return l }

// Flow implements pipeline.Observer.
func (l *labelled) Flow(f *enrich.Flow, _ bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.interfaces[string(f.Text(flowlog.InterfaceID))]; !known {
		l.interfaces[string(f.Text(flowlog.InterfaceID))] = struct{}{}
	}
	start := f.IntOr(flowlog.Start, 0)
	if at := time.Unix(start, 0).UTC(); l.first.IsZero() || at.Before(l.first) {
		l.first = at
	}
	if at := time.Unix(f.IntOr(flowlog.End, start), 0).UTC(); at.After(l.last) {
		l.last = at
	}
	if f.Status() != flowlog.OK {
		return
	}
	flags := f.IntOr(flowlog.TCPFlags, -1)
	l.flags = l.flags || flags >= 0
	protocol := f.IntOr(flowlog.Protocol, 0)
	for _, c := range l.of[f.Source] {
		if start < c.from || start > c.to {
			continue
		}
		c.internal = f.SourceInternal
		var o outcome
		if f.Action() == flowlog.Reject || flags == 2 {
			o = failing
		}
		c.targets[target{netip.AddrPortFrom(f.Target, uint16(f.IntOr(flowlog.DstPort, 0))), protocol}] |= o
	}
	for _, c := range l.of[f.Target] {
		tried := target{netip.AddrPortFrom(f.Source, uint16(f.IntOr(flowlog.SrcPort, 0))), protocol}
		if _, known := c.targets[tried]; !known || start < c.from || start > c.to {
			continue // it answers nothing that the source began
		}
		switch {
		case flags >= 0 && flags&18 == 18:
			c.targets[tried] |= answered
		case flags >= 0 && flags&4 != 0:
			c.targets[tried] |= failing
		}
	}
}

// Malformed implements pipeline.Observer.
func (l *labelled) Malformed(flowlog.Reason, []byte) {}

// Done implements pipeline.Observer.
func (l *labelled) Done() {}

// tell writes into truths what was seen of their targets, where they don't say
// themselves.
func (l *labelled) tell() {
	for _, all := range l.of {
		for _, c := range all {
			if c.truth.Targets > 0 {
				continue
			}
			c.truth.Targets = len(c.targets)
			for _, o := range c.targets {
				switch {
				case o&answered != 0:
					c.truth.Answered++
				case o&failing != 0:
					c.truth.Failed++
				}
			}
		}
	}
}

// why tells why a scan may have been missed: what the rule of its source asks
// for, beside what there was.
func (l *labelled) why(t *simulate.Truth, rules *RulesConfig) string {
	if t.Rule != "" && !strings.HasPrefix(t.Rule, "scan.") {
		return ""
	}
	if t.Targets == 0 {
		return "no record of it"
	}
	rule, asks := "scan.external", fmt.Sprintf("%d failed in 5 min or %d in 1 h", rules.ScanExternal.MinFailed, rules.ScanExternal.MinFailedHour)
	alpha := rules.ScanExternal.Alpha
	if source, err := netip.ParseAddr(t.Key); err == nil {
		for _, c := range l.of[source] { // one for each label of the source
			if c.truth == t && c.internal {
				rule, asks, alpha = "scan.internal", fmt.Sprintf("%d failed in 1 h", rules.ScanInternal.MinFailed), rules.ScanInternal.Alpha
			}
		}
	}
	asks = fmt.Sprintf("%s asks for %s, %d more than answered", rule, asks, lead(alpha))
	if !l.flags {
		asks = "no tcp-flags, so only REJECT fails; " + asks
	}
	return asks
}

// lead is how many more targets must fail than answer for a log-likelihood
// ratio of ln(1/alpha), when each moves it by ln 4: see docs/detection.md.
func lead(alpha float64) int { return int(math.Ceil(math.Log(1/alpha) / math.Log(4))) }
