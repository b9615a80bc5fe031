package detect

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schema is docs/ocsf.schema.json: what is written of OCSF's Detection Finding.
var schema = sync.OnceValues(func() (*jsonschema.Schema, error) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ocsf.schema.json"))
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("ocsf.schema.json", document); err != nil {
		return nil, err
	}
	return c.Compile("ocsf.schema.json")
})

// conforms holds findings to the schema. Every case of every rule calls it for
// each event that it sees.
func conforms(t testing.TB, found []Finding) {
	t.Helper()
	for i := range found {
		encoded, err := Product{Version: "0.1.0"}.AppendOCSF(nil, &found[i], processed)
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, encoded); err != nil {
			t.Errorf("event %d of %s: %v", found[i].Seq, found[i].UID, err)
		}
	}
}

func validate(t testing.TB, encoded []byte) error {
	t.Helper()
	s, err := schema()
	if err != nil {
		t.Fatal(err)
	}
	object, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(object)
}

// The schema refuses what OCSF or flowwatch does not allow: a schema that takes
// everything would hold findings to nothing.
func TestSchemaRefuses(t *testing.T) {
	f := scanFinding(t)
	whole := encode(t, &f)
	if err := validate(t, whole); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name   string
		change func(o map[string]any)
		where  string
	}{
		{"another class", func(o map[string]any) { o["class_uid"] = 2001 }, "/class_uid"},
		{"a missing time", func(o map[string]any) { delete(o, "time") }, "time"},
		{"seconds with a fraction", func(o map[string]any) { o["time"] = 1.5 }, "/time"},
		{"an unknown key", func(o map[string]any) { o["colour"] = "red" }, "colour"},
		{"a type that is not the activity's", func(o map[string]any) { o["type_uid"] = 200403 }, ""},
		{"a severity that is not its id's", func(o map[string]any) { o["severity"] = "Critical" }, ""},
		{"a reason before the close", func(o map[string]any) { o["unmapped"].(map[string]any)["close_reason"] = "quiet" }, "/unmapped/close_reason"},
		{"a text for an address", func(o map[string]any) {
			o["evidences"].([]any)[0].(map[string]any)["src_endpoint"].(map[string]any)["ip"] = "host"
		}, "/evidences/0/src_endpoint/ip"},
		{"evidence of no rule", func(o map[string]any) { o["evidences"].([]any)[0].(map[string]any)["data"] = map[string]any{} }, "/evidences/0/data"},
		{"another version", func(o map[string]any) { o["metadata"].(map[string]any)["version"] = "1.1.0" }, "/metadata/version"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var o map[string]any
			if err := json.Unmarshal(whole, &o); err != nil {
				t.Fatal(err)
			}
			test.change(o)
			changed, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate(t, changed); err == nil || !strings.Contains(err.Error(), test.where) {
				t.Errorf("validate: %v, want an error at %q", err, test.where)
			}
		})
	}
}

// What a sink without room makes of a finding conforms at every step.
func TestTrimmedFindingsConform(t *testing.T) {
	for _, f := range []Finding{scanFinding(t), spikeFinding(t, spikeSamples())} {
		f.Queries = Queries{LogsInsights: "fields @message", Athena: "SELECT 1"}
		for steps := 0; ; steps++ {
			trimmed, ok := f.Trim(steps)
			if !ok {
				break
			}
			conforms(t, []Finding{trimmed})
		}
	}
}
