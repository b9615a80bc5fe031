package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
	"github.com/flowwatch/flowwatch/pipeline/flowlog"
	filesink "github.com/flowwatch/flowwatch/sinks/file"
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
	if err := checkStatus(c.Status.Listen); err != nil {
		errs = append(errs, fmt.Errorf("status.listen: %w", err))
	}
	if c.Listen == c.Status.Listen {
		errs = append(errs, fmt.Errorf("status.listen: %q is listen already; accepted: another port", c.Listen))
	}
	errs = append(errs, duplicates("sources", "kinesis.stream", c.Sources, SourceConfig.stream)...)
	errs = append(errs, duplicates("sources", "firehose.listen", c.Sources, SourceConfig.endpoint)...)
	errs = append(errs, duplicates("sources", "s3.queue_url", c.Sources, SourceConfig.queue)...)
	errs = append(errs, duplicates("sinks", "name", c.Sinks, SinkConfig.name)...)
	errs = append(errs, duplicates("sinks", "file.path", c.Sinks, SinkConfig.path)...)
	errs = append(errs, duplicates("views", "name", c.Views, func(v aggregate.View) string { return v.Name })...)
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
	if c.Firehose != nil {
		set = append(set, "firehose")
	}
	if c.S3 != nil {
		set = append(set, "s3")
	}
	if c.File != nil {
		set = append(set, "file")
	}
	return set
}

// endpoint returns the address of a Firehose endpoint.
func (c SourceConfig) endpoint() string {
	if c.Firehose == nil {
		return ""
	}
	return c.Firehose.Listen
}

// stream returns the name of a stream, which a configuration may read once.
func (c SourceConfig) stream() string {
	if c.Kinesis == nil {
		return ""
	}
	return c.Kinesis.Stream
}

// queue returns the URL of a queue.
func (c SourceConfig) queue() string {
	if c.S3 == nil {
		return ""
	}
	return c.S3.QueueURL
}

// Validate judges the kind and the formats.
func (c *SourceConfig) Validate() error {
	errs := []error{oneKind(c.kinds(), "kinesis, firehose, s3, file")}
	for i, format := range c.Format {
		if _, err := flowlog.ParseLayout(format); err != nil {
			errs = append(errs, fmt.Errorf("format[%d]: %w", i, err))
		}
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

// leastSources is the least limits.sources: an eviction leaves half of the
// limit, and fewer than 32,768 sources would not even hold a busy pane.
const leastSources = 65_536

// Validate judges every key.
func (c *LimitsConfig) Validate() error {
	err := atLeast("sources", c.Sources, leastSources)
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
	if c.Webhook != nil {
		set = append(set, "webhook")
	}
	if c.Alertmanager != nil {
		set = append(set, "alertmanager")
	}
	if c.SNS != nil {
		set = append(set, "sns")
	}
	if c.EventBridge != nil {
		set = append(set, "eventbridge")
	}
	if c.Slack != nil {
		set = append(set, "slack")
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

// Validate judges every key.
func (c *FileSinkConfig) Validate() error {
	sink := c.sink()
	return sink.Validate()
}

// sink is what the sink itself is told.
func (c *FileSinkConfig) sink() filesink.Config {
	return filesink.Config{Path: c.Path, MaxSize: int64(c.MaxSize), Keep: c.Keep}
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
	errs := []error{oneKind(c.kinds(), "stdout, file, webhook, alertmanager, sns, eventbridge, slack")}
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
