package detect

import (
	"math"
	"slices"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// source is one initiator with what it did in the panes of the window.
type source struct {
	key      addrKey
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
	failed, pending, answered, unknown int32

	first, last, records int64
	about                *about // nil when nothing is known
	size                 int32
	waiting              bool // for answers, before its pending targets are counted
	gone, stored         bool
}

// about is what records told of a source beside its contacts. Few sources have
// it: most come from outside and try next to nothing.
type about struct {
	region, iface, instance string
	samples                 *Samples // best effort: not persisted
}

func (v *visit) told() about {
	if v.about == nil {
		return about{}
	}
	return *v.about
}

func (v *visit) tell(a about) {
	if a != (about{}) {
		v.about = &a
	}
}

// about writes out what is known of a contact beside its targets.
func (c *Contact) about() about {
	told := about{region: c.Region, iface: c.Interface, instance: c.Instance}
	if c.Samples != nil {
		told.samples = c.Samples.Samples()
	}
	return told
}

// bucket holds the visits of one pane, by ascending key once all are there.
type bucket struct {
	start  int64
	visits []*visit
}

// wants counts a contact's outcomes, and reports whether they can matter.
func (s *Scan) wants(g *Glimpse) bool {
	if g.Internal != s.rule.internal || g.Allowed {
		return false
	}
	s.outcomes.Failed += int64(g.Failed)
	s.outcomes.Answered += int64(g.Answered)
	s.outcomes.Unknown += int64(g.Unknown)
	return !s.slight(g) || s.sieve.passes(g.Source) && s.sources[g.key()] != nil
}

// take keeps what a source did in a pane, unless there are too many.
func (s *Scan) take(c *Contact, start int64) {
	o := c.Targets.Tally()
	key := c.key()
	if s.refuses(&o) && s.sources[key] == nil {
		s.evicted++
		s.outcomes.Failed += int64(o.Pending) // as of those that are evicted while they wait
		return
	}
	v := &visit{
		start: start,
		first: c.First, last: c.Last, records: c.Records,
		waiting: true,
	}
	v.tell(c.about())
	v.targets.Merge(c.Targets)
	v.weigh(&o)
	s.add(key, v)
}

// slight reports whether a visit says next to nothing about a source of which
// nothing else is known. Targets that wait for an answer, or of which a sweep
// can be made, are never slight.
func (s *Scan) slight(g *Glimpse) bool {
	return int(g.Failed+g.Answered) < s.least && g.Pending == 0 && (s.rule.sweep == 0 || g.Unknown == 0)
}

// slightShare sets least, the number of outcomes below which a visit is slight:
// a third of what each pane of a window needs on average for the window to
// fire. For 300 in an hour that is 8 in five minutes. Of a source that is not
// held yet, panes below it are forgotten; that can hide at most a third of the
// failures that the rule asks for, and as many answers, when they come slower
// than any pane shows. A window of one pane is exact, as one that fires holds
// three times as many; one of two can lose what its first pane has below least.
// A rule with a low threshold, such as that for internal sources, is exact too:
// there least is 1 and only panes without outcome are slight.
//
// It matters because most external sources try one or two targets and are
// never seen again, in such numbers that keeping them is most of the work.
const slightShare = 3

func (s *Scan) leastOutcomes() int {
	least := math.MaxInt
	for _, t := range s.rule.tests {
		least = min(least, t.failed/int(s.panes(t.seconds)*slightShare))
	}
	return max(1, least)
}

// weigh takes what a visit's targets come to on their own.
func (v *visit) weigh(o *aggregate.Outcomes) {
	v.failed, v.pending = int32(o.Failed), int32(o.Pending)
	v.answered, v.unknown = int32(o.Answered), int32(o.Unknown)
	v.size = largeSet
	if o.Exact {
		v.size = int32(v.targets.Len())
	}
}

// add puts a visit into its source and its bucket, which is the last one.
func (s *Scan) add(key addrKey, v *visit) {
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
	s.size += int(v.size)
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
	s.size -= int(v.size)
	v.gone = true
	s.unsave(v)
	if len(src.visits) == 0 {
		s.held--
		if src.incident == nil {
			delete(s.sources, src.key)
		}
	}
}
