package detect

import (
	"iter"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// earlyMargin is how many times what a rule asks for makes an early finding,
// of failures and of the log-likelihood ratio: some may be answered yet.
const earlyMargin = 2

// Early is a detector that need not wait for a pane to close. Counts of an open
// pane can only grow, so what is far above a threshold already will be when it
// closes: its incident opens at once with Provisional confidence. The pane's
// close confirms it or closes it as NotConfirmed.
//
// Early findings are outside the promise of identity: when they come depends on
// how records were cut into slices.
type Early interface {
	Detector
	// Early judges what is known so far of the panes that are open. What it
	// returns is valid until the next call of Early or Detect.
	Early(open *Open) []Finding
}

// Open is what came so far of panes that have not closed: of the interfaces and
// initiators that just got more. It is valid during Early.
type Open struct {
	Panes []OpenPane // by ascending start
	// From yields the initiators inside or outside the own networks once each, in
	// no particular order, without those in networks.allow; nil when there are none.
	From func(internal bool) iter.Seq[OpenContact]
	Own  func(netip.Addr) bool // as in Pane
}

// OpenPane holds the loads of one open pane, by ascending Key.
type OpenPane struct {
	Start, End int64 // Unix seconds, [Start, End)
	Loads      []Load
	// Before returns what came so far for an interface in the pane before this
	// one, while that is open too.
	Before func(*Load) (Load, bool)
}

// OpenContact is what one initiator did in the open panes; its Targets are nil.
type OpenContact struct {
	Contact
	Panes []aggregate.OpenTargets // by ascending start
}
