package detect

import (
	"math"
	"net/netip"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

const tcp = 6

// settled is one target of a window with what came of it.
type settled struct {
	aggregate.Target
	outcome  aggregate.Outcome
	rejected bool // with a REJECT
	waited   bool // nothing but a SYN was seen in its panes
	synOnly  bool // failed because there was no answer to it
}

// judgement is what a window of a source's targets amounts to.
type judgement struct {
	test    scanTest
	visits  []*visit
	crossed int64 // start of the window's last pane
	// targets are all of the window's, or a sample: then scale is how many
	// each stands for, and hosts and ports are estimates over all of them.
	// They are valid until the next judgement.
	targets      []settled
	exact        bool
	scale        float64
	hosts, ports int

	failed, answered, unanswered, rejected, synOnly int
	fresh                                           int // unanswered, but may be answered yet

	score float64 // log-likelihood ratio
	sweep int     // unanswered hosts, when that is what fired
	// replied counts the answered targets of UDP, ICMP and the like, on both
	// sides of the own networks' border: silence is judged on both as well.
	replied int
}

// judge tests the windows that end with a visit's pane. final says that the
// pane after it has closed too, and answers is the source's visit in that one,
// or nil.
func (s *Scan) judge(v *visit, answers *visit, final bool) (*judgement, bool) {
	src := v.source
	for i, test := range s.rule.tests {
		after := v.start - s.panes(test.seconds)*s.pane
		if src.incident != nil {
			after = max(after, src.incident.reported()-1)
		}
		visits := src.between(after, v.start)
		sweeps := s.rule.sweep > 0 && i == len(s.rule.tests)-1
		if !possible(visits, test.failed, sweeps, s.rule.sweep) {
			continue
		}
		j := s.weigh(visits, answers, final)
		j.test, j.crossed = test, v.start
		if j.failed >= test.failed && j.score >= s.rule.bound() {
			return j, true
		}
		if sweeps {
			if j.sweep = j.sweptHosts(); j.sweep >= s.rule.sweep {
				return j, true
			}
		}
	}
	return nil, false
}

// possible is a cheap bound: merging panes makes no more targets fail, or go
// unanswered, than did in the panes on their own or still wait there.
func possible(visits []*visit, failed int, sweeps bool, hosts int) bool {
	fails, unanswered := 0, 0
	for _, v := range visits {
		fails += int(v.failed) + int(v.pending)
		unanswered += int(v.unknown)
	}
	return fails >= failed || sweeps && unanswered >= hosts
}

// weigh merges the visits and counts the outcomes.
func (s *Scan) weigh(visits []*visit, answers *visit, final bool) *judgement {
	var union aggregate.Targets
	for _, v := range visits {
		union.Merge(&v.targets)
	}
	j := &judgement{visits: visits, scale: 1}
	j.targets, j.exact = s.settle(&union, answers)
	o := union.Outcomes()
	j.hosts, j.ports = o.Hosts, o.Ports
	if n := len(j.targets); !j.exact && n > 0 {
		j.scale = float64(union.Len()) / float64(n)
	}
	j.replied = j.scaled(func(t *settled) bool { return t.outcome == aggregate.Answered && t.Protocol != tcp })
	s.side(j)
	j.count()
	if !final {
		// What waits since the last pane may still be answered; what waits
		// longer has failed. A target that is in both is left out for now.
		newest := visits[len(visits)-1]
		waiting := j.scaled(func(t *settled) bool { return t.synOnly && t.outcome == aggregate.Failed })
		fresh := min(waiting, int(newest.pending))
		j.failed -= fresh
		j.synOnly -= fresh
		j.fresh = min(j.unanswered, int(newest.unknown))
		j.unanswered -= j.fresh
		j.score = float64(j.failed-j.answered) * scanWeight
	}
	return j
}

// side keeps the targets on that side of the own networks' border where more
// failed than answered, by the greater margin. Who looks for open doors inside
// is not excused by the web pages that it fetches outside, nor the other way
// round.
func (s *Scan) side(j *judgement) {
	var margin [2]int
	at := func(t *settled) int {
		if s.own != nil && s.own(t.Addr) {
			return 1
		}
		return 0
	}
	for i := range j.targets {
		switch t := &j.targets[i]; t.outcome {
		case aggregate.Failed:
			margin[at(t)]++
		case aggregate.Answered:
			margin[at(t)]--
		}
	}
	keep := 0
	if margin[1] >= margin[0] {
		keep = 1
	}
	n := 0
	for i := range j.targets {
		// What did not decide anything belongs to both.
		if t := &j.targets[i]; t.outcome != aggregate.Failed && t.outcome != aggregate.Answered || at(t) == keep {
			j.targets[n] = *t
			n++
		}
	}
	if all := len(j.targets); !j.exact && all > 0 {
		j.hosts, j.ports = j.hosts*n/all, j.ports*n/all
	}
	j.targets = j.targets[:n]
}

// settle decides every target of the union. An answer in the pane after it
// counts for what waits, and for nothing else.
func (s *Scan) settle(union *aggregate.Targets, answers *visit) (targets []settled, exact bool) {
	clear(s.next)
	if answers != nil {
		all, _ := answers.targets.Exact()
		for t, e := range all {
			s.next[t] = e
		}
	}
	s.settled = s.settled[:0]
	all, exact := union.Exact()
	for t, e := range all {
		o := e.Outcome(t.Protocol)
		w := settled{Target: t, rejected: e&aggregate.Rejected != 0, waited: o == aggregate.Pending}
		if o == aggregate.Pending || o == aggregate.Unknown {
			if e|s.next[t] != e {
				o = waited(o, (e | s.next[t]).Outcome(t.Protocol))
			}
		}
		if o == aggregate.Pending {
			o, w.synOnly = aggregate.Failed, true
		}
		w.outcome = o
		s.settled = append(s.settled, w)
	}
	return s.settled, exact
}

// waited is the outcome of a target that waited, with the evidence of the next
// pane: a failure there belongs to that pane, not to this one.
func waited(before, with aggregate.Outcome) aggregate.Outcome {
	if with == aggregate.Failed {
		return before
	}
	return with
}

func (j *judgement) count() {
	is := func(o aggregate.Outcome) func(*settled) bool {
		return func(t *settled) bool { return t.outcome == o }
	}
	j.failed = j.scaled(is(aggregate.Failed))
	j.answered = j.scaled(is(aggregate.Answered))
	j.unanswered = j.scaled(is(aggregate.Unknown))
	j.rejected = j.scaled(func(t *settled) bool { return t.outcome == aggregate.Failed && t.rejected })
	j.synOnly = j.scaled(func(t *settled) bool { return t.outcome == aggregate.Failed && t.synOnly })
	j.score = float64(j.failed-j.answered) * scanWeight
}

// scaled counts targets, each for as many as it stands for.
func (j *judgement) scaled(is func(*settled) bool) int {
	n := 0
	for i := range j.targets {
		if is(&j.targets[i]) {
			n++
		}
	}
	return int(math.Round(float64(n) * j.scale))
}

// sweptHosts returns how many hosts gave no answer to UDP, ICMP and the like.
// When more such targets answered than not, it is a client of theirs.
func (j *judgement) sweptHosts() int {
	hosts := make(map[netip.Addr]struct{})
	for i := range j.targets {
		if t := &j.targets[i]; t.swept() {
			hosts[t.Addr] = struct{}{}
		}
	}
	silent := int(math.Round(float64(len(hosts)) * j.scale))
	if !j.exact {
		silent = min(silent, j.hosts)
	}
	if silent -= j.fresh; silent <= j.replied {
		return 0
	}
	return silent
}

func (t *settled) swept() bool { return t.outcome == aggregate.Unknown && t.Protocol != tcp }
