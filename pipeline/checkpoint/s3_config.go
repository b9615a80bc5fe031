package checkpoint

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
)

// S3Config configures an S3 store.
type S3Config struct {
	// Bucket is the name of the bucket, which has to exist. Required.
	Bucket string `yaml:"bucket" strict:"required"`
	// Prefix is what all keys begin with, without a slash at its ends; of one
	// process alone.
	Prefix string `yaml:"prefix"`
	// Region by default is the one of the AWS environment or profile.
	Region string `yaml:"region"`
	// Endpoint is the URL of a local server; empty is AWS.
	Endpoint string `yaml:"endpoint"`
}

// SetDefaults gives the keys that may be left out their values.
func (c *S3Config) SetDefaults() { c.Prefix = "flowwatch" }

var (
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixName = regexp.MustCompile(`^[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*$`)
)

// maxPrefix leaves room for the keys beneath: S3 keys have at most 1,024 bytes.
const maxPrefix = 512

// Validate returns every problem, joined; each begins with its key and says
// what is accepted.
func (c *S3Config) Validate() error {
	var errs []error
	if !bucketName.MatchString(c.Bucket) {
		errs = append(errs, fmt.Errorf("bucket: %q is no bucket; accepted: 3 to 63 of a-z, 0-9, . and -", c.Bucket))
	}
	if c.Prefix != "" && (!prefixName.MatchString(c.Prefix) || len(c.Prefix) > maxPrefix || dotSegment(c.Prefix)) {
		errs = append(errs, fmt.Errorf("prefix: %q is no prefix; accepted: up to %d letters, digits and !_.*'()-, with single slashes between, like flowwatch/production", c.Prefix, maxPrefix))
	}
	if err := awsconfig.CheckRegion(c.Region); err != nil {
		errs = append(errs, fmt.Errorf("region: %w", err))
	}
	if err := awsconfig.CheckEndpoint(c.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	return errors.Join(errs...)
}

// dotSegment reports whether a path has a part that HTTP clients would resolve.
func dotSegment(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "." || part == ".." {
			return true
		}
	}
	return false
}

// String is how messages name the place.
func (c *S3Config) String() string { return "s3://" + c.Bucket + "/" + c.Prefix }
