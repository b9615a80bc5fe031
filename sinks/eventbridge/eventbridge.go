// Package eventbridge puts findings on an Amazon EventBridge event bus.
package eventbridge

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/awssdk"
)

// Deps is what a Sink needs. A nil field stands for its default.
type Deps struct {
	Name   string           // default "eventbridge"
	Encode sinks.Encode     // one finding as JSON
	Now    func() time.Time // default time.Now: processed_time
}

// Sink puts events on one bus: ten in a request, of which the bus may take some
// and not others. A request holds one event of an incident at most, and an
// event is put when those before it of its incident are on the bus.
type Sink struct {
	bus    string
	deps   Deps
	client *eventbridge.Client
}

// What rules match.
const (
	source     = "flowwatch"
	detailType = "flowwatch finding"
)

// Limits of PutEvents. The bytes are those of all entries together.
const (
	maxEntries = 10
	maxBytes   = 256<<10 - 1
	timeBytes  = 14 // that an entry's Time counts for
)

// New returns a sink and calls nobody. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	deps.Name = cmp.Or(deps.Name, "eventbridge")
	if deps.Now == nil {
		deps.Now = time.Now
	}
	cfg.SetDefaults()
	environment, err := awssdk.Load(cfg.region(), cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("eventbridge: %w", err)
	}
	return &Sink{bus: cfg.Bus, deps: deps, client: eventbridge.NewFromConfig(environment)}, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Send implements sinks.Sink.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	d := delivery{findings: findings, behind: make(map[string]bool)}
	for next := 0; next < len(findings) && !d.down; {
		var request batch
		next = s.fill(&request, &d, next)
		s.put(ctx, &request, &d)
	}
	return d.result()
}

// fill adds to a request what fits of the findings from next on, and returns
// the first that does not.
func (s *Sink) fill(r *batch, d *delivery, next int) int {
	for ; next < len(d.findings); next++ {
		f := &d.findings[next]
		if d.behind[f.UID] {
			continue
		}
		if len(r.entries) == maxEntries || r.has(d, f.UID) {
			return next
		}
		detail, err := s.deps.Encode.Within(f, s.deps.Now(), maxBytes-timeBytes-len(source)-len(detailType))
		if err != nil {
			d.fail(next, err)
			continue
		}
		size := timeBytes + len(source) + len(detailType) + len(detail)
		if r.size+size > maxBytes {
			return next
		}
		r.size += size
		r.indexes = append(r.indexes, next)
		r.entries = append(r.entries, types.PutEventsRequestEntry{
			EventBusName: &s.bus, Source: aws.String(source), DetailType: aws.String(detailType),
			Detail: aws.String(string(detail)), Time: aws.Time(time.Unix(f.Time, 0)),
		})
	}
	return next
}

// put sends a request and takes note of which of its events arrived.
func (s *Sink) put(ctx context.Context, r *batch, d *delivery) {
	if len(r.entries) == 0 {
		return
	}
	out, err := s.client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: r.entries})
	if err == nil && len(out.Entries) != len(r.entries) {
		err = fmt.Errorf("%d results for %d events", len(out.Entries), len(r.entries))
	}
	if err != nil {
		d.down = true
		d.err = fmt.Errorf("put events on %s: %w", s.bus, awssdk.Judge(err))
		return
	}
	for i, index := range r.indexes {
		code := aws.ToString(out.Entries[i].ErrorCode)
		if code == "" {
			d.arrived = append(d.arrived, index)
			continue
		}
		err := fmt.Errorf("put event on %s: %s: %s", s.bus, code, aws.ToString(out.Entries[i].ErrorMessage))
		if awssdk.IsRefusal(code) {
			err = sinks.Permanent(err)
		}
		d.fail(index, err)
	}
}

// batch is one request, with the indexes of its findings.
type batch struct {
	entries []types.PutEventsRequestEntry
	indexes []int
	size    int
}

// has reports whether an event of an incident is in the request.
func (r *batch) has(d *delivery, uid string) bool {
	for _, i := range r.indexes {
		if d.findings[i].UID == uid {
			return true
		}
	}
	return false
}

// delivery is what became of the findings of one Send.
type delivery struct {
	findings []detect.Finding
	arrived  []int
	behind   map[string]bool // uids of which an event has not arrived
	down     bool            // a whole request failed
	err      error           // that passes, when there is one, else Permanent
}

func (d *delivery) fail(index int, err error) {
	d.behind[d.findings[index].UID] = true
	if d.err == nil || sinks.IsPermanent(d.err) {
		d.err = err
	}
}

// result says what has not arrived. It is Permanent when nothing of that would
// arrive another time.
func (d *delivery) result() error {
	if d.err == nil {
		return nil
	}
	is := make(map[int]bool, len(d.arrived))
	for _, i := range d.arrived {
		is[i] = true
	}
	var left []int
	for i := range d.findings {
		if !is[i] {
			left = append(left, i)
		}
	}
	return sinks.Partial(d.err, left)
}
