package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/detect"
)

// restore takes up the committed state: there is no other truth. State that
// was kept for another declaration of a view, another configuration of a rule
// or another pane length is left behind, with a line in the log; positions
// stay whatever else changed.
func (b *back) restore(ctx context.Context) error {
	r := &restorer{b: b, versions: make(map[string]string)}
	if err := b.p.store.Load(ctx, r.visit); err != nil {
		return fmt.Errorf("restore the committed state: %w", err)
	}
	if err := r.finish(); err != nil {
		return fmt.Errorf("restore the committed state: %w", err)
	}
	return nil
}

type restorer struct {
	b        *back
	entries  int
	version  string
	windows  []byte
	versions map[string]string // of rules' state
	panes    int               // parts of open panes
}

// visit takes one entry. The kinds come in the order of their keys, so what
// depends on another kind waits for finish.
func (r *restorer) visit(key, value []byte) error {
	r.entries++
	kind, rest := string(key[:min(2, len(key))]), string(key[min(2, len(key)):])
	b := r.b
	switch kind {
	case keyVersion:
		r.version = string(value)
	case keyWindows:
		r.windows = bytes.Clone(value)
	case keyCounters:
		return decodeInto(b.counters, key, value)
	case keyPartition:
		p := &partition{first: aggregate.Never}
		b.marks.partitions[rest] = p
		return decodeInto(p, key, value)
	case keyPane:
		return r.pane(key, value)
	case keyTotal:
		return r.total(rest, value)
	case keyGauges:
		return r.gauge(rest, value)
	case keyIncident:
		f := new(detect.Finding)
		if err := decodeInto(f, key, value); err != nil {
			return err
		}
		f.UID = rest // a state from before the whole event was kept has it here alone
		b.incidents[rest] = f
	case keyHushed:
		return b.suppressor.restore(rest, value)
	case keyRule:
		r.versions[rest] = string(value)
	case keyDetector:
		return r.detector(rest, value)
	case keyOutbox:
		return r.outbox(key, value)
	default:
		return fmt.Errorf("unknown entry %q", key)
	}
	return nil
}

func decodeInto(v any, key, value []byte) error {
	if err := json.Unmarshal(value, v); err != nil {
		return fmt.Errorf("entry %q: %w", key, err)
	}
	return nil
}

func (r *restorer) total(rest string, value []byte) error {
	id, key, _ := strings.Cut(rest, "/")
	for _, t := range r.b.totals {
		if t != nil && t.id == id {
			return t.restore(key, value)
		}
	}
	r.forget(keyTotal+id+"/", "view", id)
	return nil
}

func (r *restorer) gauge(id string, value []byte) error {
	for _, g := range r.b.gauges {
		if g != nil && g.id == id {
			return decodeInto(&g.rows, []byte(keyGauges+id), value)
		}
	}
	r.forget(keyGauges+id, "view", id)
	return nil
}

func (r *restorer) detector(rest string, value []byte) error {
	name, key, _ := strings.Cut(rest, "/")
	for _, rule := range r.b.rules {
		if rule.Name() == name {
			rule.hold([]byte(key), value)
			return nil
		}
	}
	r.forget(keyDetector+name+"/", "rule", name)
	return nil
}

func (r *restorer) outbox(key, value []byte) error {
	id, sink, err := parseOutboxKey(key)
	if err != nil {
		return err
	}
	known, err := r.b.outlets.restore(id, sink, value)
	if !known {
		r.b.p.log.Warn("a finding waits for a sink that the configuration no longer has; forgotten", zap.String("sink", sink))
		r.b.gone = append(r.b.gone, bytes.Clone(key))
	}
	return err
}

// forget drops all committed entries with a prefix, with the next commit.
func (r *restorer) forget(prefix, what, name string) {
	b := r.b
	if n := len(b.stale); n > 0 && string(b.stale[n-1]) == prefix {
		return
	}
	b.stale = append(b.stale, []byte(prefix))
	b.p.log.Warn("committed state is of a declaration that has changed; it starts empty", zap.String(what, name))
}

// finish puts together what had to wait for all entries.
func (r *restorer) finish() error {
	b := r.b
	if r.entries > 0 && r.version != stateVersion {
		return fmt.Errorf("its format is %q, and this flowwatch reads %q", r.version, stateVersion)
	}
	b.commits = b.counters.Commits
	b.windowsSaved = bytes.Equal(r.windows, windowsOf(b.p.plan))
	b.marks.global, b.lastPane = b.counters.Watermark, b.counters.LastPane
	if b.marks.global == aggregate.Forever {
		b.reopen()
	}
	b.marks.leave()
	for _, t := range b.totals {
		if t != nil {
			t.folded = b.counters.Folded[t.view.Name]
		}
	}
	for _, rule := range b.rules {
		if r.versions[rule.Name()] != rule.Version() {
			if len(rule.restored) > 0 {
				r.forget(rule.prefix(), "rule", rule.Name())
			}
			rule.restored = nil
			continue
		}
		rule.saved = true
		if err := rule.restore(); err != nil {
			return err
		}
	}
	r.forgetIncidents()
	return r.restorePanes()
}

// reopen takes the watermark back from the end of all time, where it stands
// when everything had ended, to the end of what the detectors have been shown:
// what is read from now on may be newer than that.
func (b *back) reopen() {
	b.marks.global = aggregate.Never
	if b.lastPane != aggregate.Never {
		b.marks.global = b.lastPane + 2*b.p.plan.Pane
	}
}

// forgetIncidents drops the open incidents of rules whose state starts empty,
// or that the configuration no longer has: nothing would ever close them.
func (r *restorer) forgetIncidents() {
	b := r.b
	for uid, incident := range b.incidents {
		kept := slices.ContainsFunc(b.rules, func(rule *rule) bool { return rule.saved && rule.Name() == incident.Rule })
		if !kept {
			delete(b.incidents, uid)
			b.gone = append(b.gone, []byte(keyIncident+uid))
		}
	}
}

// pane takes one part of an open pane. They are merged as they come, within the
// limit of sources: of a flood, all together can be more than fits.
func (r *restorer) pane(key, value []byte) error {
	b := r.b
	r.panes++
	start, err := parsePaneKey(key)
	if err != nil {
		return err
	}
	pane, err := aggregate.DecodePane(b.p.plan, value)
	if err != nil {
		return fmt.Errorf("open pane %d: %w", start, err)
	}
	b.open.Pane(start).Merge(pane)
	if b.crowdedOut() {
		b.evict() // a part of a pane still has what was let go, and counted, after it was written
	}
	return nil
}

// restorePanes drops the open panes that were of another length.
func (r *restorer) restorePanes() error {
	b := r.b
	if r.panes > 0 && !b.windowsSaved {
		r.forget(keyPane, "windows", string(r.windows))
		b.open = aggregate.NewPartial(b.p.plan)
	}
	return nil
}
