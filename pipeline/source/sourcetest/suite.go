package sourcetest

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline"
)

// Harness makes inputs for one kind of source.
type Harness struct {
	// Open returns an empty input that no other test sees.
	Open func(t *testing.T) Input
}

// Input is what a source reads, as the suite fills it.
type Input struct {
	// Source returns a new source that reads the input from its beginning.
	Source func(t *testing.T) pipeline.Source
	// Lanes is how many ordered sequences Put can write side by side, at least 1.
	Lanes int
	// Put adds payloads to a lane and returns when they are in. With Live it
	// needs a running source and returns when they are committed; it repeats
	// what was not, as a producer does.
	Put  func(t *testing.T, lane int, payloads ...[]byte)
	Live bool
	// Split ends the partition that holds a lane; what is put later goes to
	// partitions that continue it. Nil where there is no such thing.
	Split func(t *testing.T, lane int)
	// Finish ends all partitions, so that Run returns by itself. Nil where a
	// source never ends.
	Finish func(t *testing.T)
	// Unwrap returns the payloads that a delivered one is made of. Nil: it is
	// the one that was put, byte for byte.
	Unwrap func(delivered []byte) [][]byte
}

// Run runs the contract of pipeline.Source.
func Run(t *testing.T, h Harness) {
	t.Run("everything once and in order", func(t *testing.T) { t.Parallel(); everything(t, h) })
	t.Run("any bytes pass", func(t *testing.T) { t.Parallel(); anyBytes(t, h) })
	t.Run("resume after every position", func(t *testing.T) { t.Parallel(); resumeAnywhere(t, h) })
	t.Run("interrupted while waiting", func(t *testing.T) { t.Parallel(); interrupted(t, h) })
	t.Run("partitions that continue", func(t *testing.T) { t.Parallel(); continued(t, h) })
	t.Run("a position of somebody else", func(t *testing.T) { t.Parallel(); foreignPosition(t, h) })
	t.Run("ends by itself", func(t *testing.T) { t.Parallel(); endsByItself(t, h) })
}

// mark is the n-th payload of a lane.
func mark(lane, n int) []byte { return fmt.Appendf(nil, "%d/%d", lane, n) }

func marks(lane, from, to int) [][]byte {
	var payloads [][]byte
	for n := from; n < to; n++ {
		payloads = append(payloads, mark(lane, n))
	}
	return payloads
}

// fill puts payloads from..to-1 on every lane. The returned function waits
// until they are in.
func fill(t *testing.T, in Input, from, to int) (done func()) {
	put := func() {
		for lane := range in.Lanes {
			in.Put(t, lane, marks(lane, from, to)...)
		}
	}
	if !in.Live {
		put()
		return func() {}
	}
	finished := make(chan struct{})
	go func() { defer close(finished); put() }()
	return func() { <-finished }
}

// unwrapped are the payloads that were put, in the order of delivery.
func (in Input) unwrapped(deliveries []Delivery) [][]byte {
	var payloads [][]byte
	for _, d := range deliveries {
		if in.Unwrap == nil {
			payloads = append(payloads, d.Data)
			continue
		}
		payloads = append(payloads, in.Unwrap(d.Data)...)
	}
	return payloads
}

// reached says that n payloads were delivered.
func (in Input) reached(n int) func(*Progress) bool {
	return func(p *Progress) bool { return len(in.unwrapped(p.Deliveries)) >= n }
}

// checkOrder wants payloads 0..perLane-1 of each lane, once, in order.
func checkOrder(t testing.TB, in Input, deliveries []Delivery, perLane int) {
	t.Helper()
	next := make([]int, in.Lanes)
	for _, payload := range in.unwrapped(deliveries) {
		left, right, _ := strings.Cut(string(payload), "/")
		lane, err := strconv.Atoi(left)
		n, err2 := strconv.Atoi(right)
		if err != nil || err2 != nil || lane < 0 || lane >= in.Lanes {
			t.Errorf("payload %q was never put", payload)
			continue
		}
		if n != next[lane] {
			t.Errorf("lane %d: got payload %d, want %d", lane, n, next[lane])
		}
		next[lane] = n + 1
	}
	for lane, n := range next {
		if n != perLane {
			t.Errorf("lane %d: ended before payload %d, want %d", lane, n, perLane)
		}
	}
}

func run(t *testing.T, host *Host, in Input, until func(*Progress) bool) {
	t.Helper()
	if err := host.Run(in.Source(t), until); err != nil {
		t.Fatalf("Run: %v", err)
	}
}

func everything(t *testing.T, h Harness) {
	const perLane = 40
	in := h.Open(t)
	done := fill(t, in, 0, perLane)
	host := NewHost(t, nil)
	run(t, host, in, in.reached(perLane*in.Lanes))
	done()
	checkOrder(t, in, host.Deliveries(), perLane)
}

func anyBytes(t *testing.T, h Harness) {
	in := h.Open(t)
	if in.Unwrap != nil || in.Live {
		t.Skip("this source's payloads are not what was put, byte for byte")
	}
	payloads := [][]byte{
		{0}, []byte("\n"), []byte("\xff\xfe\x00junk"), {0x1f, 0x8b}, []byte("{\"message"),
		bytes.Repeat([]byte{0xA5}, 100<<10), []byte(" trailing \r\n"),
	}
	in.Put(t, 0, payloads...)
	host := NewHost(t, nil)
	run(t, host, in, in.reached(len(payloads)))
	for i, d := range host.Deliveries() {
		if !bytes.Equal(d.Data, payloads[i]) {
			t.Errorf("payload %d: got %.40q (%d bytes), want %.40q (%d bytes)", i, d.Data, len(d.Data), payloads[i], len(payloads[i]))
		}
	}
}

// resumeAnywhere stops after each delivery, with continued partitions where
// there are any, and wants the rest from the next run, nothing twice.
func resumeAnywhere(t *testing.T, h Harness) {
	const perLane = 4
	in := h.Open(t)
	if in.Live {
		t.Skip("a listener's producer decides where delivery resumes")
	}
	fill(t, in, 0, perLane/2)
	if in.Split != nil {
		in.Split(t, 0)
	}
	fill(t, in, perLane/2, perLane)
	whole := NewHost(t, nil)
	run(t, whole, in, in.reached(perLane*in.Lanes))
	checkOrder(t, in, whole.Deliveries(), perLane)
	for k := 1; k < len(whole.Deliveries()); k++ {
		host := NewHost(t, nil)
		run(t, host, in, func(p *Progress) bool { return len(p.Deliveries) == k })
		if got := len(host.Deliveries()); got != k {
			t.Fatalf("stopped after %d deliveries, want %d", got, k)
		}
		run(t, host, in, in.reached(perLane*in.Lanes))
		checkOrder(t, in, host.Deliveries(), perLane)
	}
	each := NewHost(t, nil) // one run per delivery
	for k := range whole.Deliveries() {
		run(t, each, in, func(p *Progress) bool { return len(p.Deliveries) == k+1 })
	}
	checkOrder(t, in, each.Deliveries(), perLane)
}

func interrupted(t *testing.T, h Harness) {
	in := h.Open(t)
	done := fill(t, in, 0, 1)
	host := NewHost(t, nil)
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	source := in.Source(t)
	go func() { ended <- host.Run(contextSource{source, ctx}, nil) }()
	host.Await(in.reached(in.Lanes))
	done()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run after the end of its context: got %v, want nil", err)
	}
	checkOrder(t, in, host.Deliveries(), 1)

	cancelled := contextSource{in.Source(t), ctx}
	if err := host.Run(cancelled, nil); err != nil {
		t.Errorf("Run with a context that has ended: got %v, want nil", err)
	}
}

// contextSource runs a source on a context of the test's choice.
type contextSource struct {
	pipeline.Source
	ctx context.Context
}

func (s contextSource) Run(_ context.Context, host pipeline.Host) error {
	return s.Source.Run(s.ctx, host)
}

// continued splits a partition while it is read, then restarts: the host
// complains when an ended partition is read again.
func continued(t *testing.T, h Harness) {
	in := h.Open(t)
	if in.Split == nil {
		t.Skip("this source's partitions have no successors")
	}
	fill(t, in, 0, 3)
	host := NewHost(t, nil)
	ended := make(chan error, 1)
	source := in.Source(t)
	go func() {
		ended <- host.Run(source, func(p *Progress) bool {
			return len(in.unwrapped(p.Deliveries)) >= 6*in.Lanes && p.Ended >= 1
		})
	}()
	host.Await(in.reached(3 * in.Lanes))
	in.Split(t, 0)
	fill(t, in, 3, 6)
	if err := <-ended; err != nil {
		t.Fatalf("Run: %v", err)
	}
	checkOrder(t, in, host.Deliveries(), 6)
	in.Split(t, 0)
	fill(t, in, 6, 8)
	run(t, host, in, in.reached(8*in.Lanes))
	checkOrder(t, in, host.Deliveries(), 8)
}

func foreignPosition(t *testing.T, h Harness) {
	in := h.Open(t)
	if in.Live {
		t.Skip("a listener has no positions to resume from")
	}
	fill(t, in, 0, 1)
	host := NewHost(t, nil)
	run(t, host, in, in.reached(1))
	host.Overwrite("\x00 made by nobody")
	before := len(host.Deliveries())
	err := host.Run(in.Source(t), func(p *Progress) bool { return p.Idle || len(p.Deliveries) > before })
	if err == nil {
		t.Error("Run accepted a position that it did not make")
	}
}

func endsByItself(t *testing.T, h Harness) {
	in := h.Open(t)
	if in.Finish == nil {
		t.Skip("this source never ends")
	}
	fill(t, in, 0, 3)
	in.Finish(t)
	host := NewHost(t, nil)
	run(t, host, in, nil)
	checkOrder(t, in, host.Deliveries(), 3)
	run(t, host, in, nil)
	checkOrder(t, in, host.Deliveries(), 3)
	for id, was := range host.Resumed() {
		if !was.Ended {
			t.Errorf("partition %s has not ended", id)
		}
	}
}
