// Package detect turns closed panes into findings: one file per detector, and
// the lifecycle of an incident that they share. It is a function of the panes
// alone: no clock, no I/O, no randomness.
package detect

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// Pane is one closed pane as detectors see it. It is valid during Detect.
type Pane struct {
	Start, End int64 // Unix seconds, [Start, End)
	Late       int64 // late records that belonged to this pane, best effort
	// Loads holds every interface that had ingress or was covered in this
	// pane, by ascending Key.
	Loads []Load
	// Contacts yields every initiator of this pane once, in no particular
	// order: what a rule finds must not depend on it.
	Contacts iter.Seq[Contact]
	// Own reports whether an address is in the own networks; nil stands for the
	// private ranges.
	Own func(netip.Addr) bool
	// Select, when given, is what Where returns: it looks at every contact once
	// for all the rules.
	Select func(wanted func(*Glimpse) bool) iter.Seq[Contact]
	// Logins holds the connections to ports of remote administration, by
	// ascending (account, VPC, source, host, port).
	Logins []Login

	covered map[place]bool // made when first asked for
}

// place is where coverage is told: not each source is seen in each pane, but
// the interfaces around it are.
type place struct{ account, vpc string }

// covers reports whether any interface of a place had records in the pane.
func (p *Pane) covers(at place) bool {
	if p.covered == nil {
		p.covered = make(map[place]bool)
		for i := range p.Loads {
			p.covered[place{orDash(p.Loads[i].Account), orDash(p.Loads[i].VPC)}] = true
		}
	}
	return p.covered[at]
}

func (p *Pane) own(a netip.Addr) bool {
	if p.Own == nil {
		return a.IsPrivate()
	}
	return p.Own(a)
}

// Glimpse is what a rule can tell of a contact without its targets. There are
// many contacts in a pane, few matter to a rule, and what their targets are lies
// far apart in memory: a glimpse is enough to pass over most of them.
type Glimpse struct {
	Account, VPC string
	Source       netip.Addr
	Internal     bool
	Allowed      bool
	// Distinct targets, all and by outcome, as Tally counts them.
	Targets, Failed, Pending, Answered, Unknown int32
}

// NewGlimpse returns the glimpse of a contact that has targets.
func NewGlimpse(account, vpc string, source netip.Addr, targets *aggregate.Targets) Glimpse {
	o := targets.Tally()
	return Glimpse{
		Account: account, VPC: vpc, Source: source, Targets: int32(targets.Len()),
		Failed: int32(o.Failed), Pending: int32(o.Pending), Answered: int32(o.Answered), Unknown: int32(o.Unknown),
	}
}

// Where yields the contacts with targets that are wanted. Each is asked for
// once, right before it would be yielded.
func (p *Pane) Where(wanted func(*Glimpse) bool) iter.Seq[Contact] {
	if p.Select != nil {
		return p.Select(wanted)
	}
	return func(yield func(Contact) bool) {
		if p.Contacts == nil {
			return
		}
		for c := range p.Contacts {
			if c.Targets == nil {
				continue
			}
			g := NewGlimpse(c.Account, c.VPC, c.Source, c.Targets)
			g.Internal, g.Allowed = c.Internal, c.Allowed
			if wanted(&g) && !yield(c) {
				return
			}
		}
	}
}

// Login is what one source did at a login port of one host in one pane.
type Login struct {
	aggregate.Login
	Internal bool // the source is in the own networks
	Allowed  bool // it is in networks.allow
}

// Key names a network interface.
type Key struct{ Account, VPC, Interface string }

// Compare orders keys by account, VPC and interface.
func (k Key) Compare(o Key) int { return compareKeys(k, o) }

// Measure is one of the six quantities that the spike rule watches.
type Measure uint8

// The measures of ingress. TCP replies to own connections are in none.
const (
	Bytes Measure = iota // in bytes; the rule divides by 1024
	Packets
	AcceptedFlows
	RejectedFlows
	SynOnlyFlows
	UniqueSources // distinct; estimated above 128
	NumMeasures
)

// Load is the ingress of one interface in one pane.
type Load struct {
	Key
	Region, Instance, TargetAddr string // as records said, empty when unknown
	Values                       [NumMeasures]int64
	// Coverage: what kinds of record came for this interface and pane, in
	// whatever direction.
	OK, NoData, SkipData bool
	First, Last          int64 // of its ingress records: least start, greatest end; 0 when none
	Records              int64
	Samples              Sampler // nil when nothing was kept
}

// Contact is what one initiator did in one pane.
type Contact struct {
	Account, VPC string
	Source       netip.Addr
	Internal     bool // in the own networks
	Allowed      bool // in networks.allow: a scanner that is ours
	Region       string
	Interface    string // the interface that recorded it, when it was the source's own
	Instance     string
	Targets      *aggregate.Targets
	First, Last  int64 // least start, greatest end
	Records      int64
	Samples      Sampler // nil when nothing was kept
}

// Sampler writes out what was sampled. That is work, and few panes end in a
// finding: only those ask. It is valid during Detect; what it returns, perhaps
// nil, is the caller's.
type Sampler interface{ Samples() *Samples }

// Samples are a few raw lines and top entries, best effort and outside the
// promise of identity.
type Samples struct {
	Lines   []string
	Sources []TopSource
	Ports   []TopPort
	// Interfaces of the targets that recorded the contact, at most five.
	Interfaces []string
}

// Samples returns a copy: samples that are written out are a Sampler too.
func (s *Samples) Samples() *Samples {
	if s == nil {
		return nil
	}
	return &Samples{
		Lines:      slices.Clone(s.Lines),
		Sources:    slices.Clone(s.Sources),
		Ports:      slices.Clone(s.Ports),
		Interfaces: slices.Clone(s.Interfaces),
	}
}

// TopSource is an entry of a top list; Records is too high by at most Error.
// Country, ASN and ASName are what Locate knew, empty and 0 when it did not.
type TopSource struct {
	Addr    netip.Addr `json:"addr"`
	Records int64      `json:"records"`
	Error   int64      `json:"error"`
	Country string     `json:"country,omitempty"`
	ASN     uint32     `json:"asn,omitempty"`
	ASName  string     `json:"as_name,omitempty"`
}

// TopPort is an entry of a top list; Records is too high by at most Error.
type TopPort struct {
	Port     uint16 `json:"port"`
	Protocol uint8  `json:"protocol"`
	Records  int64  `json:"records"`
	Error    int64  `json:"error"`
}

// Detector is one rule. Panes come in ascending order of Start; panes without
// any record or coverage are left out, so gaps are the detector's arithmetic.
// What Detect returns is valid until the next call.
type Detector interface {
	Name() string
	// Version changes when the meaning of the persisted state changes: state
	// of another version, or another configuration, is not restored.
	Version() string
	Detect(pane *Pane) []Finding
	// Changes puts every entry of state that changed since the last call; a
	// nil value deletes the key. All the state lies under keys of the
	// detector's own choosing.
	Changes(put func(key, value []byte))
	// Restore takes all the entries that Changes ever put and did not delete.
	Restore(next func() (key, value []byte, ok bool)) error
}
