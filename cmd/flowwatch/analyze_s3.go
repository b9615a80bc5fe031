package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
	"github.com/flowwatch/flowwatch/pipeline/source/file"
	"github.com/flowwatch/flowwatch/pipeline/source/s3"
)

func isS3(path string) bool { return strings.HasPrefix(path, s3.Scheme) }

// inputs returns the paths that are files, and the objects of those that are
// buckets.
func (c *analyzeCmd) inputs(ctx context.Context) (paths []string, objects []file.Object, err error) {
	bounds, err := c.backfill()
	if err != nil {
		return nil, nil, usageError{err}
	}
	for _, path := range c.Paths {
		if !isS3(path) {
			paths = append(paths, path)
			continue
		}
		bounds.URL = path
		found, err := s3.List(ctx, bounds)
		if err != nil {
			return nil, nil, err
		}
		objects = append(objects, found...)
	}
	// A prefix may lie in another: each object counts once.
	slices.SortStableFunc(objects, func(a, b file.Object) int { return strings.Compare(a.Name, b.Name) })
	objects = slices.CompactFunc(objects, func(a, b file.Object) bool { return a.Name == b.Name })
	return paths, objects, nil
}

// backfill judges the options that only S3 has.
func (c *analyzeCmd) backfill() (b s3.Backfill, err error) {
	b = s3.Backfill{Region: c.Region, Endpoint: c.Endpoint}
	for _, o := range []struct{ name, value string }{
		{"since", c.Since}, {"until", c.Until}, {"region", c.Region}, {"endpoint", c.Endpoint},
	} {
		if o.value != "" && !slices.ContainsFunc(c.Paths, isS3) {
			return b, fmt.Errorf("--%s: is of use with a path like s3://bucket/prefix only", o.name)
		}
	}
	if b.Since, err = timeOption("since", c.Since); err != nil {
		return b, err
	}
	if b.Until, err = timeOption("until", c.Until); err != nil {
		return b, err
	}
	if !b.Until.IsZero() && b.Until.Before(b.Since) {
		return b, fmt.Errorf("--until: %s is before --since", c.Until)
	}
	if err := awsconfig.CheckRegion(c.Region); err != nil {
		return b, fmt.Errorf("--region: %w", err)
	}
	if err := awsconfig.CheckEndpoint(c.Endpoint); err != nil {
		return b, fmt.Errorf("--endpoint: %w", err)
	}
	return b, nil
}

func timeOption(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("--%s: %q is no time; accepted: 2026-11-24 or 2026-11-24T15:04:05Z", name, text)
}
