package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
)

// CheckpointConfig is where committed state is kept: one of the kinds is set.
type CheckpointConfig struct {
	File  *checkpoint.FileConfig `yaml:"file"`
	S3    *checkpoint.S3Config   `yaml:"s3"`
	Every time.Duration          `yaml:"every"` // between two commits; one is made sooner when a finding waits
}

// The intervals of commits by default: a file's cost nothing, a bucket's are
// paid by the request.
const (
	fileEvery   = 10 * time.Second
	bucketEvery = time.Minute

	everyByKind time.Duration = -1 // none is given
)

// How long the last commit may take: a bucket that throttles is asked again. Two of
// them and what else ends the process come to less than stopWithin.
const (
	fileLastCommit   = 4 * time.Second
	bucketLastCommit = 15 * time.Second
)

func (c *CheckpointConfig) lastCommit() time.Duration {
	if c.S3 != nil {
		return bucketLastCommit
	}
	return fileLastCommit
}

// complete fills in what depends on the kind.
func (c *CheckpointConfig) complete() {
	every := fileEvery
	if c.S3 != nil {
		every = bucketEvery
	} else if c.File == nil {
		c.File = &checkpoint.FileConfig{}
		c.File.SetDefaults()
	}
	if c.Every == everyByKind {
		c.Every = every
	}
}

// Validate judges the kind, and how often committed state is written.
func (c *CheckpointConfig) Validate() error {
	var errs []error
	if c.File != nil && c.S3 != nil {
		errs = append(errs, errors.New("s3: stands beside file; accepted: one of file and s3, as the state is kept in one place"))
	}
	if c.Every != everyByKind && (c.Every < 100*time.Millisecond || c.Every > 10*time.Minute) {
		errs = append(errs, fmt.Errorf("every: %s is no interval between commits; accepted: 100ms to 10m", strictyaml.FormatDuration(c.Every)))
	}
	return errors.Join(errs...)
}

// place names where the state is, for the log.
func (c *CheckpointConfig) place() string {
	if c.S3 != nil {
		return c.S3.String()
	}
	return c.File.Dir
}

// open opens the store.
func (c *CheckpointConfig) open(ctx context.Context, log *zap.Logger) (checkpoint.Store, error) {
	if c.S3 == nil {
		return openedStore(checkpoint.OpenFile(c.File.Dir))
	}
	return openedStore(checkpoint.OpenS3(ctx, *c.S3, log))
}

// openedStore makes no store of the nil pointer that comes with an error.
func openedStore[S checkpoint.Store](s S, err error) (checkpoint.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
