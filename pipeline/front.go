package pipeline

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// A slice ends at the first payload boundary after so many records or so much
// time, or when nothing more is there to be read.
const (
	sliceRecords = 50_000 // few panes of a file, so that they stay in the caches
	sliceTime    = 2 * time.Second
)

// longestAggregation is the longest interval of a flow log: a record's start
// can be so much older than its delivery.
const longestAggregation = 10 * time.Minute

// FutureLimit is how far ahead of its arrival a record may end, in seconds.
const FutureLimit = 10 * 60

// Observer sees every data line of one partition, for what `analyze` counts
// beside the pipeline. Calls come from one goroutine.
type Observer interface {
	// Flow is called for every well-formed record, late ones included; f is
	// valid during the call.
	Flow(f *enrich.Flow, late bool)
	// Malformed is called for every other data line, and with a nil line for a
	// payload that breaks off.
	Malformed(reason flowlog.Reason, line []byte)
	// Done is called once, when the partition is read no further.
	Done()
}

// front is the front half of one partition: it reads, unwraps, parses and
// folds, all by plain calls on one goroutine, and hands slices to the back
// half. It keeps nothing durable.
type front struct {
	p         *Pipeline
	input     *Input
	partition Partition
	n         uint64 // of the last slice
	place     Place  // after the last payload
	watermark aggregate.Watermark

	decoder  *envelope.Decoder
	parser   *flowlog.Parser
	folder   *aggregate.Folder
	record   flowlog.Record
	flow     enrich.Flow
	observer Observer // may be nil

	lines   int       // data lines in the slice
	began   time.Time // the slice, on the real clock
	idle    time.Time // since when the partition is proven idle, on the injected clock
	raised  bool      // the watermark, since the last slice
	arrival int64     // of the payload at hand, Unix seconds, 0 unknown
	latest  int64     // end of a record of it that can be true
}

func newFront(p *Pipeline, in *Input, part Partition, from *partition) (*front, error) {
	f := &front{
		p: p, input: in, partition: part,
		n: from.Slice, place: from.Position,
		watermark: aggregate.NewWatermark(int64(in.Lateness/time.Second), p.plan.Pane, from.Watermark, from.Beyond),
		decoder:   envelope.NewDecoder(envelope.Limits{}),
		parser:    flowlog.NewParser(in.Formats),
		folder:    aggregate.NewFolder(p.plan),
		began:     time.Now(),
	}
	if p.observe != nil {
		f.observer = p.observe(part.ID())
	}
	if from.Header != "" {
		if err := f.parser.SetHeader(from.Header); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// run reads the partition to its end, or until ctx ends; what was read by then
// is merged.
func (f *front) run(ctx context.Context) error {
	for {
		batch, err := f.partition.Next(ctx)
		switch {
		case errors.Is(err, io.EOF):
			return f.cut(ctx, true)
		case err != nil && ctx.Err() != nil:
			return errors.Join(f.lastCut(ctx), ctx.Err())
		case err != nil:
			return err
		}
		f.p.progress.read(f.partition.ID(), &batch)
		for i := range batch.Payloads {
			f.payload(&batch.Payloads[i])
			if f.lines >= sliceRecords {
				if err := f.cut(ctx, false); err != nil {
					return err
				}
			}
		}
		f.idleness(&batch)
		if batch.Urgent || len(batch.Payloads) == 0 || time.Since(f.began) >= sliceTime {
			if err := f.cut(ctx, false); err != nil {
				return err
			}
		}
		if batch.Urgent {
			f.p.back.hurry()
		}
		if err := f.hold(ctx); err != nil {
			return err
		}
	}
}

// hold waits while the partition is too far ahead of the others.
func (f *front) hold(ctx context.Context) error {
	f.p.progress.hold(f.partition.ID())
	defer f.p.progress.release(f.partition.ID())
	return f.p.back.hold(ctx, f.partition.ID())
}

// lastCutTime bounds the merge of a slice that ends because reading does.
const lastCutTime = 2 * time.Second

// lastCut merges what was read when ctx ended. Where that can't be done at
// once, because commits fail, it is given up: those payloads were not
// acknowledged and are read again.
func (f *front) lastCut(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastCutTime)
	defer cancel()
	if err := f.cut(ctx, false); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// payload folds one payload. Nothing in it can stop the partition: what is
// broken is counted by its reason.
func (f *front) payload(p *Payload) {
	counts := &f.folder.Partial.Counts
	counts.SourceRecords++
	counts.SourceBytes += int64(len(p.Data))
	f.arrival = 0
	if !p.Arrival.IsZero() {
		f.arrival = p.Arrival.Unix()
	}
	f.latest = f.future()
	f.decoder.Reset(p.Data)
	for f.decoder.Next() {
		f.line(f.decoder.Line(), f.decoder.Timestamp())
	}
	counts.Controls += int64(f.decoder.Controls())
	if err := f.decoder.Err(); err != nil {
		f.malformed(flowlog.ReasonPayload, nil, err)
	}
	f.place = p.Position
}

// line takes one line with the timestamp of its envelope in Unix milliseconds,
// 0 when there is none.
func (f *front) line(line []byte, timestamp int64) {
	kind, reason := f.parser.Parse(line, &f.record)
	if kind != flowlog.Data {
		return
	}
	f.lines++
	timed := f.times(timestamp)
	if reason == 0 && timed && f.record.IntOr(flowlog.End, 0) > f.latest {
		reason = flowlog.ReasonTime
	}
	if reason != 0 {
		f.malformed(reason, line, nil)
		return
	}
	counts := &f.folder.Partial.Counts
	counts.Flow[f.record.Status()]++
	f.p.enricher.Enrich(&f.record, &f.flow)
	late := timed && f.watermark.Late(f.record.IntOr(flowlog.Start, 0))
	switch {
	case late:
		counts.Late++
		counts.AddLate(aggregate.PaneOf(f.record.IntOr(flowlog.Start, 0), f.p.plan.Pane), 1)
		f.folder.AddUntimed(&f.flow)
	case !timed:
		f.folder.AddUntimed(&f.flow)
	default:
		f.folder.Add(&f.flow)
	}
	if timed {
		f.watermark.Observe(f.record.IntOr(flowlog.End, 0), f.arrival)
		f.raised = true
	}
	if f.observer != nil {
		f.observer.Flow(&f.flow, late)
	}
}

// times gives a record without start or end the one it has, or the envelope's
// timestamp, and reports whether it has a time at all.
func (f *front) times(timestamp int64) bool {
	start, hasStart := f.record.Int(flowlog.Start)
	end, hasEnd := f.record.Int(flowlog.End)
	switch {
	case hasStart && hasEnd:
		return true
	case hasStart:
		end = start
	case hasEnd:
		start = end
	case timestamp > 0:
		start, end = timestamp/1000, timestamp/1000
	default:
		return false
	}
	f.record.SetTimes(start, end)
	return true
}

// future is the latest end that can be true.
func (f *front) future() int64 {
	if f.arrival != 0 {
		return f.arrival + FutureLimit
	}
	return f.p.clock().Unix() + FutureLimit
}

func (f *front) malformed(reason flowlog.Reason, line []byte, err error) {
	counts := &f.folder.Partial.Counts
	if counts.Malformed == nil {
		counts.Malformed = make(map[flowlog.Reason]int64)
	}
	counts.Malformed[reason]++
	f.p.bad.sample(f.partition.ID(), reason, line, err)
	if f.observer != nil {
		f.observer.Malformed(reason, line)
	}
}

// idleness raises the watermark of a partition that has been proven empty for
// long enough: what comes later than that is late.
func (f *front) idleness(b *Batch) {
	if !b.Idle || len(b.Payloads) > 0 {
		f.idle = time.Time{}
		return
	}
	now := f.p.clock()
	if f.idle.IsZero() {
		f.idle = now
	}
	if now.Sub(f.idle) < f.p.idleAfter {
		return
	}
	before := f.watermark.At()
	f.watermark.Raise(now.Add(-f.input.Lateness - longestAggregation).Unix())
	f.raised = f.raised || f.watermark.At() > before
}

// cut ends the slice and merges it. An empty slice is merged only for its
// watermark or the partition's end.
func (f *front) cut(ctx context.Context, ended bool) error {
	f.began = time.Now()
	if f.folder.Partial.Empty() && !f.raised && !ended {
		return nil
	}
	s := &slice{
		partition: f.partition.ID(), n: f.n + 1, position: f.place.Position(),
		watermark: f.watermark.At(), beyond: f.watermark.Beyond(), header: f.parser.Header(),
		ended: ended, partial: f.folder.Partial,
	}
	if ended {
		s.children = f.partition.Children()
	}
	f.p.progress.hold(s.partition)
	defer f.p.progress.release(s.partition)
	if err := f.p.back.merge(ctx, s); err != nil {
		return err
	}
	f.n = s.n
	f.lines, f.raised = 0, false
	f.folder.Reset()
	return nil
}
