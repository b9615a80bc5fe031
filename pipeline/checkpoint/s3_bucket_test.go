package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// memoryBucket is a bucket with the faults that a network and a process's death
// add. It is what survives; each process reaches it by a wire of its own.
type memoryBucket struct {
	mu      sync.Mutex
	objects map[string]object
	writes  int // so that no two entity tags are alike
	late    []latePut
	revived int // objects that came late, perhaps after they had been deleted
}

type object struct {
	body []byte
	etag string
}

// latePut is a put whose sender has given up on it, and that still takes effect.
type latePut struct {
	after int // so many requests of anybody
	key   string
	body  []byte
	when  condition
}

func newMemoryBucket() *memoryBucket { return &memoryBucket{objects: map[string]object{}} }

// wireFault is what happens to one request.
type wireFault uint8

const (
	noFault     wireFault = iota
	slowDown              // 503
	lostRequest           // it never arrives
	lostAnswer            // it takes effect, and nobody hears of it
	lateRequest           // the same, but some requests later; gets and removes are lost
	dieBefore             // the process dies before it sends
	dieAfter              // the process dies before it hears
)

var (
	errSlowDown = errors.New("503 SlowDown")
	errTimeout  = errors.New("timeout")
	errDead     = fmt.Errorf("%w: the process is dead", errRefused) // no try helps
)

// wire is a bucket as one process reaches it.
type wire struct {
	*memoryBucket
	fault func() wireFault // asked for each request; nil is none
	cut   bool             // no request arrives
	dead  bool
	puts  int // segments put since the pointer was last known to be written
}

// request decides what becomes of one; b.mu is held. perform tells whether it
// takes effect, err what its sender hears all the same.
func (w *wire) request(late *latePut) (perform bool, err error) {
	w.landLate()
	switch {
	case w.dead:
		return false, errDead
	case w.cut:
		return false, errTimeout
	case w.fault == nil:
		return true, nil
	}
	switch w.fault() {
	case slowDown:
		return false, errSlowDown
	case lostRequest:
		return false, errTimeout
	case lostAnswer:
		return true, errTimeout
	case lateRequest:
		if late != nil {
			w.late = append(w.late, *late)
		}
		return false, errTimeout
	case dieBefore:
		w.dead = true
		return false, errDead
	case dieAfter:
		w.dead = true
		return true, errDead
	}
	return true, nil
}

func (w *wire) setFault(fault func() wireFault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fault = fault
}

func (b *memoryBucket) landLate() {
	waiting := b.late
	b.late = nil
	for _, l := range waiting {
		if l.after--; l.after > 0 {
			b.late = append(b.late, l)
			continue
		}
		if _, there := b.objects[l.key]; !there {
			b.revived++
		}
		_, _ = b.store(l.key, l.body, l.when)
	}
}

func (b *memoryBucket) store(key string, body []byte, when condition) (string, error) {
	found, there := b.objects[key]
	switch {
	case when.etag != "" && !there:
		return "", errAbsent
	case when.absent && there, when.etag != "" && when.etag != found.etag:
		return "", errCondition
	}
	b.writes++
	etag := fmt.Sprint(b.writes)
	b.objects[key] = object{bytes.Clone(body), etag}
	return etag, nil
}

func (w *wire) get(ctx context.Context, key string, limit int64) ([]byte, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	if _, err := w.request(nil); err != nil {
		return nil, "", err
	}
	found, there := w.objects[key]
	if !there {
		return nil, "", errDenied
	}
	return bytes.Clone(found.body[:min(int64(len(found.body)), limit)]), found.etag, nil
}

func (w *wire) put(ctx context.Context, key string, body []byte, when condition) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	segment := !strings.HasSuffix(key, pointerName)
	if segment {
		w.puts++
	}
	perform, err := w.request(&latePut{3, key, bytes.Clone(body), when})
	if !perform {
		return "", err
	}
	etag, refused := w.store(key, body, when)
	if err != nil {
		return "", err
	}
	if !segment && refused == nil {
		w.puts = 0
	}
	return etag, refused
}

func (w *wire) remove(ctx context.Context, key string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	perform, err := w.request(nil)
	if perform {
		delete(w.objects, key)
	}
	return err
}

func (w *wire) setCut(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
}
