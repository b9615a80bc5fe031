package detect

// The objects of OCSF 1.8 that a finding needs, in the order in which they are
// written. See https://schema.ocsf.io/1.8.0/classes/detection_finding.

type ocsfFinding struct {
	CategoryUID     int              `json:"category_uid"`
	CategoryName    string           `json:"category_name"`
	ClassUID        int              `json:"class_uid"`
	ClassName       string           `json:"class_name"`
	ActivityID      int              `json:"activity_id"`
	ActivityName    string           `json:"activity_name"`
	TypeUID         int              `json:"type_uid"`
	TypeName        string           `json:"type_name"`
	Time            int64            `json:"time"` // this and all other times: milliseconds
	StartTime       int64            `json:"start_time"`
	EndTime         int64            `json:"end_time"`
	Count           int64            `json:"count"`
	SeverityID      int              `json:"severity_id"`
	Severity        string           `json:"severity"`
	ConfidenceID    int              `json:"confidence_id"`
	Confidence      string           `json:"confidence"`
	ConfidenceScore int              `json:"confidence_score"`
	StatusID        int              `json:"status_id"`
	Status          string           `json:"status"`
	IsAlert         bool             `json:"is_alert"`
	Message         string           `json:"message"`
	Metadata        ocsfMetadata     `json:"metadata"`
	Cloud           ocsfCloud        `json:"cloud"`
	FindingInfo     ocsfFindingInfo  `json:"finding_info"`
	Resources       []ocsfResource   `json:"resources,omitempty"`
	Evidences       []ocsfEvidence   `json:"evidences,omitempty"`
	Observables     []ocsfObservable `json:"observables,omitempty"`
	Enrichments     []ocsfEnrichment `json:"enrichments,omitempty"`
	Unmapped        ocsfUnmapped     `json:"unmapped"`
}

type ocsfMetadata struct {
	Version        string      `json:"version"`
	UID            string      `json:"uid"`
	Product        ocsfProduct `json:"product"`
	Profiles       []string    `json:"profiles"`
	LogName        string      `json:"log_name"`
	LogProvider    string      `json:"log_provider"`
	OriginalTime   string      `json:"original_time"`
	ProcessedTime  int64       `json:"processed_time"`
	TenantUID      string      `json:"tenant_uid"`
	CorrelationUID string      `json:"correlation_uid"`
}

type ocsfProduct struct {
	Name       string      `json:"name"`
	VendorName string      `json:"vendor_name"`
	Version    string      `json:"version"`
	Feature    ocsfFeature `json:"feature"`
}

type ocsfFeature struct {
	Name    string `json:"name"`
	UID     string `json:"uid"`
	Version string `json:"version"`
}

type ocsfCloud struct {
	Provider string      `json:"provider"`
	Region   string      `json:"region,omitempty"`
	Account  ocsfAccount `json:"account"`
}

type ocsfAccount struct {
	UID    string `json:"uid"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

type ocsfFindingInfo struct {
	UID                string       `json:"uid"`
	Title              string       `json:"title"`
	Desc               string       `json:"desc"`
	Analytic           ocsfAnalytic `json:"analytic"`
	Attacks            []ocsfAttack `json:"attacks,omitempty"`
	Types              []string     `json:"types"`
	FirstSeenTime      int64        `json:"first_seen_time"`
	LastSeenTime       int64        `json:"last_seen_time"`
	CreatedTime        int64        `json:"created_time"`
	ModifiedTime       int64        `json:"modified_time"`
	DataSources        []string     `json:"data_sources"`
	RelatedEventsCount int64        `json:"related_events_count"`
}

type ocsfAnalytic struct {
	TypeID    int    `json:"type_id"`
	Type      string `json:"type"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Version   string `json:"version"`
	Algorithm string `json:"algorithm"`
	Category  string `json:"category"`
}

type ocsfAttack struct {
	Version   string   `json:"version"`
	Tactic    ocsfName `json:"tactic"`
	Technique ocsfName `json:"technique"`
}

type ocsfName struct {
	UID  string `json:"uid"`
	Name string `json:"name"`
}

type ocsfResource struct {
	UID    string `json:"uid"`
	Name   string `json:"name"`
	Type   string `json:"type"`
	Region string `json:"region,omitempty"`
	RoleID int    `json:"role_id"`
	Role   string `json:"role"`
}

type ocsfEvidence struct {
	SrcEndpoint *ocsfEndpoint   `json:"src_endpoint,omitempty"`
	DstEndpoint *ocsfEndpoint   `json:"dst_endpoint,omitempty"`
	Connection  *ocsfConnection `json:"connection_info,omitempty"`
	Data        any             `json:"data"` // *ocsfScan, *ocsfSpike or *ocsfCount
}

type ocsfEndpoint struct {
	IP           string `json:"ip,omitempty"`
	Port         uint16 `json:"port,omitempty"`
	InterfaceUID string `json:"interface_uid,omitempty"`
	InstanceUID  string `json:"instance_uid,omitempty"`
	VPCUID       string `json:"vpc_uid,omitempty"`

	Location *ocsfLocation         `json:"location,omitempty"`
	System   *ocsfAutonomousSystem `json:"autonomous_system,omitempty"`
}

type ocsfLocation struct {
	Country   string   `json:"country,omitempty"` // ISO 3166-1 alpha-2
	City      string   `json:"city,omitempty"`
	Latitude  *float64 `json:"lat,omitempty"`
	Longitude *float64 `json:"long,omitempty"`
}

type ocsfAutonomousSystem struct {
	Number uint32 `json:"number"`
	Name   string `json:"name,omitempty"`
}

// ocsfEnrichment is what lists and databases say of a value in the finding that
// has no field of its own.
type ocsfEnrichment struct {
	Name     string    `json:"name"` // of the field
	Value    string    `json:"value"`
	Type     string    `json:"type"`
	Provider string    `json:"provider,omitempty"`
	Data     ocsfUsage `json:"data"`
}

type ocsfUsage struct {
	Kind    string `json:"kind,omitempty"` // private, bogon, scanner, tor, vpn, hosting
	Service string `json:"aws_service,omitempty"`
}

type ocsfConnection struct {
	DirectionID  int    `json:"direction_id"`
	Direction    string `json:"direction"`
	ProtocolNum  *int   `json:"protocol_num,omitempty"`
	ProtocolName string `json:"protocol_name,omitempty"`
	BoundaryID   int    `json:"boundary_id,omitempty"`
	Boundary     string `json:"boundary,omitempty"`
}

type ocsfScan struct {
	DistinctPorts int      `json:"distinct_ports"`
	DistinctHosts int      `json:"distinct_hosts"`
	Failed        int      `json:"failed"`
	Answered      int      `json:"answered"`
	Unanswered    int      `json:"unanswered"`
	Rejected      int      `json:"rejected"`
	SynOnly       int      `json:"syn_only"`
	Exact         bool     `json:"exact"`
	HostsSample   []string `json:"hosts_sample"`
	PortsSample   []uint16 `json:"ports_sample"`
	PortsAnswered []uint16 `json:"ports_answered"`
	WindowStart   string   `json:"window_start"`
	WindowS       int64    `json:"window_s"`
	Threshold     float64  `json:"threshold"`
	Score         float64  `json:"score"`
	LateRecords   int64    `json:"late_records"`
	Lines         []string `json:"flow_records_sample"`
	RuleWindowS   int64    `json:"rule_window_s"`
}

type ocsfSpike struct {
	WindowStart string          `json:"window_start"`
	WindowS     int64           `json:"window_s"`
	LateRecords int64           `json:"late_records"`
	Measures    []ocsfMeasure   `json:"measures"`
	TopSources  []ocsfTopSource `json:"top_sources"`
	TopPorts    []ocsfTopPort   `json:"top_ports"`
	Lines       []string        `json:"flow_records_sample"`
}

type ocsfMeasure struct {
	Measure  string   `json:"measure"`
	Unit     string   `json:"unit,omitempty"`
	Observed int64    `json:"observed"`
	Expected float64  `json:"expected"`
	Ratio    *float64 `json:"ratio"` // null: from nothing
	P        float64  `json:"p"`     // at least 1e-300
	Alpha    float64  `json:"alpha"`
	Phi      float64  `json:"phi"`
	Baseline string   `json:"baseline"`
	Usual    float64  `json:"usual_mean,omitempty"`  // that the drift test held it against, when that struck
	Score    float64  `json:"cusum,omitempty"`       // and its score
	Bound    float64  `json:"cusum_bound,omitempty"` // and what it had to reach
}

type ocsfTopSource struct {
	Addr    string `json:"addr"`
	Records int64  `json:"records"`
	Error   int64  `json:"error"`
	Country string `json:"country,omitempty"`
	ASN     uint32 `json:"asn,omitempty"`
	ASName  string `json:"as_name,omitempty"`
}

type ocsfTopPort struct {
	Port     uint16 `json:"port"`
	Protocol string `json:"protocol"`
	Records  int64  `json:"records"`
	Error    int64  `json:"error,omitempty"`
}

type ocsfObservable struct {
	Name   string `json:"name"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

type ocsfUnmapped struct {
	DedupKey    string      `json:"dedup_key"`
	IncidentSeq int         `json:"incident_seq"`
	CloseReason *string     `json:"close_reason"`
	Trimmed     []string    `json:"trimmed,omitempty"`
	Queries     ocsfQueries `json:"queries"`
}

type ocsfQueries struct {
	LogsInsights string `json:"logs_insights"`
	Athena       string `json:"athena"`
}
