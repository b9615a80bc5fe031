package summary

import (
	"slices"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// Interval is the records that started in one stretch of time.
type Interval struct {
	Start    time.Time
	Records  [directions]int64 // of unknown direction, flowlog.Ingress and flowlog.Egress
	Bytes    int64             // of ingress, as are the two below
	Accepted int64
	Rejected int64
}

// Timeline is the records over time, in intervals of one length without gaps.
type Timeline struct {
	Step      time.Duration
	Intervals []Interval
}

const (
	timelineLeast = 60  // seconds: aggregation intervals are 60 s and more
	timelineMost  = 240 // intervals that are kept; twice as many before they are halved
)

// timeline counts records by the interval of their start. Intervals double in
// length when there are too many, on multiples of their length, so that what
// comes out depends on the records alone and not on their order.
type timeline struct {
	step   int64 // seconds; 0 while empty
	first  int64 // number of the first interval: its start / step
	counts []instant
}

// instant is what one interval counts.
type instant struct {
	records                   [directions]int64
	bytes, accepted, rejected int64
}

// add counts a record that has a start.
func (t *timeline) add(f *Flow) {
	i := t.at(f.Start)
	i.records[f.Direction] = add(i.records[f.Direction], 1)
	if f.Direction != flowlog.Ingress {
		return
	}
	if f.Bytes > 0 {
		i.bytes = add(i.bytes, f.Bytes)
	}
	switch f.Action {
	case flowlog.Accept:
		i.accepted = add(i.accepted, 1)
	case flowlog.Reject:
		i.rejected = add(i.rejected, 1)
	}
}

// at returns the interval of a time that is not negative, which is made when
// there is none.
func (t *timeline) at(unix int64) *instant {
	if t.step == 0 {
		t.step, t.first = timelineLeast, unix/timelineLeast
		t.counts = make([]instant, 1)
	}
	n := unix/t.step - t.first
	for n < 0 || n >= int64(len(t.counts)) {
		t.stretch(unix)
		n = unix/t.step - t.first
	}
	return &t.counts[n]
}

// stretch makes room for a time before or after the intervals there are.
func (t *timeline) stretch(unix int64) {
	last := t.first + int64(len(t.counts)) - 1
	n := unix / t.step
	if max(last, n)-min(t.first, n) >= 2*timelineMost {
		t.double()
		return
	}
	if n < t.first {
		more := int(t.first - n)
		t.counts = append(t.counts, make([]instant, more)...)
		copy(t.counts[more:], t.counts)
		clear(t.counts[:more])
		t.first = n
		return
	}
	t.counts = append(t.counts, make([]instant, n-last)...)
}

// double joins every two intervals.
func (t *timeline) double() {
	first := t.first / 2
	for i := range t.counts {
		c := t.counts[i]
		to := (t.first+int64(i))/2 - first
		if (t.first+int64(i))%2 == 0 || i == 0 {
			t.counts[to] = c
		} else {
			t.counts[to].merge(&c)
		}
	}
	last := t.first + int64(len(t.counts)) - 1
	t.counts = t.counts[:last/2-first+1]
	t.step, t.first = 2*t.step, first
}

func (i *instant) merge(o *instant) {
	for d := range i.records {
		i.records[d] = add(i.records[d], o.records[d])
	}
	i.bytes = add(i.bytes, o.bytes)
	i.accepted = add(i.accepted, o.accepted)
	i.rejected = add(i.rejected, o.rejected)
}

// merge adds what o counts.
func (t *timeline) merge(o *timeline) {
	if t.step == 0 {
		*t = timeline{o.step, o.first, slices.Clone(o.counts)}
		return
	}
	for t.step < o.step {
		t.double()
	}
	for i := range o.counts {
		t.at((o.first + int64(i)) * o.step).merge(&o.counts[i])
	}
}

// report writes the intervals from the first record to the last, joined until
// they are few enough.
func (t timeline) report() Timeline {
	t.counts = slices.Clone(t.counts)
	for len(t.counts) > timelineMost {
		t.double()
	}
	r := Timeline{Step: time.Duration(t.step) * time.Second}
	for i, c := range t.counts {
		r.Intervals = append(r.Intervals, Interval{
			Start: time.Unix((t.first+int64(i))*t.step, 0).UTC(), Records: c.records, Bytes: c.bytes,
			Accepted: c.accepted, Rejected: c.rejected,
		})
	}
	return r
}
