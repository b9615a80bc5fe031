package detect

import "net/netip"

// CountEvidence is what a finding rests on that counts one thing against a
// bound: connections of a brute force, ports of a distributed scan, the load of
// a ceiling.
type CountEvidence struct {
	Source    netip.Addr `json:"source"`          // invalid when there are many
	Place     *Place     `json:"place,omitempty"` // of the source; nil when nothing is known
	Internal  bool       `json:"internal"`
	Interface string     `json:"interface,omitempty"` // under attack
	Instance  string     `json:"instance,omitempty"`
	Target    netip.Addr `json:"target"`
	Port      uint16     `json:"port,omitempty"`

	What      string  `json:"what"` // that is counted: "connections", "failed_ports", "bits_per_second"
	Observed  float64 `json:"observed"`
	Expected  float64 `json:"expected"` // 0 where nothing is learned
	Threshold float64 `json:"threshold"`
	Sources   int     `json:"sources,omitempty"`
	Packets   int64   `json:"packets,omitempty"`
	Bytes     int64   `json:"bytes,omitempty"`

	PortsSample   []uint16    `json:"ports_sample,omitempty"`
	TopSources    []TopSource `json:"top_sources,omitempty"`
	WindowStart   int64       `json:"window_start"`
	WindowSeconds int64       `json:"window_s"`
}

type ocsfCount struct {
	What        string          `json:"what"`
	Observed    float64         `json:"observed"`
	Expected    float64         `json:"expected"`
	Threshold   float64         `json:"threshold"`
	Sources     int             `json:"distinct_sources,omitempty"`
	Packets     int64           `json:"packets,omitempty"`
	Bytes       int64           `json:"bytes,omitempty"`
	PortsSample []uint16        `json:"ports_sample"`
	TopSources  []ocsfTopSource `json:"top_sources"`
	WindowStart string          `json:"window_start"`
	WindowS     int64           `json:"window_s"`
	LateRecords int64           `json:"late_records"`
	Lines       []string        `json:"flow_records_sample"`
}

func (f *Finding) ocsfCount() ([]ocsfEvidence, []ocsfObservable) {
	e := f.Counted
	data := &ocsfCount{
		What: e.What, Observed: rounded(e.Observed, 1), Expected: rounded(e.Expected, 1), Threshold: rounded(e.Threshold, 1),
		Sources: e.Sources, Packets: e.Packets, Bytes: e.Bytes,
		PortsSample: orEmpty(e.PortsSample), TopSources: []ocsfTopSource{},
		WindowStart: rfc3339(e.WindowStart), WindowS: e.WindowSeconds,
		LateRecords: f.LateRecords, Lines: orEmpty(f.Lines),
	}
	for _, s := range e.TopSources {
		data.TopSources = append(data.TopSources, s.ocsf())
	}
	var src *ocsfEndpoint
	var observables []ocsfObservable
	if e.Source.IsValid() {
		src = &ocsfEndpoint{IP: e.Source.String()}
		src.locate(e.Place)
		observables = append(observables, ocsfObservable{"evidences[0].src_endpoint.ip", observableIP, "IP Address", src.IP})
	}
	dst := &ocsfEndpoint{InterfaceUID: e.Interface, InstanceUID: e.Instance, VPCUID: known(f.Scope), Port: e.Port}
	if e.Target.IsValid() {
		dst.IP = e.Target.String()
		observables = append(observables, ocsfObservable{"evidences[0].dst_endpoint.ip", observableIP, "IP Address", dst.IP})
	}
	connection := &ocsfConnection{DirectionID: 1, Direction: "Inbound"}
	if e.Internal {
		connection = &ocsfConnection{DirectionID: 3, Direction: "Lateral"}
	}
	return []ocsfEvidence{{src, dst, connection, data}}, observables
}
