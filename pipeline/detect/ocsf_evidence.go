package detect

import (
	"math"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/enrich"
)

const (
	observableIP       = 2
	observableResource = 10
)

func (f *Finding) ocsfScan() ([]ocsfEvidence, []ocsfObservable) {
	e := f.Scan
	src := &ocsfEndpoint{IP: e.Source.String()}
	src.locate(e.Place)
	if e.Internal {
		src.InterfaceUID, src.InstanceUID, src.VPCUID = e.Interface, e.Instance, known(f.Scope)
	}
	observables := []ocsfObservable{{"evidences[0].src_endpoint.ip", observableIP, "IP Address", src.IP}}
	dst := &ocsfEndpoint{InterfaceUID: e.TargetInterface}
	if e.TargetInterface != "" || !e.Internal {
		dst.VPCUID = known(f.Scope)
	}
	if e.Target.IsValid() {
		dst.IP = e.Target.String()
		observables = append(observables, ocsfObservable{"evidences[0].dst_endpoint.ip", observableIP, "IP Address", dst.IP})
	}
	if *dst == (ocsfEndpoint{}) {
		dst = nil
	}
	data := &ocsfScan{
		DistinctPorts: e.Ports, DistinctHosts: e.Hosts,
		Failed: e.Failed, Answered: e.Answered, Unanswered: e.Unanswered,
		Rejected: e.Rejected, SynOnly: e.SynOnly, Exact: e.Exact,
		HostsSample: addrStrings(e.HostsSample),
		PortsSample: orEmpty(e.PortsSample), PortsAnswered: orEmpty(e.PortsAnswered),
		WindowStart: rfc3339(e.WindowStart), WindowS: e.WindowSeconds,
		Threshold: rounded(e.Threshold, 2), Score: rounded(e.Score, 1),
		LateRecords: f.LateRecords, Lines: orEmpty(f.Lines), RuleWindowS: e.RuleWindowSeconds,
	}
	return []ocsfEvidence{{src, dst, e.connection(), data}}, observables
}

// connection says where the scan went. A target whose own interface recorded
// it lies in the source's VPC, since a VPC is part of the key.
func (e *ScanEvidence) connection() *ocsfConnection {
	protocol := int(e.Protocol)
	c := &ocsfConnection{ProtocolNum: &protocol, ProtocolName: enrich.ProtocolName(e.Protocol)}
	switch {
	case !e.Internal:
		c.DirectionID, c.Direction = 1, "Inbound"
	case e.TargetInterface != "":
		c.DirectionID, c.Direction = 3, "Lateral"
		c.BoundaryID, c.Boundary = 4, "Same VPC"
	case e.Target.IsPrivate():
		c.DirectionID, c.Direction = 3, "Lateral"
	default:
		c.DirectionID, c.Direction = 0, "Unknown"
	}
	return c
}

func (f *Finding) ocsfSpike() ([]ocsfEvidence, []ocsfObservable) {
	e := f.Spike
	data := &ocsfSpike{
		WindowStart: rfc3339(e.WindowStart), WindowS: e.WindowSeconds,
		LateRecords: f.LateRecords,
		Measures:    []ocsfMeasure{}, TopSources: []ocsfTopSource{}, TopPorts: []ocsfTopPort{},
		Lines: orEmpty(f.Lines),
	}
	for i := range e.Measures {
		data.Measures = append(data.Measures, e.Measures[i].ocsf())
	}
	for _, s := range e.TopSources {
		data.TopSources = append(data.TopSources, s.ocsf())
	}
	for _, p := range e.TopPorts {
		data.TopPorts = append(data.TopPorts, ocsfTopPort{p.Port, enrich.ProtocolName(p.Protocol), p.Records, p.Error})
	}
	dst := &ocsfEndpoint{IP: address(e.TargetAddr), InterfaceUID: e.Interface, InstanceUID: e.Instance, VPCUID: known(f.Scope)}
	inbound := &ocsfConnection{DirectionID: 1, Direction: "Inbound"}
	return []ocsfEvidence{{nil, dst, inbound, data}},
		[]ocsfObservable{{"resources[0].name", observableResource, "Resource UID", e.Interface}}
}

func (m *MeasureEvidence) ocsf() ocsfMeasure {
	o := ocsfMeasure{
		Measure: m.Measure.String(), Observed: m.Observed, Expected: rounded(m.Expected, 1),
		P: significant(math.Max(math.Exp(m.LnP), leastP)), Alpha: significant(m.Alpha),
		Phi: rounded(m.Phi, 2), Baseline: string(m.Baseline),
	}
	if m.Drift {
		o.Usual, o.Score, o.Bound = rounded(m.Usual, 1), rounded(m.Score, 1), m.ScoreBound
	}
	if m.Measure == Bytes {
		o.Unit = "KiB"
	}
	if ratio, ok := m.Ratio(); ok {
		ratio = rounded(ratio, 1)
		o.Ratio = &ratio
	}
	return o
}

// address leaves out what is none: the schema promises one.
func address(s string) string {
	if _, err := netip.ParseAddr(s); err != nil {
		return ""
	}
	return s
}

// known leaves out the dash that stands for what no record told.
func known(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

func addrStrings(addrs []netip.Addr) []string {
	out := make([]string, 0, len(addrs))
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return out
}
