package aggregate

import (
	"net/netip"
)

// Target is what a source contacts: an address, a destination port and a
// protocol.
type Target struct {
	Addr     netip.Addr
	Port     uint16
	Protocol uint8
}

// Evidence is what records say of one contact between a source and a target:
// a set of predicates, each decided on one record alone, so that evidence
// merges by OR and neither order nor partition matters.
type Evidence uint16

// The predicates. "Forward" is from the initiator to the target.
const (
	Rejected    Evidence = 1 << iota // a forward record with action REJECT
	SynOnly                          // forward, tcp-flags 2, at most 3 packets, accepted
	Established                      // forward, tcp-flags present and more than a lone SYN said (or more than 3 packets)
	SynAck                           // reverse, tcp-flags with SYN and ACK, or of a connection under way
	Reset                            // reverse, tcp-flags with RST and no SYN-ACK, at most 3 packets
	Sent                             // forward, accepted, no tcp-flags known, or not TCP
	Sent3                            // the same with at least 3 packets
	Replied                          // reverse, accepted, no tcp-flags known, or not TCP
	Replied3                         // the same with at least 3 packets
	Data                             // forward, accepted, more packets than it takes to open and close a connection
)

// Outcome is what the evidence for one target amounts to.
type Outcome uint8

// The outcomes, as docs/detection.md tells them apart.
const (
	Unknown   Outcome = iota // weight 0: UDP, ICMP and others without a reply, or nothing telling
	Pending                  // only SYN seen so far: failed unless an answer comes within one more pane
	Failed                   // REJECT, or a closed port's RST
	Answered                 // sticky: never counted as scanned
	NoContact                // nothing came from the initiator: seen from the other side of an undecided record
)

// Outcome decides what the evidence amounts to, as docs/detection.md says.
func (e Evidence) Outcome(protocol uint8) Outcome {
	const tcp = 6
	switch {
	case protocol == tcp && e&SynAck != 0:
		return Answered
	case e&Sent3 != 0 && e&Replied3 != 0:
		return Answered
	case protocol != tcp && e&Sent != 0 && e&Replied != 0:
		return Answered
	case e&(Rejected|Reset) != 0:
		return Failed
	case e&SynOnly != 0 && e&Established == 0:
		return Pending
	case e&(SynOnly|Established|Sent) == 0:
		return NoContact
	}
	return Unknown
}
