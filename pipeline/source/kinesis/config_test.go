package kinesis

import (
	"strings"
	"testing"
)

func TestConfigValidate(t *testing.T) {
	const arn = "arn:aws:kinesis:eu-central-1:123456789012:stream/s"
	f := func(change func(*Config), wantKeys ...string) {
		t.Helper()
		cfg := DefaultConfig()
		cfg.Stream = "vpc-flow-logs"
		change(&cfg)
		err := cfg.Validate()
		if len(wantKeys) == 0 {
			if err != nil {
				t.Errorf("%+v: %v", cfg, err)
			}
			return
		}
		if err == nil {
			t.Errorf("%+v was accepted", cfg)
			return
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(wantKeys) {
			t.Errorf("got %q, want a problem of each of %v", lines, wantKeys)
			return
		}
		for i, key := range wantKeys {
			if !strings.HasPrefix(lines[i], key+": ") || !strings.Contains(lines[i], "accepted") {
				t.Errorf("problem %q: want one of %s that says what is accepted", lines[i], key)
			}
		}
	}
	f(func(*Config) {})
	f(func(c *Config) { *c = Config{Stream: "s"} }) // what is left out has a default
	f(func(c *Config) { c.Start = StartTrimHorizon })
	f(func(c *Config) { c.Start = "2026-01-31T08:00:00+01:00" })
	f(func(c *Config) { c.Region = "us-gov-west-1" })
	f(func(c *Config) { c.Endpoint = "http://[::1]:4567/" })

	f(func(c *Config) { c.Stream = "" }, "stream")
	f(func(c *Config) { c.Stream = arn })
	f(func(c *Config) { c.Stream, c.Region = arn, "eu-central-1" })
	f(func(c *Config) { c.RoleARN = "arn:aws-cn:iam::123456789012:role/path/flowwatch" })
	f(func(c *Config) { c.RoleARN, c.ExternalID = "arn:aws:iam::123456789012:role/r", "a:b/c" })
	f(func(c *Config) { c.Stream, c.Region = arn, "us-east-1" }, "stream")
	f(func(c *Config) { c.Stream = arn + "/consumer/c:1" }, "stream")
	f(func(c *Config) { c.RoleARN = "flowwatch" }, "role_arn")
	f(func(c *Config) { c.ExternalID = "x1" }, "external_id")
	f(func(c *Config) { c.RoleARN, c.ExternalID = "arn:aws:iam::123456789012:role/r", "a b" }, "external_id")
	f(func(c *Config) { c.Stream = "no spaces" }, "stream")
	f(func(c *Config) { c.Region = "Frankfurt" }, "region")
	f(func(c *Config) { c.Start = "yesterday" }, "start")
	f(func(c *Config) { c.Start = "2026-01-31" }, "start")
	f(func(c *Config) { c.Consumer = "fan_out" })
	f(func(c *Config) { c.Consumer, c.ConsumerName = "fan_out", "reader-2" })
	f(func(c *Config) { c.ConsumerName = "two words" }, "consumer_name")
	f(func(c *Config) { c.Consumer = "push" }, "consumer")
	f(func(c *Config) { c.Endpoint = "127.0.0.1:4567" }, "endpoint")
	f(func(c *Config) { c.Endpoint = "ftp://host/" }, "endpoint")
	f(func(c *Config) { *c = Config{Region: "x", Start: "x", Consumer: "x", Endpoint: "x"} },
		"stream", "region", "start", "consumer", "endpoint")
}

func TestNewRefusesABadConfig(t *testing.T) {
	if _, err := New(Config{}, Dependencies{Client: newFakeAPI()}); err == nil {
		t.Error("New accepted a configuration without a stream")
	}
}
