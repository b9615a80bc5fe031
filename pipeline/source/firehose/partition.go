package firehose

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/source/delivered"
)

// requests are remembered by the hash of their ID, with the number of records
// that were delivered. Firehose repeats one for two hours at the most.
var requests = delivered.Kind{Prefix: "fh2:", Keep: 3 * time.Hour}

func hashID(id string) uint64 { return xxhash.Sum64String(id) }

const (
	wait = time.Second // that Next waits for a request
	// quiet is how long nothing has to come until the listener counts as idle.
	quiet = 15 * time.Minute
)

// request is one delivery on its way. Handlers of the same ID share it.
type request struct {
	hash    uint64
	records [][]byte
	arrival time.Time
	seq     uint64        // of the position that holds all of it; 0 not yet delivered
	done    chan struct{} // closed when it is committed
}

// partition is the listener as the pipeline reads it.
type partition struct {
	id    string
	now   func() time.Time
	queue chan *request
	slots chan struct{} // taken by bodies in memory
	early func(int)     // counts IDs forgotten before their time

	mu      sync.Mutex // guards everything below
	memory  *delivered.Memory
	pending map[uint64]*request // not committed, by hash
	current *request            // whose payloads the pipeline holds
	last    time.Time           // when something came
}

func (p *partition) ID() string { return p.id }

// Children returns nil: a listener has no end.
func (p *partition) Children() []pipeline.Start { return nil }

// Next returns the records of one request.
func (p *partition) Next(ctx context.Context) (pipeline.Batch, error) {
	p.mu.Lock()
	if p.current != nil {
		p.current.records, p.current = nil, nil
		<-p.slots
	}
	p.mu.Unlock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return pipeline.Batch{}, ctx.Err()
	case r := <-p.queue:
		return p.deliver(r), nil
	case <-timer.C:
		p.mu.Lock()
		defer p.mu.Unlock()
		return pipeline.Batch{Idle: len(p.pending) == 0 && p.now().Sub(p.last) >= quiet}, nil
	}
}

func (p *partition) deliver(r *request) pipeline.Batch {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current, p.last = r, p.now()
	p.early(p.memory.Forget(p.last))
	from, known := p.memory.Done(r.hash) // records
	rest := r.records
	switch {
	case known && from == delivered.Whole:
		rest = nil
	case known:
		rest = rest[min(from, int64(len(rest))):]
	}
	if len(rest) == 0 { // an empty request has to be remembered, too
		rest = [][]byte{nil}
	}
	batch := pipeline.Batch{Urgent: true, Payloads: make([]pipeline.Payload, len(rest))}
	for i, data := range rest {
		done := from + int64(i) + 1
		if i == len(rest)-1 {
			done = delivered.Whole
		}
		p.memory.Set(r.hash, p.last, done)
		batch.Payloads[i] = pipeline.Payload{Data: data, Position: p.memory.Place(), Arrival: r.arrival}
	}
	r.seq = p.memory.Seq()
	return batch
}

// Committed answers the requests that p holds whole.
func (p *partition) Committed(position pipeline.Position) {
	seq, err := requests.Seq(position)
	if err != nil {
		return // the position of before the first request
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for hash, r := range p.pending {
		if r.seq != 0 && r.seq <= seq {
			delete(p.pending, hash)
			close(r.done)
		}
	}
}

// accept finds the request of this ID on its way, or says that it is committed
// already (nil, true), or that it is new (nil, false).
func (p *partition) accept(hash uint64) (*request, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.pending[hash]; r != nil {
		return r, false
	}
	done, known := p.memory.Done(hash)
	return nil, known && done == delivered.Whole
}

// enqueue takes a new request, whose body has a slot; when another of its ID
// came in the meantime, that one is returned and the slot given back.
func (p *partition) enqueue(id string, records [][]byte) (*request, error) {
	hash := hashID(id)
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.pending[hash]; r != nil {
		<-p.slots
		return r, nil
	}
	r := &request{hash: hash, records: records, arrival: p.now(), done: make(chan struct{})}
	select {
	case p.queue <- r: // as long as the slots are many: never full
	default:
		<-p.slots
		return nil, fmt.Errorf("more than %d requests at a time", cap(p.queue))
	}
	p.pending[hash] = r
	return r, nil
}
