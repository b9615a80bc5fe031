package detect

import "net/netip"

// Shape says how a scan went over hosts and ports. Up to five count as one.
type Shape string

// The shapes.
const (
	Horizontal Shape = "horizontal" // one port on many hosts
	Vertical   Shape = "vertical"   // many ports of one host
	Block      Shape = "block"      // anything else
)

// few is how many ports, or hosts, count as one in a shape.
const few = 5

// shapeOf names the shape of so many distinct hosts and ports.
func shapeOf(hosts, ports int) Shape {
	switch {
	case ports <= few && hosts > few:
		return Horizontal
	case hosts <= few && ports > few:
		return Vertical
	case ports <= few && hosts > ports:
		return Horizontal
	case hosts <= few && ports > hosts:
		return Vertical
	}
	return Block
}

// ScanEvidence is what a scan finding rests on. The counts are of distinct
// targets (address, port, protocol) over the window.
type ScanEvidence struct {
	Source    netip.Addr `json:"source"`
	Internal  bool       `json:"internal"`            // the source is in the own networks
	Interface string     `json:"interface,omitempty"` // of the source, when it is one of ours
	Instance  string     `json:"instance,omitempty"`
	Place     *Place     `json:"place,omitempty"` // of the source; nil when nothing is known

	Target          netip.Addr `json:"target"` // the host, when only one was scanned
	TargetInterface string     `json:"target_interface,omitempty"`
	Protocol        uint8      `json:"protocol"` // of most of the scanned targets

	Shape Shape `json:"shape"`
	Sweep bool  `json:"sweep"` // fired on unanswered hosts instead of failures
	// Hosts and Ports are those of the scanned targets and of the answered
	// ones beside them.
	Hosts      int  `json:"hosts"`
	Ports      int  `json:"ports"`
	Failed     int  `json:"failed"`
	Answered   int  `json:"answered"`
	Unanswered int  `json:"unanswered"` // without weight: UDP, ICMP and others without a reply
	Rejected   int  `json:"rejected"`   // of Failed: with a REJECT
	SynOnly    int  `json:"syn_only"`   // of Failed: nothing but a SYN was seen
	Exact      bool `json:"exact"`      // false when the counts are estimates

	HostsSample   []netip.Addr `json:"hosts_sample,omitempty"`
	PortsSample   []uint16     `json:"ports_sample,omitempty"`
	PortsAnswered []uint16     `json:"ports_answered,omitempty"`

	// WindowStart is the start of the first pane in which the source was
	// seen, WindowSeconds lasts from there to the end of the last; the rule
	// looks back RuleWindowSeconds.
	WindowStart       int64 `json:"window_start"`
	WindowSeconds     int64 `json:"window_s"`
	RuleWindowSeconds int64 `json:"rule_window_s"`

	Score     float64 `json:"score"`     // log-likelihood ratio; of a sweep, hosts
	Threshold float64 `json:"threshold"` // of Score
	MinFailed int     `json:"min_failed"`
	Alpha     float64 `json:"alpha"` // false alarms per source, behind Threshold
}

// BaselineKind says which baseline a spike was held against.
type BaselineKind string

// The baselines.
const (
	Recent   BaselineKind = "recent"   // the level of the last hours
	Seasonal BaselineKind = "seasonal" // the peak of this hour on the days before
	Nothing  BaselineKind = "nothing"  // there was no traffic to speak of
)

// SpikeEvidence is what a spike finding rests on.
type SpikeEvidence struct {
	Interface     string            `json:"interface"`
	Instance      string            `json:"instance,omitempty"`
	TargetAddr    string            `json:"target_addr,omitempty"`
	WindowStart   int64             `json:"window_start"`
	WindowSeconds int64             `json:"window_s"`
	Measures      []MeasureEvidence `json:"measures"` // the most surprising first
	TopSources    []TopSource       `json:"top_sources,omitempty"`
	TopPorts      []TopPort         `json:"top_ports,omitempty"`
}

// MeasureEvidence is one measure that spiked. Bytes are in KiB.
type MeasureEvidence struct {
	Measure  Measure      `json:"measure"`
	Observed int64        `json:"observed"`
	Expected float64      `json:"expected"` // mu of the test
	Phi      float64      `json:"phi"`
	LnP      float64      `json:"ln_p"` // natural logarithm: P itself may be too small for a float64
	Alpha    float64      `json:"alpha"`
	Baseline BaselineKind `json:"baseline"`
	Days     int          `json:"days,omitempty"`  // behind a seasonal baseline
	Usual    float64      `json:"usual,omitempty"` // mean that the drift test held it against, 0 before the hour's is known
	Pair     float64      `json:"pair,omitempty"`  // from where on two panes in a row are enough
	Alone    float64      `json:"alone,omitempty"` // from where on no second pane is needed
	// Of the drift test, when it is what struck: the CUSUM score with its bound.
	Drift      bool    `json:"drift,omitempty"`
	Score      float64 `json:"score,omitempty"`
	ScoreBound float64 `json:"score_bound,omitempty"`
}

// Ratio returns observed over expected; ok is false when that says nothing,
// because nothing was expected.
func (m *MeasureEvidence) Ratio() (ratio float64, ok bool) {
	if m.Baseline == Nothing || m.Expected <= 0 {
		return 0, false
	}
	return float64(m.Observed) / m.Expected, true
}

var measureNames = [NumMeasures]string{
	"bytes", "packets", "accepted_flows", "rejected_flows", "syn_only_flows", "unique_sources",
}

// String returns the measure's name as metrics and findings use it.
func (m Measure) String() string {
	if m < NumMeasures {
		return measureNames[m]
	}
	return "unknown"
}

// unit is the size of one count of the spike test's arithmetic.
func (m Measure) unit() int64 {
	if m == Bytes {
		return 1024
	}
	return 1
}
