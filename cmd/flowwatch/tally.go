package main

import (
	"context"
	"strings"
	"sync"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/enrich"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	"github.com/flowwatch/flowwatch/pipeline/summary"
)

// tally adds up the exact totals of all files: each has a summary of its own
// while it is read.
type tally struct {
	format []string // --format
	stop   context.CancelCauseFunc

	mu    sync.Mutex
	total *summary.Summary // of the files that are done; nil before
	wrong error            // of the first file that no format fits
}

// misfitLines is after how many lines, none of them a record, a file is given
// up.
const misfitLines = 1000

// observe implements pipeline.Dependencies.Observe.
func (t *tally) observe(partition string) pipeline.Observer {
	_, path, _ := strings.Cut(partition, "/")
	return &fileTally{all: t, path: path}
}

func (t *tally) all() *summary.Summary {
	if t.total == nil {
		return new(summary.Summary)
	}
	return t.total
}

func (t *tally) misfit() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.wrong
}

// fileTally counts one file. It implements pipeline.Observer.
type fileTally struct {
	all     *tally
	path    string
	summary summary.Summary
	good    bool   // a record was read
	bad     int    // lines that no layout fits, while good is false
	first   string // of these
	reason  flowlog.Reason
}

// Flow counts a record.
func (t *fileTally) Flow(f *enrich.Flow, late bool) {
	t.good = true
	if late {
		t.summary.AddLate(1)
	}
	switch f.Status() {
	case flowlog.NoData:
		t.summary.AddNoData(1)
		return
	case flowlog.SkipData:
		t.summary.AddSkipData(1)
		return
	}
	t.summary.Add(&summary.Flow{
		Direction: f.Direction, Source: f.Source, Target: f.Target,
		DstPort: f.IntOr(flowlog.DstPort, summary.Null), Protocol: f.IntOr(flowlog.Protocol, summary.Null),
		Packets: f.IntOr(flowlog.Packets, summary.Null), Bytes: f.IntOr(flowlog.Bytes, summary.Null),
		Action: f.Action(), Start: f.IntOr(flowlog.Start, summary.Null), End: f.IntOr(flowlog.End, summary.Null),
	})
}

// Malformed counts a line that is no record.
func (t *fileTally) Malformed(reason flowlog.Reason, line []byte) {
	t.summary.AddMalformed(reason.String(), 1)
	if t.good || line == nil || reason == flowlog.ReasonTime || reason == flowlog.ReasonLine {
		return
	}
	if t.bad++; t.bad == 1 {
		t.first, t.reason = string(line[:min(len(line), 200)]), reason
	}
	if t.bad == misfitLines {
		t.giveUp()
	}
}

// Done adds the file's totals to the others'.
func (t *fileTally) Done() {
	if !t.good && t.bad > 0 {
		t.giveUp()
	}
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if t.all.total == nil {
		t.all.total = &t.summary
		return
	}
	t.all.total.Merge(&t.summary)
}

// giveUp ends the analysis: whatever came out would be of another format.
func (t *fileTally) giveUp() {
	how := "The lines have no header and are not of the default format (version 2): give the order of their fields with\n" +
		"  --format 'account-id action az-id bytes ...'\n" +
		"as the flow log's LogFormat says (aws ec2 describe-flow-logs), or put a header line before them."
	if len(t.all.format) > 0 {
		how = "The lines have no header and fit neither --format nor the default format (version 2).\n" +
			"Compare --format with the flow log's LogFormat (aws ec2 describe-flow-logs)."
	}
	err := usagef("%s: no line of it is a record (%s). The first is\n  %s\n%s", t.path, t.reason, strings.ToValidUTF8(t.first, "\uFFFD"), how)
	t.all.mu.Lock()
	defer t.all.mu.Unlock()
	if t.all.wrong == nil {
		t.all.wrong = err
		t.all.stop(err)
	}
}
