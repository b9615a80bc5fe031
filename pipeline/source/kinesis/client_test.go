package kinesis

import (
	"strings"
	"testing"
)

// isolate takes the machine's own AWS configuration away.
func isolate(t *testing.T) {
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CA_BUNDLE",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
}

func TestPlaceholderCredentials(t *testing.T) {
	isolate(t)
	f := func(wantKey string) {
		t.Helper()
		client, err := NewClient(Config{Endpoint: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		found, err := client.Options().Credentials.Retrieve(t.Context())
		if err != nil || found.AccessKeyID != wantKey {
			t.Errorf("got key %q, %v, want %q", found.AccessKeyID, err, wantKey)
		}
	}
	f("local")
	t.Setenv("AWS_ACCESS_KEY_ID", "mine")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	f("mine")
}

func TestRegion(t *testing.T) {
	isolate(t)
	f := func(cfg Config, want string) {
		t.Helper()
		client, err := NewClient(cfg)
		if want == "" {
			if err == nil || !strings.HasPrefix(err.Error(), "region: ") {
				t.Errorf("%+v: got error %v, want one about the region", cfg, err)
			}
			return
		}
		if err != nil {
			t.Errorf("%+v: %v", cfg, err)
			return
		}
		if got := client.Options().Region; got != want {
			t.Errorf("%+v: region %q, want %q", cfg, got, want)
		}
	}
	f(Config{}, "")
	f(Config{Endpoint: "https://kinesis.example.org"}, "")
	f(Config{Endpoint: "http://localhost:4567"}, "us-east-1")
	f(Config{Region: "eu-central-1"}, "eu-central-1")
	f(Config{Stream: "arn:aws:kinesis:eu-north-1:210987654321:stream/central"}, "eu-north-1") // of another account
	t.Setenv("AWS_REGION", "eu-west-1")
	f(Config{Stream: "arn:aws:kinesis:eu-north-1:210987654321:stream/central"}, "eu-north-1")
	f(Config{}, "eu-west-1")
	f(Config{Region: "eu-central-1"}, "eu-central-1")
}
