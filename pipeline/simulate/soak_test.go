package simulate_test

import (
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/simulate"
)

func TestSoak(t *testing.T) {
	for seed := range uint64(6) {
		cfg := simulate.Config{Seed: 100 + seed}
		if seed%2 == 1 {
			cfg.Format = simulate.V2
			cfg.Radiation = 1100
		}
		found, g := findings(t, cfg, 60*time.Hour)
		t.Log(seed, found, g.Counts())
	}
	for seed := range uint64(30) {
		cfg := simulate.Config{Seed: 200 + seed, Scenarios: simulate.Demo()}
		if seed%3 == 2 {
			cfg.Format = simulate.V2
		}
		found, _ := findings(t, cfg, 2*time.Hour)
		t.Log(seed, len(found), found)
	}
}
