package main

import (
	"time"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// probe returns a function that finds the start of the first record in a piece
// of a file; one that lies in the future is broken and is passed over. It keeps
// no state, so it is safe for concurrent use.
func probe(formats []*flowlog.Layout, now func() time.Time) func(chunk []byte) (time.Time, bool) {
	return func(chunk []byte) (time.Time, bool) {
		var r flowlog.Record
		decoder, parser := envelope.NewDecoder(envelope.Limits{}), flowlog.NewParser(formats)
		decoder.Reset(chunk)
		for decoder.Next() {
			kind, reason := parser.Parse(decoder.Line(), &r)
			if kind != flowlog.Data || reason != flowlog.ReasonNone {
				continue
			}
			start, ok := r.Int(flowlog.Start)
			if at := decoder.Timestamp(); !ok && at > 0 {
				start, ok = at/1000, true
			}
			if ok && start <= now().Unix()+pipeline.FutureLimit {
				return time.Unix(start, 0), true
			}
		}
		return time.Time{}, false
	}
}
