package kinesis

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A role is assumed by an AssumeRole with the environment's credentials, and
// its credentials sign the calls.
func TestRoleIsAssumed(t *testing.T) {
	isolate(t)
	asked := make(chan url.Values, 1)
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		asked <- r.PostForm
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/reader/flowwatch</Arn><AssumedRoleId>ARO123EXAMPLE123:flowwatch</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>role-key</AccessKeyId><SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken><Expiration>%s</Expiration></Credentials>
</AssumeRoleResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(sts.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	t.Setenv("AWS_ACCESS_KEY_ID", "mine")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	client, err := NewClient(Config{
		Stream: "s", Region: "eu-central-1", RoleARN: "arn:aws:iam::123456789012:role/reader", ExternalID: "for-flowwatch",
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.Options().Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.AccessKeyID != "role-key" || got.SessionToken != "role-token" {
		t.Errorf("got the credentials of %q", got.AccessKeyID)
	}
	form := <-asked
	form.Del("DurationSeconds")
	want := url.Values{
		"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {"arn:aws:iam::123456789012:role/reader"},
		"RoleSessionName": {"flowwatch"}, "ExternalId": {"for-flowwatch"},
	}
	if diff := cmp.Diff(want, form); diff != "" {
		t.Errorf("AssumeRole (-want +got):\n%s", diff)
	}
}
