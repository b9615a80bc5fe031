package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
)

const (
	maxChunk = 256 << 10
	minChunk = 32 << 10
	// chunkBudget bounds the buffers of all open files together: a batch stays
	// valid until the next call, so every open file needs its own.
	chunkBudget = 64 << 20
	// maxHeader is the longest first line that is kept for probing.
	maxHeader = 8 << 10
)

var errGone = errors.New("was not read to its end before, and is no longer among the paths")

// file is one partition.
type file struct {
	input
	source   *Source
	id       string
	resumeAt int64 // uncompressed bytes to skip

	start   int64  // event time of the first record, Unix seconds
	reached int64  // event time that reading has come to, about
	header  []byte // the first line, when it is no record itself

	ended   bool
	raw     io.Closer
	stored  *counting
	content *content
	chunks  *chunker
	payload [1]pipeline.Payload

	schedule *schedule
	object   *Object      // nil for a file
	followed *followed    // nil for a file that is read once
	pending  chan pending // what a pipe is being read for
}

// pending is one read of a pipe, which may take its time.
type pending struct {
	chunk []byte
	err   error
}

func (f *file) ID() string {
	if f.id == "" {
		f.id = f.source.cfg.Name + "/" + f.path
	}
	return f.id
}

// Children returns what follows a file that is followed, under the same name:
// other files are continued by none.
func (f *file) Children() []pipeline.Start {
	if f.followed == nil {
		return nil
	}
	return f.continuation()
}

// Committed does nothing: a file is not changed by being read.
func (f *file) Committed(pipeline.Position) {}

func (f *file) announce() pipeline.Start {
	start := pipeline.Start{ID: f.ID(), At: position(f.resumeAt), Pull: true}
	if f.followed != nil {
		start.At = f.place().Position()
		if prev := f.followed.prev; prev != nil {
			start.Parents = []string{prev.ID()}
		}
	}
	if f.start != unknown {
		start.Watermark = time.Unix(f.start, 0).Add(-f.source.cfg.Lateness)
	}
	return start
}

// Next reads one chunk. Damage ends the file, and is reported as a Problem;
// only the want of file descriptors is an error, because it says nothing
// about the file.
func (f *file) Next(ctx context.Context) (pipeline.Batch, error) {
	if f.followed != nil {
		return f.nextFollowed(ctx)
	}
	f.schedule.enter(f)
	defer f.schedule.leave(f)
	if !f.pipe { // a pipe may wait for its writer: without a turn
		if err := f.source.turns.acquire(ctx, f.reached); err != nil {
			return pipeline.Batch{}, err
		}
		defer f.source.turns.release()
	}
	if err := ctx.Err(); err != nil {
		return pipeline.Batch{}, err
	}
	chunk, err := f.readOrWait(ctx)
	switch {
	case errors.Is(err, errPaused):
		return pipeline.Batch{}, nil
	case err == nil:
		f.payload[0] = pipeline.Payload{Data: chunk, Position: position(f.chunks.off)}
		f.advance(chunk)
		return pipeline.Batch{Payloads: f.payload[:]}, nil
	case err == io.EOF || ctx.Err() != nil || tooManyOpen(err):
	default:
		f.source.report(Problem{f.path, f.offset(), reason(err)})
		err = io.EOF
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	} else if err == io.EOF {
		f.finish()
	} else {
		err = f.descriptors(err)
	}
	f.close()
	return pipeline.Batch{}, err
}

func tooManyOpen(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

func (f *file) descriptors(err error) error {
	return fmt.Errorf("open %s: %w: %d files with overlapping times are open at once; raise the limit (ulimit -n)",
		f.path, reason(err), f.source.open.Load())
}

// pipeWait is how long Next waits for the writer of a pipe.
const pipeWait = time.Second

// readOrWait is read, except that it returns errPaused where the writer of a
// pipe has nothing yet; the next call goes on waiting.
func (f *file) readOrWait(ctx context.Context) ([]byte, error) {
	if !f.pipe {
		return f.read(ctx)
	}
	if f.pending == nil {
		f.pending = make(chan pending, 1)
		go func(done chan<- pending) {
			chunk, err := f.read(ctx) // ends with ctx
			done <- pending{chunk, err}
		}(f.pending)
	}
	timer := time.NewTimer(pipeWait)
	defer timer.Stop()
	select {
	case p := <-f.pending:
		f.pending = nil
		return p.chunk, p.err
	case <-ctx.Done():
		<-f.pending
		f.pending = nil
		return nil, ctx.Err()
	case <-timer.C:
		return nil, errPaused
	}
}

func (f *file) read(ctx context.Context) ([]byte, error) {
	if f.ended {
		return nil, io.EOF
	}
	size := min(f.source.chunk, max(minChunk, chunkBudget/int(max(1, f.source.open.Load()))))
	if f.chunks == nil {
		open := f.openAt
		if f.followed != nil {
			open = f.openFollowed
		}
		if err := open(ctx, size); err != nil {
			return nil, err
		}
	}
	for {
		from := f.chunks.off
		chunk, err := f.chunks.next(size)
		if err != nil || f.chunks.off > f.resumeAt {
			// Only JSON is read again from the beginning on resuming.
			return chunk[min(max(0, f.resumeAt-from), int64(len(chunk))):], err
		}
	}
}

// openAt opens the file and goes to where reading resumes.
func (f *file) openAt(ctx context.Context, size int) error {
	if err := f.open(ctx, &f.source.done); err != nil {
		return err
	}
	if f.resumeAt == 0 {
		return nil
	}
	// Whether JSON is one value a line shows at its beginning alone, so it is
	// read through; lines can be skipped.
	head, err := f.content.Reader.(peeker).Peek(headSize)
	if err != nil && err != io.EOF {
		return err
	}
	if isJSON(head) {
		return nil
	}
	n, err := io.CopyBuffer(io.Discard, io.LimitReader(f.content, f.resumeAt), make([]byte, size))
	f.chunks.off, f.chunks.sniffed = n, true
	if err == nil && n < f.resumeAt {
		err = fmt.Errorf("it holds %d bytes, and %d were read before: it has been replaced", n, f.resumeAt)
	}
	return err
}

type peeker interface{ Peek(n int) ([]byte, error) }

// open prepares f.chunks. What is read of the stored file is added to read.
func (f *file) open(ctx context.Context, read *atomic.Int64) error {
	raw, err := f.openRaw(ctx)
	if err != nil {
		return err
	}
	f.raw = raw
	f.stored = &counting{r: raw, total: read}
	var whole *stored
	switch at := raw.(type) {
	case *os.File:
		if !f.pipe {
			whole = &stored{at, f.size}
		}
	case *Spooled:
		whole = at.stored()
	}
	if f.content, err = openContent(f.stored, whole); err != nil {
		return err
	}
	f.chunks = &chunker{r: f.content, eager: f.pipe}
	return nil
}

func (f *file) openRaw(ctx context.Context) (io.ReadCloser, error) {
	switch {
	case f.object != nil:
		body, err := f.object.Open(ctx)
		if err != nil {
			return nil, err
		}
		return Spool(body)
	case f.path == Stdin:
		return newWaiting(ctx, func() (io.Reader, error) {
			if f.source.cfg.Stdin == nil {
				return nil, errors.New("no standard input")
			}
			return struct{ io.Reader }{f.source.cfg.Stdin}, nil // not ours to close
		}), nil
	case f.pipe:
		return newWaiting(ctx, func() (io.Reader, error) { return os.Open(f.path) }), nil
	}
	return os.Open(f.path)
}

func (f *file) close() {
	if f.content != nil {
		f.content.close()
		f.content = nil
	}
	if f.raw != nil {
		_ = f.raw.Close() // it was only read
		f.raw = nil
	}
}

// finish marks the file as read to its end. What was left unread behind damage
// counts as done.
func (f *file) finish() {
	if f.ended {
		return
	}
	f.ended = true
	read := int64(0)
	if f.stored != nil {
		read = f.stored.n
	}
	if !f.pipe {
		f.source.done.Add(max(0, f.size-read))
	}
}

func (f *file) offset() int64 {
	if f.chunks == nil {
		return f.resumeAt
	}
	return max(f.resumeAt, f.chunks.off) // JSON is read through from the beginning
}

// probe reads the beginning of the file to learn when its first record starts.
func (f *file) probe(ctx context.Context) {
	defer func() {
		f.close()
		f.chunks, f.stored = nil, nil
	}()
	var unaccounted atomic.Int64
	if err := f.open(ctx, &unaccounted); err != nil {
		return
	}
	chunk, err := f.chunks.next(minChunk)
	if err != nil {
		return
	}
	if start, ok := f.source.cfg.Probe(chunk); ok {
		f.start, f.reached = start.Unix(), start.Unix()
	}
	first := firstLine(chunk)
	if _, ok := f.source.cfg.Probe(first); !ok && len(first) <= maxHeader {
		f.header = bytes.Clone(first)
	}
}

// advance notes how far in event time the chunk goes, by its last line: the
// host's watermark follows the ends of records, so the beginning of the chunk
// would say too little.
func (f *file) advance(chunk []byte) {
	if f.source.cfg.Probe == nil {
		return
	}
	last := lastLine(chunk)
	if len(f.header) > 0 {
		last = append(f.header[:len(f.header):len(f.header)], last...)
	}
	at, ok := f.source.cfg.Probe(last)
	if !ok {
		at, ok = f.source.cfg.Probe(chunk)
	}
	if ok {
		f.schedule.advance(f, at.Unix())
	}
}

func firstLine(chunk []byte) []byte {
	if i := bytes.IndexByte(chunk, '\n'); i >= 0 {
		return chunk[:i+1]
	}
	return chunk
}

func lastLine(chunk []byte) []byte {
	return chunk[bytes.LastIndexByte(bytes.TrimRight(chunk, "\r\n"), '\n')+1:]
}

const positionPrefix = "off:"

func position(offset int64) pipeline.Position {
	return pipeline.Position(positionPrefix + strconv.FormatInt(offset, 10))
}

func parsePosition(p pipeline.Position) (int64, error) {
	if p == "" {
		return 0, nil
	}
	text, ok := strings.CutPrefix(string(p), positionPrefix)
	n, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil || n < 0 {
		return 0, fmt.Errorf("position %q: want %s<bytes>", p, positionPrefix)
	}
	return n, nil
}

// counting adds up what is read.
type counting struct {
	r     io.Reader
	n     int64
	total *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.total.Add(int64(n))
	return n, err
}
