package main

import (
	"time"

	"github.com/flowwatch/flowwatch/pipeline/envelope"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// probe returns a function that finds the start of the first record in a piece
// of a file. It keeps no state, so it is safe for concurrent use.
func probe(formats []*flowlog.Layout) func(chunk []byte) (time.Time, bool) {
	return func(chunk []byte) (time.Time, bool) {
		var r flowlog.Record
		decoder, parser := envelope.NewDecoder(envelope.Limits{}), flowlog.NewParser(formats)
		decoder.Reset(chunk)
		for decoder.Next() {
			kind, reason := parser.Parse(decoder.Line(), &r)
			if kind != flowlog.Data || reason != flowlog.ReasonNone {
				continue
			}
			if start, ok := r.Int(flowlog.Start); ok {
				return time.Unix(start, 0), true
			}
			if at := decoder.Timestamp(); at > 0 {
				return time.UnixMilli(at), true
			}
		}
		return time.Time{}, false
	}
}
