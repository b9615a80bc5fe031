package main

import (
	"sync"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/evaluate"
)

// judge gathers what rules find, with the time by a clock of arrivals at which
// they found it: before any commit, which takes its time from the real clock.
type judge struct {
	mu    sync.Mutex
	found evaluate.Incidents
	clock func() time.Time
}

// All returns the incidents.
func (j *judge) All() []evaluate.Incident {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.found.All()
}

// watch puts a rule under the judge's eyes.
func (j *judge) watch(rule detect.Detector) detect.Detector {
	w := watched{rule, j}
	if early, ok := rule.(detect.Early); ok {
		return watchedEarly{w, early}
	}
	return w
}

func (j *judge) note(found []detect.Finding) []detect.Finding {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.clock()
	for i := range found {
		j.found.Add(&found[i], now)
	}
	return found
}

// watched is a rule whose findings are noted.
type watched struct {
	detect.Detector
	judge *judge
}

// Detect implements detect.Detector.
func (w watched) Detect(pane *detect.Pane) []detect.Finding {
	return w.judge.note(w.Detector.Detect(pane))
}

// watchedEarly is the same for a rule that judges open panes.
type watchedEarly struct {
	watched
	early detect.Early
}

// Early implements detect.Early.
func (w watchedEarly) Early(open *detect.Open) []detect.Finding {
	return w.judge.note(w.early.Early(open))
}
