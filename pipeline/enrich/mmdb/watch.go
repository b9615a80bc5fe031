package mmdb

import (
	"context"
	"time"

	"go.uber.org/zap"
)

// Every is how often files are looked at. A file that changed is taken up at the
// second look that finds it the same.
const Every = 10 * time.Second

// Watcher takes up files that are replaced.
type Watcher struct {
	Databases []*Database
	Log       *zap.Logger
	metrics   *metrics
	failing   map[*Database]string // the error that the log has told last
}

// Run looks at the files until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			w.look()
		}
	}
}

// look takes up what has changed. An error is logged once, and counted each time.
func (w *Watcher) look() {
	for _, d := range w.Databases {
		changed, err := d.Reload()
		switch {
		case err != nil:
			w.metrics.reload(d, "error")
			if w.failing[d] != err.Error() {
				w.Log.Warn("database can't be read again; what was read before stays in use", zap.String("path", d.path), zap.Error(err))
			}
			w.failing[d] = err.Error()
		case changed:
			delete(w.failing, d)
			w.metrics.reload(d, "ok")
			w.Log.Info("database was read again", zap.String("path", d.path), zap.String("type", d.Type()), zap.Time("built", d.Built()))
		}
	}
}
