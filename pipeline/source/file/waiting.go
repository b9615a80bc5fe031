package file

import (
	"context"
	"io"
)

// waiting reads from a pipe, whose writer may keep it waiting, without holding
// up whoever wants to stop: Read returns when ctx ends. A goroutine reads
// ahead by one buffer; it ends when the pipe does, or with the first read
// after Close.
type waiting struct {
	ctx    context.Context
	filled chan reading
	done   chan struct{}
	rest   []byte
	err    error
}

type reading struct {
	bytes []byte
	err   error
}

func newWaiting(ctx context.Context, open func() (io.Reader, error)) *waiting {
	w := &waiting{ctx: ctx, filled: make(chan reading), done: make(chan struct{})}
	go w.fill(open)
	return w
}

func (w *waiting) fill(open func() (io.Reader, error)) {
	r, err := open()
	if err != nil {
		w.hand(reading{err: err})
		return
	}
	if c, ok := r.(io.Closer); ok {
		defer c.Close()
	}
	// Two buffers: one is being consumed while the other is being filled.
	var buffers [2][]byte
	for i := 0; ; i ^= 1 {
		if buffers[i] == nil {
			buffers[i] = make([]byte, 64<<10)
		}
		n, err := r.Read(buffers[i])
		if !w.hand(reading{buffers[i][:n], err}) || err != nil {
			return
		}
	}
}

func (w *waiting) hand(r reading) bool {
	select {
	case w.filled <- r:
		return true
	case <-w.done:
		return false
	}
}

func (w *waiting) Read(p []byte) (int, error) {
	for len(w.rest) == 0 {
		if w.err != nil {
			return 0, w.err
		}
		select {
		case r := <-w.filled:
			w.rest, w.err = r.bytes, r.err
		case <-w.ctx.Done():
			return 0, w.ctx.Err()
		}
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}

func (w *waiting) Close() error {
	close(w.done)
	return nil
}
