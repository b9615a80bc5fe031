package detect

import (
	"cmp"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// source is one initiator with what it did in the panes of the window.
type source struct {
	key      sourceKey
	visits   []*visit // by ascending start; no more panes than the window's and one
	incident *incident

	incidentChanged, incidentStored bool
	counted                         int64 // start of the pane whose records the incident has
}

// visit is what one source did in one pane.
type visit struct {
	source  *source
	start   int64 // of the pane
	targets aggregate.Targets
	// Of targets, on their own.
	failed, pending, answered, unknown int

	first, last, records    int64
	region, iface, instance string
	samples                 *Samples // best effort: not persisted
	size                    int
	waiting                 bool // for answers, before its pending targets are counted
	gone, stored            bool
}

// bucket holds the visits of one pane by ascending key.
type bucket struct {
	start  int64
	visits []*visit
}

// The sizes that bound memory are counted in targets. A set that is no longer
// exact holds counters beside its sample.
const (
	targetsPerSource = 32
	largeSet         = 288
)

// take keeps a contact. One in which nothing failed, waits or was answered can
// neither raise nor lower the walk, and of external sources, most of which do
// no more than send a packet, it is not kept.
func (s *Scan) take(c *Contact, start int64) {
	o := c.Targets.Outcomes()
	s.outcomes.Failed += int64(o.Failed)
	s.outcomes.Answered += int64(o.Answered)
	s.outcomes.Unknown += int64(o.Unknown)
	if o.Failed+o.Pending+o.Answered == 0 && (s.rule.sweep == 0 || o.Unknown == 0) {
		return
	}
	v := &visit{
		start: start,
		first: c.First, last: c.Last, records: c.Records,
		region: c.Region, iface: c.Interface, instance: c.Instance,
		samples: c.Samples.clone(), waiting: true,
	}
	v.targets.Merge(c.Targets)
	v.weigh(&o)
	s.add(sourceKey{orDash(c.Account), orDash(c.VPC), c.Source}, v)
	s.unsaved = append(s.unsaved, v)
}

// weigh takes what a visit's targets come to on their own.
func (v *visit) weigh(o *aggregate.Outcomes) {
	v.failed, v.pending, v.answered, v.unknown = o.Failed, o.Pending, o.Answered, o.Unknown
	v.size = largeSet
	if o.Exact {
		v.size = v.targets.Len()
	}
}

// add puts a visit into its source and its bucket, which is the last one.
func (s *Scan) add(key sourceKey, v *visit) {
	src := s.sources[key]
	if src == nil {
		src = &source{key: key}
		s.sources[key] = src
	}
	if len(src.visits) == 0 {
		s.held++
	}
	v.source = src
	src.visits = append(src.visits, v)
	s.size += v.size
	b := &s.buckets[len(s.buckets)-1]
	b.visits = append(b.visits, v)
}

func (s *Scan) visitsAt(start int64) []*visit {
	for i := len(s.buckets) - 1; i >= 0; i-- {
		if s.buckets[i].start == start {
			return slices.DeleteFunc(slices.Clone(s.buckets[i].visits), func(v *visit) bool { return v.gone })
		}
	}
	return nil
}

func (src *source) newest() *visit { return src.visits[len(src.visits)-1] }

// at returns the source's visit in the pane that starts at start, or nil.
func (src *source) at(start int64) *visit {
	if n := len(src.visits); n > 0 && src.visits[n-1].start == start {
		return src.visits[n-1]
	}
	return nil
}

// between returns the visits of the panes that start in (after, to].
func (src *source) between(after, to int64) []*visit {
	from := 0
	for from < len(src.visits) && src.visits[from].start <= after {
		from++
	}
	end := len(src.visits)
	for end > from && src.visits[end-1].start > to {
		end--
	}
	return src.visits[from:end]
}

// expire drops the visits that no window reaches any more: the next to be
// judged are the last pane's.
func (s *Scan) expire() {
	n := 0
	for n < len(s.buckets) && s.buckets[n].start <= s.last-s.window {
		for _, v := range s.buckets[n].visits {
			if !v.gone {
				s.drop(v)
			}
		}
		n++
	}
	s.buckets = slices.Delete(s.buckets, 0, n)
}

// drop takes a visit, which is its source's oldest, out of the state.
func (s *Scan) drop(v *visit) {
	src := v.source
	src.visits = src.visits[1:]
	s.size -= v.size
	v.gone = true
	s.unsave(v)
	if len(src.visits) == 0 {
		s.held--
		if src.incident == nil {
			delete(s.sources, src.key)
		}
	}
}

// evict drops the least suspicious sources until the table is within its
// limits: those with the fewest failures, then by key. A source with an open
// incident stays.
func (s *Scan) evict() {
	if !s.over(1) {
		return
	}
	for _, src := range s.leastSuspicious() {
		if !s.over(1) {
			break
		}
		s.evicted++
		for len(src.visits) > 0 {
			v := src.visits[0]
			s.countWaiting(v, nil)
			s.drop(v)
		}
	}
	s.ceiling = max(2, 2*s.held/s.rule.sources, 2*s.size/(s.rule.sources*targetsPerSource))
}

// over reports whether the table is above so many times its limits.
func (s *Scan) over(times int) bool {
	sources := times * s.rule.sources
	return s.held > sources || s.size > sources*targetsPerSource
}

func (s *Scan) leastSuspicious() []*source {
	type candidate struct {
		weight int
		*source
	}
	var candidates []candidate
	for _, src := range s.sources {
		if len(src.visits) == 0 || src.incident != nil && src.incident.Closed == 0 {
			continue
		}
		weight := 0
		for _, v := range src.visits {
			weight += v.failed + v.pending
		}
		candidates = append(candidates, candidate{weight, src})
	}
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), compareSources(&a.key, &b.key))
	})
	out := make([]*source, len(candidates))
	for i, c := range candidates {
		out[i] = c.source
	}
	return out
}

func compareSources(a, b *sourceKey) int {
	return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.vpc, b.vpc), a.addr.Compare(b.addr))
}

func (s *Samples) clone() *Samples {
	if s == nil {
		return nil
	}
	return &Samples{
		Lines:      slices.Clone(s.Lines),
		Sources:    slices.Clone(s.Sources),
		Ports:      slices.Clone(s.Ports),
		Interfaces: slices.Clone(s.Interfaces),
	}
}
