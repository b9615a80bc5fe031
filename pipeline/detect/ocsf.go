package detect

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // what UUIDs of version 5 are made with, no protection
	"encoding/hex"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Product says who made a finding, in OCSF's metadata.product.
type Product struct {
	Version string // empty: the version that the binary was built as
}

// OCSF encodes the finding as an OCSF 1.8 Detection Finding (class 2004),
// without a newline at the end. processed is when a sink took it; everything
// else depends on the finding alone.
func (f *Finding) OCSF(processed time.Time) ([]byte, error) {
	return Product{}.AppendOCSF(nil, f, processed)
}

// AppendOCSF appends what OCSF returns, for this product.
func (p Product) AppendOCSF(dst []byte, f *Finding, processed time.Time) ([]byte, error) {
	if p.Version == "" {
		p.Version = builtAs()
	}
	b := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(f.ocsf(p, processed)); err != nil {
		return dst, fmt.Errorf("encode finding %s as OCSF: %w", f.UID, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

var builtAs = sync.OnceValue(func() string {
	built, ok := debug.ReadBuildInfo()
	if !ok || built.Main.Version == "" {
		return "(devel)"
	}
	return built.Main.Version
})

func (f *Finding) ocsf(p Product, processed time.Time) *ocsfFinding {
	activity := title(f.Activity.String())
	o := &ocsfFinding{
		CategoryUID: 2, CategoryName: "Findings",
		ClassUID: 2004, ClassName: "Detection Finding",
		ActivityID: int(f.Activity), ActivityName: activity,
		TypeUID: 200400 + int(f.Activity), TypeName: "Detection Finding: " + activity,
		Time: millis(f.Time), StartTime: millis(f.FirstSeen), EndTime: millis(f.LastSeen),
		Count:      f.Count,
		SeverityID: int(f.Severity), Severity: f.Severity.ocsfName(),
		ConfidenceID: f.Confidence.ocsfID(), Confidence: title(f.Confidence.String()),
		ConfidenceScore: f.ConfidenceScore,
		IsAlert:         f.Severity > Info,
		Message:         f.Message,
		Metadata:        f.ocsfMetadata(p, processed),
		Cloud: ocsfCloud{
			Provider: "AWS", Region: f.Region,
			Account: ocsfAccount{UID: f.Account, TypeID: 10, Type: "AWS Account"},
		},
		FindingInfo: f.ocsfInfo(),
		Resources:   f.ocsfResources(),
		Unmapped: ocsfUnmapped{
			DedupKey: f.DedupKey(), IncidentSeq: f.Seq,
			Queries: ocsfQueries(f.Queries), Trimmed: f.Trimmed,
		},
	}
	o.StatusID, o.Status = f.Activity.ocsfStatus()
	if f.CloseReason != "" {
		reason := string(f.CloseReason)
		o.Unmapped.CloseReason = &reason
	}
	switch {
	case f.Scan != nil:
		o.Evidences, o.Observables = f.ocsfScan()
	case f.Spike != nil:
		o.Evidences, o.Observables = f.ocsfSpike()
	case f.Counted != nil:
		o.Evidences, o.Observables = f.ocsfCount()
	}
	o.Enrichments = f.ocsfEnrichments()
	return o
}

func (f *Finding) ocsfMetadata(p Product, processed time.Time) ocsfMetadata {
	family, _, _ := strings.Cut(f.Rule, ".")
	return ocsfMetadata{
		Version: "1.8.0",
		UID:     uuid5(f.UID + "#" + strconv.Itoa(f.Seq)),
		Product: ocsfProduct{
			Name: "flowwatch", VendorName: "flowwatch", Version: p.Version,
			Feature: ocsfFeature{Name: family + "-detector", UID: family, Version: f.Version},
		},
		Profiles: []string{"cloud"},
		LogName:  "vpc-flow-logs", LogProvider: "AWS",
		OriginalTime:  rfc3339(f.Time),
		ProcessedTime: processed.UnixMilli(),
		TenantUID:     f.Account, CorrelationUID: f.DedupKey(),
	}
}

func (f *Finding) ocsfInfo() ocsfFindingInfo {
	o := ocsfFindingInfo{
		UID: f.UID, Title: f.Title, Desc: f.Desc,
		Analytic: ocsfAnalytic{
			TypeID: 3, Type: "Statistical",
			Name: f.Rule, UID: f.Rule, Version: f.Version,
			Algorithm: f.Analytic.Algorithm, Category: f.Analytic.Category,
		},
		Types:         orEmpty(f.Types),
		FirstSeenTime: millis(f.FirstSeen), LastSeenTime: millis(f.LastSeen),
		CreatedTime: millis(f.Created), ModifiedTime: millis(f.Time),
		DataSources:        []string{"VPC Flow Logs"},
		RelatedEventsCount: f.Records,
	}
	for _, a := range f.Attacks {
		o.Attacks = append(o.Attacks, ocsfAttack{
			Version:   "17.1",
			Tactic:    ocsfName{a.TacticUID, a.Tactic},
			Technique: ocsfName{a.TechniqueUID, a.Technique},
		})
	}
	return o
}

func (f *Finding) ocsfResources() []ocsfResource {
	var out []ocsfResource
	for _, r := range f.Resources {
		o := ocsfResource{
			UID: interfaceARN(f.Region, f.Account, r.Interface), Name: r.Interface,
			Type: "AWS::EC2::NetworkInterface", Region: f.Region,
			RoleID: int(r.Role), Role: "Target",
		}
		if r.Role == ActorRole {
			o.Role = "Actor"
		}
		out = append(out, o)
	}
	return out
}

// interfaceARN names an interface in all of AWS; without its region there is
// no such name, and the id must do.
func interfaceARN(region, account, id string) string {
	if region == "" || !strings.HasPrefix(id, "eni-") {
		return id
	}
	partition := "aws"
	switch {
	case strings.HasPrefix(region, "cn-"):
		partition = "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		partition = "aws-us-gov"
	}
	return "arn:" + partition + ":ec2:" + region + ":" + account + ":network-interface/" + id
}

func (a Activity) ocsfStatus() (int, string) {
	switch a {
	case Update:
		return 2, "In Progress"
	case Close:
		return 4, "Resolved"
	}
	return 1, "New"
}

func (s Severity) ocsfName() string {
	if s == Info {
		return "Informational"
	}
	return title(s.String())
}

func (c Confidence) ocsfID() int {
	if c > HighConfidence {
		return 99 // other
	}
	return int(c)
}

// uuid5 is the name-based UUID (RFC 9562, version 5) of a finding event.
func uuid5(name string) string {
	namespace := [16]byte{0x6f, 0x1d, 0x9b, 0x52, 0x0c, 0x4e, 0x4b, 0x0f, 0x8e, 0x57, 0x5a, 0x27, 0x91, 0xd3, 0x44, 0xaa}
	h := sha1.New() //nolint:gosec // see the import
	h.Write(namespace[:])
	h.Write([]byte(name))
	u := h.Sum(nil)[:16]
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	s := hex.EncodeToString(u)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

func millis(unix int64) int64 { return unix * 1000 }

func title(s string) string {
	if s == "" {
		return ""
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// orEmpty makes an absent list an empty one: JSON's [] instead of null.
func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
