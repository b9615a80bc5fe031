package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// The Validate methods return every problem joined, each beginning with the
// key that it is about.

// Validate judges what concerns several sections together.
func (c *Config) Validate() error {
	var errs []error
	if c.Sources != nil && len(c.Sources) == 0 {
		errs = append(errs, errors.New("sources: is an empty list; accepted: at least one source"))
	}
	if err := checkListen(c.Listen); err != nil {
		errs = append(errs, fmt.Errorf("listen: %w", err))
	}
	errs = append(errs, duplicates("sources", "kinesis.stream", c.Sources, SourceConfig.stream)...)
	errs = append(errs, duplicates("sinks", "name", c.Sinks, SinkConfig.name)...)
	errs = append(errs, duplicates("sinks", "file.path", c.Sinks, SinkConfig.path)...)
	errs = append(errs, duplicates("views", "name", c.Views, func(v ViewConfig) string { return v.Name })...)
	return errors.Join(append(errs, seriesClashes(c.Views)...)...)
}

// duplicates reports the items of a list that have a value of an earlier one
// at a key where each needs its own.
func duplicates[T any](list, key string, items []T, value func(T) string) []error {
	var errs []error
	first := map[string]int{}
	for i, item := range items {
		v := value(item)
		if v == "" {
			continue
		}
		if j, ok := first[v]; ok {
			errs = append(errs, fmt.Errorf("%s[%d].%s: %q is that of %s[%d] already; accepted: another for each", list, i, key, v, list, j))
			continue
		}
		first[v] = i
	}
	return errs
}

// checkListen judges an address to listen on.
func checkListen(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil || strings.ContainsAny(host, "/ ") {
		return fmt.Errorf("%q is no address; accepted: host:port, like :9464 or 127.0.0.1:9464", addr)
	}
	return nil
}

// oneKind reports whether exactly one of the kinds is set.
func oneKind(set []string, accepted string) error {
	switch len(set) {
	case 0:
		return errors.New("has no kind; accepted: one of " + accepted)
	case 1:
		return nil
	}
	return fmt.Errorf("has the kinds %s; accepted: one in each item of the list", strings.Join(set, " and "))
}

func (c SourceConfig) kinds() (set []string) {
	if c.Kinesis != nil {
		set = append(set, "kinesis")
	}
	if c.File != nil {
		set = append(set, "file")
	}
	return set
}

// stream returns the name of a stream, which a configuration may read once.
func (c SourceConfig) stream() string {
	if c.Kinesis == nil {
		return ""
	}
	return c.Kinesis.Stream
}

// Validate judges the kind and the formats.
func (c *SourceConfig) Validate() error {
	errs := []error{oneKind(c.kinds(), "kinesis, file")}
	for i, format := range c.Format {
		if err := checkFormat(format); err != nil {
			errs = append(errs, fmt.Errorf("format[%d]: %w", i, err))
		}
	}
	return errors.Join(errs...)
}

// checkFormat judges a field list. Fields that AWS may add later are skipped
// when lines are read, so one that is not known is no problem.
func checkFormat(format string) error {
	for _, name := range strings.Fields(format) {
		if _, ok := flowlog.Lookup(name); ok {
			return nil
		}
	}
	return fmt.Errorf("%q names no flow-log field; accepted: field names in the order of the record, like version account-id interface-id srcaddr", format)
}

var (
	streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
)

// Validate judges every key.
func (c *KinesisConfig) Validate() error {
	var errs []error
	if !streamName.MatchString(c.Stream) {
		errs = append(errs, fmt.Errorf("stream: %q is no stream name; accepted: 1 to 128 letters, digits, _ . -", c.Stream))
	}
	if c.Region != "" && !regionName.MatchString(c.Region) {
		errs = append(errs, fmt.Errorf("region: %q is no region; accepted: one like eu-central-1", c.Region))
	}
	if _, err := time.Parse(time.RFC3339, c.Start); err != nil && c.Start != "latest" && c.Start != "trim_horizon" {
		errs = append(errs, fmt.Errorf("start: %q is no start; accepted: latest, trim_horizon or an RFC 3339 time like 2027-01-31T00:00:00Z", c.Start))
	}
	if u, err := url.Parse(c.Endpoint); c.Endpoint != "" && (err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, fmt.Errorf("endpoint: %q is no URL; accepted: one like http://127.0.0.1:4567", c.Endpoint))
	}
	return errors.Join(errs...)
}

// Validate judges the paths, not what is there now.
func (c *FileConfig) Validate() error {
	if len(c.Paths) == 0 {
		return errors.New("paths: is an empty list; accepted: at least one file, folder or glob")
	}
	var errs []error
	for i, path := range c.Paths {
		if path == "" {
			errs = append(errs, fmt.Errorf("paths[%d]: is empty; accepted: a file, folder or glob", i))
		} else if _, err := filepath.Match(path, ""); err != nil {
			errs = append(errs, fmt.Errorf("paths[%d]: %q is a broken glob; accepted: * ? [a-z], and \\ before one of them that is meant as it is", i, path))
		}
	}
	return errors.Join(errs...)
}

// Validate judges every key.
func (c *WindowsConfig) Validate() error {
	var errs []error
	if c.Pane < time.Minute || c.Pane > time.Hour || time.Hour%c.Pane != 0 {
		errs = append(errs, fmt.Errorf("pane: %s is no pane; accepted: at least 1m and a whole part of an hour, like 1m, 5m or 15m", strictyaml.FormatDuration(c.Pane)))
	}
	if c.AllowedLateness < 0 {
		errs = append(errs, fmt.Errorf("allowed_lateness: %s is negative; accepted: 0s or more", strictyaml.FormatDuration(c.AllowedLateness)))
	}
	if c.IdleAfter <= 0 {
		errs = append(errs, fmt.Errorf("idle_after: %s is too short; accepted: more than 0s", strictyaml.FormatDuration(c.IdleAfter)))
	}
	return errors.Join(errs...)
}

func atLeast(key string, value, least int) error {
	if value >= least {
		return nil
	}
	return fmt.Errorf("%s: %d is too small; accepted: at least %d", key, value, least)
}

// Validate judges every key.
func (c *ScanInternalConfig) Validate() error { return atLeast("min_failed", c.MinFailed, 1) }

// Validate judges every key.
func (c *ScanExternalConfig) Validate() error {
	return errors.Join(atLeast("min_failed_pane", c.MinFailedPane, 1), atLeast("min_failed_hour", c.MinFailedHour, 1))
}

// foldedSources is what the table of external sources is cut down to above
// limits.sources: a smaller limit could never be kept.
const foldedSources = 65_536

// Validate judges every key.
func (c *LimitsConfig) Validate() error {
	err := atLeast("sources", c.Sources, foldedSources)
	if c.Memory < 64<<20 {
		size, _ := c.Memory.MarshalText() // never fails
		err = errors.Join(err, fmt.Errorf("memory: %s is too small; accepted: at least 64MiB", size))
	}
	return err
}

func (c SinkConfig) kinds() (set []string) {
	if c.Stdout != nil {
		set = append(set, "stdout")
	}
	if c.File != nil {
		set = append(set, "file")
	}
	return set
}

// name returns the sink's own name, or that of its kind.
func (c SinkConfig) name() string {
	if kinds := c.kinds(); c.Name == "" && len(kinds) == 1 {
		return kinds[0]
	}
	return c.Name
}

// path returns the file of a file sink, which only one sink may write.
func (c SinkConfig) path() string {
	if c.File == nil {
		return ""
	}
	return c.File.Path
}

var sinkName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Validate judges the kind, the name and the rules.
func (c *SinkConfig) Validate() error {
	errs := []error{oneKind(c.kinds(), "stdout, file")}
	if c.Name != "" && !sinkName.MatchString(c.Name) {
		errs = append(errs, fmt.Errorf("name: %q is no name; accepted: lower-case letters, digits, _ and -, a letter first", c.Name))
	}
	for i, rule := range c.Rules {
		if slices.Contains(c.Rules[:i], rule) {
			errs = append(errs, fmt.Errorf("rules[%d]: %q is named twice; accepted: each rule once", i, rule))
		}
	}
	return errors.Join(errs...)
}

// Validate judges every key.
func (c *FileSinkConfig) Validate() error {
	if c.Path == "" {
		return errors.New("path: is empty; accepted: a file")
	}
	return nil
}

// Validate judges every key.
func (c *CheckpointFileConfig) Validate() error {
	if c.Dir == "" {
		return errors.New("dir: is empty; accepted: a folder")
	}
	return nil
}
