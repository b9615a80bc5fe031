package main

import (
	"net/netip"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

// arrival is a time of the tests, in seconds.
func arrival(second int) time.Time { return time.Unix(1_772_409_600+int64(second), 0).UTC() }

// Times are seconds after a pane began.
func TestWhenAFloodWasEnough(t *testing.T) {
	start := arrival(0).Unix()
	type came struct{ at, pane, flows int } // up to this time, of the n-th pane
	for name, c := range map[string]struct {
		came []came
		want int // -1: never
	}{
		"nothing came":                               {nil, -1},
		"never so much":                              {[]came{{60, 0, 20}, {90, 0, 49}}, -1},
		"one pane is enough":                         {[]came{{60, 0, 40}, {90, 0, 100}, {95, 0, 200}}, 90},
		"two in a row are enough":                    {[]came{{60, 0, 50}, {360, 1, 49}, {370, 1, 50}}, 370},
		"two that are not in a row are not":          {[]came{{60, 0, 50}, {700, 2, 50}}, -1},
		"the first may be the one that came last":    {[]came{{60, 0, 10}, {370, 1, 50}, {400, 0, 50}}, 400},
		"two in a row, before one of them is enough": {[]came{{60, 0, 50}, {370, 1, 50}, {380, 1, 100}}, 370},
		"what came after the pane it was found in":   {[]came{{1000, 3, 500}}, -1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &arrived{truth: &simulate.Truth{Start: arrival(10)}, panes: map[int64]*filling{}}
			for _, x := range c.came {
				pane := start + int64(x.pane)*300
				if w.panes[pane] == nil {
					w.panes[pane] = &filling{}
				}
				w.panes[pane].by(arrival(x.at))[detect.AcceptedFlows] = int64(x.flows)
			}
			got := w.struck(&detect.SpikeEvidence{
				WindowStart: start + 600, WindowSeconds: 300,
				Measures: []detect.MeasureEvidence{{Measure: detect.AcceptedFlows, Alone: 100, Pair: 50}},
			})
			if want := arrival(c.want); c.want >= 0 && !got.Equal(want) || c.want < 0 && !got.IsZero() {
				t.Errorf("enough at %v, want second %d", got, c.want)
			}
		})
	}
}

func TestBytesOfAFloodAreKiB(t *testing.T) {
	p := &filling{}
	p.by(arrival(1))[detect.Bytes] = 2047
	p.by(arrival(2))[detect.Bytes] = 2048
	if got := p.reached(detect.Bytes, 2); !got.Equal(arrival(2)) {
		t.Errorf("2 KiB had come at %v, want %v", got, arrival(2))
	}
}

// Deliveries of two panes that interleave do not disturb each other's counts.
func TestAPaneFillsByItself(t *testing.T) {
	p := &filling{}
	for second := 1; second <= 3; second++ {
		p.by(arrival(second))[detect.Packets] += 10
	}
	p.by(arrival(2))[detect.Packets] += 5 // of a slower delivery: it is known now
	if n := len(p.samples); n != 3 || p.samples[0].count[detect.Packets] != 10 || p.samples[2].count[detect.Packets] != 35 {
		t.Errorf("%d samples: %+v", n, p.samples)
	}
}

// A rule asks for 3 failed targets in 10 minutes, or 5 in an hour; early it needs
// that many, and 2 more than answered.
func TestWhenAScanWasEnough(t *testing.T) {
	type tried struct{ at, pane, target int }
	for name, c := range map[string]struct {
		tried    []tried
		answered int // in the first pane, or 13 panes before when negative
		want     int // -1: never
	}{
		"too few":                        {[]tried{{1, 0, 1}, {2, 0, 2}}, 0, -1},
		"the third":                      {[]tried{{1, 0, 1}, {2, 0, 2}, {3, 0, 3}, {4, 0, 4}}, 0, 3},
		"the same one again is none":     {[]tried{{1, 0, 1}, {2, 0, 2}, {3, 0, 2}}, 0, -1},
		"in two panes":                   {[]tried{{1, 0, 1}, {2, 0, 2}, {303, 1, 3}}, 0, 303},
		"not in ten minutes":             {[]tried{{1, 0, 1}, {2, 0, 2}, {603, 2, 3}}, 0, -1},
		"five in an hour":                {[]tried{{1, 0, 1}, {601, 2, 2}, {1201, 4, 3}, {1801, 6, 4}, {2401, 8, 5}}, 0, 2401},
		"more than an hour":              {[]tried{{1, 0, 1}, {1201, 4, 2}, {2401, 8, 3}, {3601, 12, 4}, {4801, 16, 5}}, 0, -1},
		"an earlier pane comes late":     {[]tried{{303, 1, 1}, {304, 1, 2}, {400, 0, 3}}, 0, 400},
		"too many answered by then":      {[]tried{{1, 0, 1}, {2, 0, 2}, {3, 0, 3}}, 2, -1},
		"what answered an hour before":   {[]tried{{1, 0, 1}, {2, 0, 2}, {3, 0, 3}}, -2, 3},
		"more must fail than did answer": {[]tried{{1, 0, 1}, {2, 0, 2}, {3, 0, 3}, {4, 0, 4}}, 2, 4},
	} {
		t.Run(name, func(t *testing.T) {
			a := &arrivals{pane: 300, margin: 2, scans: map[string][]threshold{"scan.internal": {{600, 3}, {3600, 5}}}}
			w := &arrived{
				truth: &simulate.Truth{Rule: "scan.internal"}, targets: map[netip.AddrPort]struct{}{}, failed: map[int64]int{},
				answered: map[netip.AddrPort]int64{},
			}
			target := func(n int) netip.AddrPort {
				return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), uint16(n))
			}
			for n := range max(c.answered, -c.answered) {
				w.answered[target(1000+n)] = arrival(0).Unix() + int64(min(0, c.answered))*13*300
			}
			for _, x := range c.tried {
				w.scanned(target(x.target), arrival(0).Unix()+int64(x.pane)*300, arrival(x.at), a)
			}
			if got := w.enough; c.want >= 0 && !got.Equal(arrival(c.want)) || c.want < 0 && !got.IsZero() {
				t.Errorf("enough at %v, want second %d", got, c.want)
			}
		})
	}
}
