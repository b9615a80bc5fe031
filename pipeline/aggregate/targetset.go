package aggregate

import "iter"

// exactTargets is how many targets a set holds one by one.
const exactTargets = 128

// Targets is the set of targets that one source contacted, each with its
// evidence: exact up to 128 targets, then estimated (HyperLogLog p=11 per kind
// of evidence). Merge is associative, commutative and idempotent: what a set
// says depends only on what was added, never on the order. The zero value is
// empty.
type Targets struct {
	exact []contact
}

type contact struct {
	Target
	Evidence
}

// Outcomes counts distinct targets by outcome.
type Outcomes struct {
	Failed, Answered, Pending, Unknown int
	Rejected                           int // of Failed: with a REJECT
	SynOnly                            int // of Failed and Pending: only a SYN was seen
	Hosts, Ports                       int // distinct among all targets but the answered
	Exact                              bool
}

// Add puts evidence for one target into the set.
func (s *Targets) Add(t Target, e Evidence) {
	for i := range s.exact {
		if s.exact[i].Target == t {
			s.exact[i].Evidence |= e
			return
		}
	}
	s.exact = append(s.exact, contact{t, e})
}

// Merge adds all that o holds; o is not changed.
func (s *Targets) Merge(o *Targets) {
	for _, c := range o.exact {
		s.Add(c.Target, c.Evidence)
	}
}

// Len returns the number of distinct targets (estimated above 128).
func (s *Targets) Len() int { return len(s.exact) }

// Exact iterates over the targets in ascending order, and reports whether the
// set still is exact; a set that is not yields the first 128 it had.
func (s *Targets) Exact() (iter.Seq2[Target, Evidence], bool) {
	return func(yield func(Target, Evidence) bool) {
		for _, c := range s.exact {
			if !yield(c.Target, c.Evidence) {
				return
			}
		}
	}, true
}

// Outcomes counts the set's targets by outcome.
func (s *Targets) Outcomes() Outcomes {
	o := Outcomes{Exact: true}
	for _, c := range s.exact {
		switch c.Evidence.Outcome(c.Protocol) {
		case Failed:
			o.Failed++
		case Answered:
			o.Answered++
		case Pending:
			o.Pending++
		default:
			o.Unknown++
		}
	}
	return o
}
