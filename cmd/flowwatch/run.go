package main

import (
	"context"
	"errors"

	"go.uber.org/zap"
)

type runCmd struct {
	Config string `short:"c" placeholder:"FILE" help:"The configuration file; - is standard input. By default the text in $$FLOWWATCH_CONFIG."`
	setFlag
}

// Run consumes until ctx ends, then drains and commits.
func (c *runCmd) Run(ctx context.Context, e *env) error {
	return endWithin(ctx, stopWithin, func() error { return c.consume(ctx, e) })
}

func (c *runCmd) consume(ctx context.Context, e *env) (err error) {
	cfg, _, err := loadConfig(e, configSource{c.Config, c.Set})
	if err != nil {
		return err
	}
	limitMemory(int64(cfg.Limits.Memory))
	collectMore()
	s, err := assemble(ctx, e, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.run(ctx, listenAddress(e, cfg), func(addr string) {
		e.Log.Info("running", zap.String("listen", addr), zap.Int("sources", len(cfg.Sources)),
			zap.String("state", cfg.Checkpoint.place()), zap.Duration("pane", cfg.Windows.Pane))
	})
}
