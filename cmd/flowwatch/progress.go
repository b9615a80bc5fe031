package main

import (
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// showProgress shows on Stderr, when it is a terminal, how much has been read,
// until the function that it returns is called.
func showProgress(e *env, progress func() (done, total int64)) (stop func()) {
	if !isTerminal(e.Stderr) {
		return func() {}
	}
	_, total := progress()
	if total <= 0 {
		total = -1 // a pipe: only what was read is known
	}
	bar := progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(e.Stderr), progressbar.OptionShowBytes(true), progressbar.OptionShowCount(), progressbar.OptionSetWidth(20),
		progressbar.OptionSetDescription("reading"), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionUseANSICodes(false), progressbar.OptionSetPredictTime(true),
	)
	ended := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				done, _ := progress()
				_ = bar.Set64(done) // a terminal that went away stops nothing
			case <-ended:
				_ = bar.Finish()
				return
			}
		}
	})
	return func() { close(ended); shown.Wait() }
}
