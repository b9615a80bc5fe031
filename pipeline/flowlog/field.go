package flowlog

import "strings"

// Field names one flow-log field: a column of a record, by AWS's own name.
// The numeric values are an index into a Record and are not stored anywhere.
type Field uint8

// The fields of VPC Flow Logs version 2 to 11, in the order of the AWS
// documentation, then those that only Transit Gateway Flow Logs have.
const (
	Version Field = iota
	AccountID
	InterfaceID
	SrcAddr
	DstAddr
	SrcPort
	DstPort
	Protocol
	Packets
	Bytes
	Start
	End
	Action
	LogStatus
	VPCID
	SubnetID
	InstanceID
	TCPFlags
	Type
	PktSrcAddr
	PktDstAddr
	Region
	AZID
	SublocationType
	SublocationID
	PktSrcAWSService
	PktDstAWSService
	FlowDirection
	TrafficPath
	ECSClusterARN
	ECSClusterName
	ECSContainerInstanceARN
	ECSContainerInstanceID
	ECSContainerID
	ECSSecondContainerID
	ECSServiceName
	ECSTaskDefinitionARN
	ECSTaskARN
	ECSTaskID
	RejectReason
	ResourceID
	EncryptionStatus
	InstanceTag
	InstanceTag2
	InterfaceTag
	InterfaceTag2
	ASGTag
	ASGTag2
	InterfaceType
	NextHopInterfaceID
	NextHopSubnetID
	NextHopAZID
	NextHopVPCID
	NextHopInterfaceType
	ResourceType
	TGWID
	TGWAttachmentID
	TGWSrcVPCAccountID
	TGWDstVPCAccountID
	TGWSrcVPCID
	TGWDstVPCID
	TGWSrcSubnetID
	TGWDstSubnetID
	TGWSrcENI
	TGWDstENI
	TGWSrcAZID
	TGWDstAZID
	TGWPairAttachmentID
	PacketsLostNoRoute
	PacketsLostBlackhole
	PacketsLostMTUExceeded
	PacketsLostTTLExpired

	// NumFields is how many fields are known; it is not a field.
	NumFields
)

// Kind is the type of a field's value.
type Kind uint8

// The kinds of value. Every kind may also be null ("-").
const (
	Text      Kind = iota // any token without a space
	Int                   // a decimal number from 0 to 2^63-1
	Port                  // 0 to 65535
	Octet                 // 0 to 255
	Addr                  // an IPv4 or IPv6 address, without a zone
	Time                  // Unix seconds; milliseconds are recognised and divided
	Verdict               // ACCEPT or REJECT
	Status                // OK, NODATA or SKIPDATA
	Direction             // ingress or egress
)

type column struct {
	name    string
	kind    Kind
	version uint8 // of the flow-log format that introduced it; 6 for Transit Gateway
}

var catalogue = [NumFields]column{
	Version:                 {"version", Int, 2},
	AccountID:               {"account-id", Text, 2},
	InterfaceID:             {"interface-id", Text, 2},
	SrcAddr:                 {"srcaddr", Addr, 2},
	DstAddr:                 {"dstaddr", Addr, 2},
	SrcPort:                 {"srcport", Port, 2},
	DstPort:                 {"dstport", Port, 2},
	Protocol:                {"protocol", Octet, 2},
	Packets:                 {"packets", Int, 2},
	Bytes:                   {"bytes", Int, 2},
	Start:                   {"start", Time, 2},
	End:                     {"end", Time, 2},
	Action:                  {"action", Verdict, 2},
	LogStatus:               {"log-status", Status, 2},
	VPCID:                   {"vpc-id", Text, 3},
	SubnetID:                {"subnet-id", Text, 3},
	InstanceID:              {"instance-id", Text, 3},
	TCPFlags:                {"tcp-flags", Octet, 3},
	Type:                    {"type", Text, 3},
	PktSrcAddr:              {"pkt-srcaddr", Addr, 3},
	PktDstAddr:              {"pkt-dstaddr", Addr, 3},
	Region:                  {"region", Text, 4},
	AZID:                    {"az-id", Text, 4},
	SublocationType:         {"sublocation-type", Text, 4},
	SublocationID:           {"sublocation-id", Text, 4},
	PktSrcAWSService:        {"pkt-src-aws-service", Text, 5},
	PktDstAWSService:        {"pkt-dst-aws-service", Text, 5},
	FlowDirection:           {"flow-direction", Direction, 5},
	TrafficPath:             {"traffic-path", Int, 5},
	ECSClusterARN:           {"ecs-cluster-arn", Text, 7},
	ECSClusterName:          {"ecs-cluster-name", Text, 7},
	ECSContainerInstanceARN: {"ecs-container-instance-arn", Text, 7},
	ECSContainerInstanceID:  {"ecs-container-instance-id", Text, 7},
	ECSContainerID:          {"ecs-container-id", Text, 7},
	ECSSecondContainerID:    {"ecs-second-container-id", Text, 7},
	ECSServiceName:          {"ecs-service-name", Text, 7},
	ECSTaskDefinitionARN:    {"ecs-task-definition-arn", Text, 7},
	ECSTaskARN:              {"ecs-task-arn", Text, 7},
	ECSTaskID:               {"ecs-task-id", Text, 7},
	RejectReason:            {"reject-reason", Text, 8},
	ResourceID:              {"resource-id", Text, 9},
	EncryptionStatus:        {"encryption-status", Int, 10},
	InstanceTag:             {"instance-tag", Text, 11},
	InstanceTag2:            {"instance-tag-2", Text, 11},
	InterfaceTag:            {"interface-tag", Text, 11},
	InterfaceTag2:           {"interface-tag-2", Text, 11},
	ASGTag:                  {"asg-tag", Text, 11},
	ASGTag2:                 {"asg-tag-2", Text, 11},
	InterfaceType:           {"interface-type", Text, 11},
	NextHopInterfaceID:      {"next-hop-interface-id", Text, 11},
	NextHopSubnetID:         {"next-hop-subnet-id", Text, 11},
	NextHopAZID:             {"next-hop-az-id", Text, 11},
	NextHopVPCID:            {"next-hop-vpc-id", Text, 11},
	NextHopInterfaceType:    {"next-hop-interface-type", Text, 11},
	ResourceType:            {"resource-type", Text, 6},
	TGWID:                   {"tgw-id", Text, 6},
	TGWAttachmentID:         {"tgw-attachment-id", Text, 6},
	TGWSrcVPCAccountID:      {"tgw-src-vpc-account-id", Text, 6},
	TGWDstVPCAccountID:      {"tgw-dst-vpc-account-id", Text, 6},
	TGWSrcVPCID:             {"tgw-src-vpc-id", Text, 6},
	TGWDstVPCID:             {"tgw-dst-vpc-id", Text, 6},
	TGWSrcSubnetID:          {"tgw-src-subnet-id", Text, 6},
	TGWDstSubnetID:          {"tgw-dst-subnet-id", Text, 6},
	TGWSrcENI:               {"tgw-src-eni", Text, 6},
	TGWDstENI:               {"tgw-dst-eni", Text, 6},
	TGWSrcAZID:              {"tgw-src-az-id", Text, 6},
	TGWDstAZID:              {"tgw-dst-az-id", Text, 6},
	TGWPairAttachmentID:     {"tgw-pair-attachment-id", Text, 6},
	PacketsLostNoRoute:      {"packets-lost-no-route", Int, 6},
	PacketsLostBlackhole:    {"packets-lost-blackhole", Int, 6},
	PacketsLostMTUExceeded:  {"packets-lost-mtu-exceeded", Int, 6},
	PacketsLostTTLExpired:   {"packets-lost-ttl-expired", Int, 6},
}

var byName = func() map[string]Field {
	m := make(map[string]Field, NumFields)
	for f := Field(0); f < NumFields; f++ {
		m[catalogue[f].name] = f
	}
	return m
}()

// Lookup finds a field by name. It accepts AWS's hyphens, the underscores of
// Parquet columns, and the ${name} of a flow log's LogFormat.
func Lookup(name string) (Field, bool) {
	f, ok := byName[canonical(name)]
	return f, ok
}

// canonical is AWS's spelling of a name as Lookup accepts it.
func canonical(name string) string {
	for strings.HasPrefix(name, "${") && strings.HasSuffix(name, "}") {
		name = name[2 : len(name)-1]
	}
	return strings.ReplaceAll(name, "_", "-")
}

// String returns AWS's name, with hyphens.
func (f Field) String() string { return catalogue[f].name }

// Kind returns the type of the field's value.
func (f Field) Kind() Kind { return catalogue[f].kind }

// IntroducedIn returns the flow-log version that introduced the field; the
// fields that only Transit Gateway Flow Logs have are 6.
func (f Field) IntroducedIn() int { return int(catalogue[f].version) }

// Numeric reports whether the field holds a count that sums make sense of or
// an ordinal: whatever Record.Int can return.
func (f Field) Numeric() bool {
	switch f.Kind() {
	case Int, Port, Octet, Time:
		return true
	}
	return false
}
