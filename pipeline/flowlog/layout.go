package flowlog

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Formats that AWS writes without being told an order.
const (
	// V2 is the default format of VPC Flow Logs.
	V2 = "version account-id interface-id srcaddr dstaddr srcport dstport protocol " +
		"packets bytes start end action log-status"

	// ConsoleV5 is what the console makes of "select all" up to version 5: 29
	// fields in alphabetical order.
	ConsoleV5 = "account-id action az-id bytes dstaddr dstport end flow-direction instance-id " +
		"interface-id log-status packets pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service " +
		"pkt-srcaddr protocol region srcaddr srcport start sublocation-id sublocation-type " +
		"subnet-id tcp-flags traffic-path type version vpc-id"

	// TransitGatewayDefault is the default format of Transit Gateway Flow Logs.
	TransitGatewayDefault = "version resource-type account-id tgw-id tgw-attachment-id " +
		"tgw-src-vpc-account-id tgw-dst-vpc-account-id tgw-src-vpc-id tgw-dst-vpc-id " +
		"tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni tgw-src-az-id tgw-dst-az-id " +
		"tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes start end " +
		"log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded " +
		"packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service " +
		"pkt-dst-aws-service"
)

// Layout is the order of the fields in a line, compiled for Parse. It never
// changes and is safe for concurrent use.
type Layout struct {
	columns []step
	names   []string  // canonical, one a column
	fields  [2]uint64 // bit f: field f has a column
	unknown []string

	timed          bool // has start and end
	transitGateway bool // has a column that only a transit gateway's records have
}

// step is what Parse does with one column.
type step struct {
	field Field // NumFields for a column that is skipped
	kind  Kind
	twin  Field  // of an address: where the same may stand, earlier in the line; else NumFields
	most  uint64 // of a number: the greatest that there can be; of a time, in seconds
}

// most is the greatest number of a kind.
func most(k Kind) uint64 {
	switch k {
	case Port:
		return math.MaxUint16
	case Octet:
		return math.MaxUint8
	case Time:
		return maxSeconds
	}
	return math.MaxInt64
}

// skipped is the kind of a column whose name is unknown.
const skipped Kind = 0xff

// ParseLayout compiles a format: field names separated by blanks or commas,
// each in AWS's spelling (flow-direction), with underscores, or as
// ${flow-direction}. A name that is not known makes a column that is skipped;
// Unknown lists those. It is an error when a name stands twice, and when no
// name is known: the empty format among them.
func ParseLayout(format string) (*Layout, error) {
	names := strings.FieldsFunc(format, func(r rune) bool { return r == ',' || r < 0x80 && isBlank(byte(r)) })
	if len(names) == 0 {
		return nil, errors.New("flow-log format is empty: give field names separated by blanks, such as \"version account-id interface-id ...\"")
	}
	l := &Layout{}
	for column, name := range names {
		name = canonical(name)
		if name == "" {
			return nil, fmt.Errorf("flow-log format has no name in column %d", column+1)
		}
		if slices.Contains(l.names, name) {
			return nil, fmt.Errorf("flow-log format names %s twice (column %d and %d)", name, slices.Index(l.names, name)+1, column+1)
		}
		l.names = append(l.names, name)
		f, known := byName[name]
		if !known {
			l.unknown = append(l.unknown, name)
			l.columns = append(l.columns, step{field: NumFields, kind: skipped, twin: NumFields})
			continue
		}
		l.columns = append(l.columns, step{f, f.Kind(), l.twin(f), most(f.Kind())})
		l.fields[f>>6] |= 1 << (f & 63)
	}
	if len(l.unknown) == len(l.names) {
		return nil, fmt.Errorf("flow-log format names no known field (%s): names are AWS's, such as srcaddr or flow-direction", strings.Join(l.unknown, " "))
	}
	l.timed = l.Has(Start) && l.Has(End)
	l.transitGateway = l.Has(TGWID) || l.Has(TGWAttachmentID)
	return l, nil
}

// twins are the ends of a packet and those of its last hop: mostly the same.
var twins = map[Field]Field{SrcAddr: PktSrcAddr, PktSrcAddr: SrcAddr, DstAddr: PktDstAddr, PktDstAddr: DstAddr}

// twin returns the twin of a field when it has a column already.
func (l *Layout) twin(f Field) Field {
	if twin, ok := twins[f]; ok && l.Has(twin) {
		return twin
	}
	return NumFields
}

func mustLayout(format string) *Layout {
	l, err := ParseLayout(format)
	if err != nil {
		panic(err)
	}
	return l
}

var (
	defaultV2      = mustLayout(V2)
	defaultGateway = mustLayout(TransitGatewayDefault)
)

// DefaultV2 is the layout of VPC Flow Logs' default format, V2.
func DefaultV2() *Layout { return defaultV2 }

// String returns the format with AWS's hyphens, unknown names included:
// ParseLayout makes an equal layout of it.
func (l *Layout) String() string { return strings.Join(l.names, " ") }

// Len is the number of columns, skipped ones included.
func (l *Layout) Len() int { return len(l.columns) }

// Has reports whether the layout has a column for the field.
func (l *Layout) Has(f Field) bool { return l.fields[f>>6]&(1<<(f&63)) != 0 }

// Unknown returns the names that are not known, in column order.
func (l *Layout) Unknown() []string { return slices.Clone(l.unknown) }
