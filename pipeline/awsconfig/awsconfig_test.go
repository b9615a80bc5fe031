package awsconfig

import (
	"testing"
)

// noEnvironment takes away whatever AWS settings the test runs under.
func noEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
		"AWS_CA_BUNDLE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
}

func TestLocalServerNeedsNoEnvironment(t *testing.T) {
	noEnvironment(t)
	for _, endpoint := range []string{"http://127.0.0.1:4566", "http://localhost:4566", "https://[::1]:4566"} {
		c, err := Load(Options{Endpoint: endpoint})
		if err != nil {
			t.Fatalf("Load for %s: %v", endpoint, err)
		}
		if c.Region != localRegion || c.BaseEndpoint == nil || *c.BaseEndpoint != endpoint {
			t.Errorf("%s: region %q at %v", endpoint, c.Region, c.BaseEndpoint)
		}
		if found, err := c.Credentials.Retrieve(t.Context()); err != nil || found.AccessKeyID != "local" {
			t.Errorf("%s: credentials %q, %v; want placeholders", endpoint, found.AccessKeyID, err)
		}
	}
}

func TestEnvironmentComesFirst(t *testing.T) {
	noEnvironment(t)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	c, err := Load(Options{Endpoint: "http://127.0.0.1:4566"})
	if err != nil {
		t.Fatal(err)
	}
	if found, err := c.Credentials.Retrieve(t.Context()); err != nil || found.AccessKeyID != "AKIDEXAMPLE" || c.Region != "eu-central-1" {
		t.Errorf("got region %q and key %q, %v; want those of the environment", c.Region, found.AccessKeyID, err)
	}
	if c, err = Load(Options{Region: "eu-west-1"}); err != nil || c.Region != "eu-west-1" || c.BaseEndpoint != nil {
		t.Errorf("got region %q at %v, %v; want the one asked for, at AWS", c.Region, c.BaseEndpoint, err)
	}
}

func TestAWSItselfNeedsARegion(t *testing.T) {
	noEnvironment(t)
	for _, endpoint := range []string{"", "https://kinesis.example.com"} {
		if c, err := Load(Options{Endpoint: endpoint}); err == nil {
			t.Errorf("Load for %q gave the region %q, want an error", endpoint, c.Region)
		}
	}
}

func TestCheckRegion(t *testing.T) {
	for _, region := range []string{"", "eu-central-1", "us-gov-west-1", "cn-north-1"} {
		if err := CheckRegion(region); err != nil {
			t.Errorf("CheckRegion(%q): %v", region, err)
		}
	}
	for _, region := range []string{"eu", "eu-central", "EU-CENTRAL-1", "eu-central-1a", "eu central 1"} {
		if err := CheckRegion(region); err == nil {
			t.Errorf("CheckRegion(%q) accepts it", region)
		}
	}
}

func TestCheckEndpoint(t *testing.T) {
	for _, endpoint := range []string{"", "http://127.0.0.1:4566", "https://kinesis.example.com"} {
		if err := CheckEndpoint(endpoint); err != nil {
			t.Errorf("CheckEndpoint(%q): %v", endpoint, err)
		}
	}
	for _, endpoint := range []string{"127.0.0.1:4566", "ftp://127.0.0.1", "http://", "http://:4566", "http://user:pass@127.0.0.1", "http://[::1", "kinesis"} {
		if err := CheckEndpoint(endpoint); err == nil {
			t.Errorf("CheckEndpoint(%q) accepts it", endpoint)
		}
	}
}
