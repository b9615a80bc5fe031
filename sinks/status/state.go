package status

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// State is what /status.json says, a contract for scripts and for
// `flowwatch status`. Times are RFC 3339 in UTC.
type State struct {
	Version string `json:"version"`
	// Now is the clock of event time, which only `demo` runs faster.
	Now time.Time `json:"now"`
	// Problems say what is wrong: nothing is read, or commits fail. Empty when
	// all is well.
	Problems []string `json:"problems"`
	// Watermark is the event time up to which all windows are closed; null
	// before it is known and when all input has ended.
	Watermark *time.Time `json:"watermark"`
	// LastCommit is by the real clock; null before the first of the process.
	LastCommit *time.Time `json:"last_commit"`
	// LagSeconds is the greatest of the partitions, null when none is read.
	LagSeconds *float64    `json:"lag_seconds"`
	Throughput Throughput  `json:"throughput"`
	Records    Records     `json:"records"`
	Incidents  Incidents   `json:"incidents_open"`
	Partitions []Partition `json:"partitions"`
	// PartitionsLeftOut counts those beyond the first thousand.
	PartitionsLeftOut int `json:"partitions_left_out"`
}

// Throughput is the rates of the last minute.
type Throughput struct {
	RecordsPerSecond float64 `json:"records_per_second"` // flow records
	BytesPerSecond   float64 `json:"bytes_per_second"`   // of payloads
}

// Records counts flow records since the state began.
type Records struct {
	OK        int64 `json:"ok"`
	NoData    int64 `json:"nodata"`
	SkipData  int64 `json:"skipdata"`
	Malformed int64 `json:"malformed"`
	Late      int64 `json:"late"`
}

// Incidents counts open incidents by severity.
type Incidents struct {
	Critical int `json:"critical"`
	High     int `json:"high"`
	Medium   int `json:"medium"`
	Low      int `json:"low"`
	Info     int `json:"info"`
}

// All is how many are open.
func (i Incidents) All() int { return i.Critical + i.High + i.Medium + i.Low + i.Info }

// Partition is one partition that is not read to its end.
type Partition struct {
	ID         string     `json:"id"`
	Source     string     `json:"source"`
	Reading    bool       `json:"reading"`
	Watermark  *time.Time `json:"watermark"`
	LagSeconds *float64   `json:"lag_seconds"` // null while it is not read
}

// mostPartitions is how many partitions a state lists, those with the greatest
// lag first.
const mostPartitions = 1000

func (p *Page) stateOf(published *pipeline.Published, now time.Time) *State {
	s := &State{
		Version: p.d.Version, Now: p.d.Clock().UTC().Truncate(time.Second), Problems: []string{},
		Watermark: eventTime(published.Watermark), Throughput: p.history.throughput(now),
		Records: recordsOf(published), Incidents: incidentsOf(published.Open), Partitions: partitionsOf(published.Partitions),
	}
	for _, problem := range []error{p.d.CommitError(), p.d.Health()} {
		if problem != nil {
			s.Problems = append(s.Problems, problem.Error())
		}
	}
	if !published.Committed.IsZero() {
		at := published.Committed.UTC().Truncate(time.Millisecond)
		s.LastCommit = &at
	}
	if len(s.Partitions) > 0 {
		s.LagSeconds = s.Partitions[0].LagSeconds
	}
	if more := len(s.Partitions) - mostPartitions; more > 0 {
		s.Partitions, s.PartitionsLeftOut = s.Partitions[:mostPartitions], more
	}
	return s
}

// eventTime returns a watermark as a time, nil when it is none.
func eventTime(unix int64) *time.Time {
	if unix == aggregate.Never || unix == aggregate.Forever {
		return nil
	}
	at := time.Unix(unix, 0).UTC()
	return &at
}

func recordsOf(p *pipeline.Published) Records {
	r := Records{OK: p.OK, NoData: p.NoData, SkipData: p.SkipData, Late: p.Late}
	for _, n := range p.Malformed {
		r.Malformed = aggregate.Add(r.Malformed, n)
	}
	return r
}

func incidentsOf(open []*detect.Finding) (i Incidents) {
	for _, f := range open {
		switch f.Severity {
		case detect.Critical:
			i.Critical++
		case detect.High:
			i.High++
		case detect.Medium:
			i.Medium++
		case detect.Low:
			i.Low++
		default:
			i.Info++
		}
	}
	return i
}

// partitionsOf lists partitions, the greatest lag first, then by ID.
func partitionsOf(published []pipeline.PublishedPartition) []Partition {
	all := make([]Partition, 0, len(published))
	for _, p := range published {
		shown := Partition{ID: p.ID, Source: p.Source, Reading: p.Reading, Watermark: eventTime(p.Watermark)}
		if p.Reading {
			lag := math.Round(p.Lag.Seconds()*10) / 10
			shown.LagSeconds = &lag
		}
		all = append(all, shown)
	}
	lag := func(p *Partition) float64 {
		if p.LagSeconds == nil {
			return -1
		}
		return *p.LagSeconds
	}
	slices.SortFunc(all, func(a, b Partition) int { return cmp.Or(cmp.Compare(lag(&b), lag(&a)), cmp.Compare(a.ID, b.ID)) })
	return all
}
