package main

import (
	"bytes"
	"encoding"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/cmd/flowwatch/internal/strictyaml"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs")

// keyText is what the types do not say of a key: which values it accepts, when
// that is more than its type, and what it does.
type keyText struct{ accepts, does string }

const (
	fieldNames = "flow-log fields, `direction`, `source`, `target`, `country`, `asn`, `as-name`, `service`"
	oneToMany  = "1 to 1000000"
)

var keyTexts = map[string]keyText{
	"sources[].kinesis.stream":            {"1 to 128 letters, digits, `_` `.` `-`, or an ARN; each stream once", "the data stream's name, or its ARN, which a stream of another account needs. Positions are kept under what stands here"},
	"sources":                             {"at least one; each with one of `kinesis`, `firehose`, `s3` and `file`", "what is read"},
	"sources[].kinesis.region":            {"a region like eu-central-1", "by default that of the AWS environment or profile"},
	"sources[].kinesis.start":             {"`latest`, `trim_horizon` or an RFC 3339 time", "where a stream begins that has no committed position"},
	"sources[].kinesis.consumer":          {"`polling`, `fan_out`", "how records are read: `fan_out` is enhanced fan-out, and polling where that can't be had"},
	"sources[].kinesis.consumer_name":     {"1 to 128 letters, digits, `_` `.` `-`", "with `fan_out`: the consumer to register, or to use where it is there. Each reader of the stream needs its own"},
	"sources[].kinesis.endpoint":          {"an http or https URL", "a local server in place of AWS"},
	"sources[].kinesis.role_arn":          {"the ARN of an IAM role", "a role to assume for every call; by default none"},
	"sources[].kinesis.external_id":       {"2 to 1224 characters; with `role_arn`", "the external ID that the role's trust policy asks for"},
	"sources[].firehose.listen":           {"`host:port`, each once", "where the endpoint listens. Firehose itself only calls public HTTPS on port 443; see sources.md"},
	"sources[].firehose.access_key":       {"the stream's access key", "a request without it is refused"},
	"sources[].firehose.tls.cert":         {"a PEM file", "the certificate with its chain; read again when it changes"},
	"sources[].firehose.tls.key":          {"a PEM file", "its key"},
	"sources[].firehose.bodies":           {"1 to 64", "requests held in memory at a time, each up to 64 MiB"},
	"sources[].s3.queue_url":              {"an http or https URL, each once", "the SQS queue that announces objects"},
	"sources[].s3.region":                 {"a region like eu-central-1", "by default that of the AWS environment or profile"},
	"sources[].s3.endpoint":               {"an http or https URL", "a local server of SQS and S3 in place of AWS; for two servers set `AWS_ENDPOINT_URL_SQS` and `AWS_ENDPOINT_URL_S3` in the environment"},
	"sources[].file.paths":                {"files, folders, globs; `-` is standard input", "what is read"},
	"sources[].file.follow":               {"", "reading goes on when a file grows or is rotated, and takes up new files of the paths, which need not exist yet. Without it each file is read to its end, once"},
	"sources[].format":                    {"field lists, or one", "the fields of lines without a header, in order, separated by blanks or commas; version 2's default is always known. Of several, the first that fits a line reads it. `${name}` is AWS's way to write a field here, and no environment variable"},
	"networks.internal":                   {"", "addresses that are your own: they decide the direction where the record does not say, and which scan rule a source is under"},
	"networks.allow":                      {"", "scanners that are yours: no finding of a scan rule or of `bruteforce` is about them"},
	"networks.allow_lists":                {"files, and folders with *.json and *.txt files", "more of these: MISP warning lists of type `cidr`, or text with a network a line. Read at the start; warning lists of other types are skipped, which the log tells"},
	"windows.pane":                        {"at least 1m, and a whole part of an hour", "how long a window of event time is"},
	"windows.allowed_lateness":            {"0s or more", "how far behind the newest record of its partition one may come and still count in its pane"},
	"windows.idle_after":                  {"more than 0s", "how long a shard is empty before event time goes on without it; a Firehose endpoint, a queue or a followed file counts as empty after 15 minutes without data"},
	"views":                               {"a list of views, `[]` for none", "the aggregations; by default those below. A list replaces them all"},
	"views[].name":                        {"lower-case letters, digits, `_` and `-`, a letter first; unique", "label `view` of flowwatch's own metrics"},
	"views[].metric":                      {"lower-case letters, digits and `_`, a letter first", "the series are flowwatch_*metric*_*measure*, with `_total` behind where they are counters"},
	"views[].where":                       {fieldNames + ": each with a value or a list", "keeps the records that have one of the values in every field. Addresses may be networks; `-` is null; `direction` is ingress, egress or unknown"},
	"views[].by":                          {fieldNames, "the labels. `country`, `asn`, `as-name` and `service` are of the end that is not yours: the target of egress, else the source. A view on one of them that nothing supplies is off; the log says so"},
	"views[].measure":                     {"`flows`, `bytes`, `packets`, `accepted_flows`, `rejected_flows`, `syn_only_flows`, `unique_sources`, numeric flow-log fields", "what is summed; `unique_sources` is a gauge of the last closed pane"},
	"views[].limit":                       {"at least 1; this or `top`", "counters of so many keys; what is beyond is counted under `other`"},
	"views[].top":                         {"at least 1; this or `limit`", "gauges of the last closed pane for the so many largest keys"},
	"views[].spike":                       {"true with `by: [account-id, vpc-id, interface-id]` only", "shows what the spike rule expects of each interface"},
	"views[].off":                         {"", "a view that is kept in the file and not computed"},
	"detect.early":                        {"", "`run` opens incidents before their pane closes when twice a scan rule's threshold has failed, or ingress is ten times what is expected: seconds after the records came instead of the allowed lateness. Such a finding is provisional until its pane closes, which confirms it or closes it as `not_confirmed`"},
	"rules.spike.enabled":                 {"", "ingress of an interface far above what is usual"},
	"rules.spike.profile":                 {"`quiet`, `sensitive`", "quiet: the same hour of the last three days, and the recent level may raise that up to twofold. sensitive: weekdays and weekends apart, nothing raises the seasonal peak; about five times the memory"},
	"rules.spike.false_findings":          {"more than 0, up to 1000", "false findings a day and 1,000 interfaces that the test allows"},
	"rules.spike.min_counts":              {"1 to 2147483647", "a spike exceeds what is expected by at least so many flows, packets..."},
	"rules.spike.min_bytes":               {"1024 to 1125899906842624", "the same for bytes"},
	"rules.scan.internal.enabled":         {"", "scans by a source inside `networks.internal`"},
	"rules.scan.internal.min_failed":      {oneToMany, "distinct failed targets in an hour"},
	"rules.scan.internal.sweep_hosts":     {"2 to 1000000", "unanswered UDP or ICMP hosts in an hour"},
	"rules.scan.internal.alpha":           {"between 0 and 1", "false alarms per source that scans nothing"},
	"rules.scan.internal.sources":         {"1 to 10000000", "sources held at a time"},
	"rules.scan.external.enabled":         {"", "scans by a source outside"},
	"rules.scan.external.min_failed":      {oneToMany, "distinct failed targets in any five minutes: in two panes of five, so that the end of one splits nothing"},
	"rules.scan.external.min_failed_hour": {oneToMany, "the same in an hour"},
	"rules.scan.external.alpha":           {"between 0 and 1", "false alarms per source that scans nothing"},
	"rules.scan.external.sources":         {"1 to 10000000", "sources held at a time"},
	"rules.scan.slow.enabled":             {"", "scans by a source of your own that take a day"},
	"rules.scan.slow.min_failed":          {oneToMany, "distinct failed targets in a day, those of a busy hour apart"},
	"rules.scan.slow.alpha":               {"between 0 and 1", "false alarms per source that scans nothing"},
	"rules.scan.slow.targets":             {"1000 to 100000000", "targets held at a time, over all sources"},
	"rules.scan.distributed.enabled":      {"", "scans of one host by many sources, each of which tries little"},
	"rules.scan.distributed.min_ports":    {"1 to 65536", "distinct failed ports in a pane above what is usual there, twice as many at a host that never got any; three times what is usual is needed too"},
	"rules.scan.distributed.min_sources":  {"2 to 1000000", "sources that tried them"},
	"rules.scan.distributed.max_targets":  {"1 to 128", "targets of one source; one that tries more is a scanner of its own"},
	"rules.scan.success.enabled":          {"", "sessions with data by a source that scanned within the last day"},
	"rules.scan.success.min_failed":       {oneToMany, "distinct failed targets in an hour that make a source a scanner"},
	"rules.scan.success.sources":          {"1 to 10000000", "scanners remembered at a time"},
	"rules.bruteforce.enabled":            {"", "many connections of one source to a port of remote administration"},
	"rules.bruteforce.min_connections":    {"2 to 1000000", "connections in a pane to the same port of the same host"},
	"rules.bruteforce.min_bytes":          {"0 to 1000000", "that a connection must send on average: a health check sends less"},
	"rules.ceiling.bps":                   {"0 or more", "bits a second of ingress that no interface should get, on average over a pane; 0 is no ceiling"},
	"rules.ceiling.pps":                   {"0 or more", "the same in packets a second"},
	"rules.ceiling.flows":                 {"0 or more", "the same in flows a pane"},
	"suppress":                            {"a list; `[]` for none", "findings that are held back and counted. An incident that is open closes with the reason `suppressed`; one that still goes on afterwards opens then"},
	"suppress[].rule":                     {"", "of this rule"},
	"suppress[].source":                   {"an address, a network, or an interface", "about this source; for `scan.distributed` about this target, for `spike` and `ceiling` this interface"},
	"suppress[].account":                  {"an account id", "in this account. At least one of `rule`, `source` and `account` is needed"},
	"suppress[].until":                    {"a date, which ends it at 00:00 UTC of that day, or an RFC 3339 time", "up to this event time"},
	"suppress[].reason":                   {"a few words", "why; it stands in the closing event"},
	"enrich.databases":                    {"mmdb files, each once", "countries, cities and autonomous systems, before what is built in; of several, what an earlier one tells. Read again when a file changes"},
	"enrich.lists.scanner":                {"files, and folders with *.json and *.txt files", "networks of known scanners, as `networks.allow_lists` has them. Findings about them stay"},
	"enrich.lists.tor":                    {"the same", "exits of the Tor network"},
	"enrich.lists.vpn":                    {"the same", "VPN services"},
	"enrich.lists.hosting":                {"the same", "clouds and data centres"},
	"enrich.aws_ranges":                   {"a copy of AWS's ip-ranges.json", "the field `service` where the flow log has no pkt-src-aws-service. Read at the start"},
	"sinks":                               {"each with one of `stdout`, `file`, `webhook`, `alertmanager`, `sns`, `eventbridge` and `slack`; `[]` for none", "where findings go, by default to standard output"},
	"sinks[].stdout":                      {"`{}`", "lines to read on a terminal, else one OCSF object a line"},
	"sinks[].file.path":                   {"a file in a folder that exists; each once", "one OCSF object a line is appended"},
	"sinks[].file.max_size":               {"at least 64KiB", "what would make the file larger goes to a new one; by default it grows without end"},
	"sinks[].file.keep":                   {"0 to 1000", "former files kept: `path.1`, the newest, and so on. Of use with `max_size`"},
	"sinks[].webhook.url":                 {"an http or https URL", "each finding is posted here as an OCSF object. Redirects are not followed"},
	"sinks[].webhook.secret":              {"any text", "signs each request with HMAC-SHA256 in the header Flowwatch-Signature"},
	"sinks[].webhook.headers":             {"a mapping of names to values", "headers added to each request, such as Authorization"},
	"sinks[].webhook.batch":               {"1 to 50", "findings in one request: 1 is an object, more a JSON array"},
	"sinks[].webhook.timeout":             {"more than 0s, up to 5m", "how long one request may take"},
	"sinks[].webhook.ca":                  {"a PEM file", "the only roots that its certificate is verified against; by default the system's. Read at the start"},
	"sinks[].alertmanager.url":            {"http or https base URLs, or one; each once", "open incidents are posted to all of them as alerts, every minute anew. A cluster needs every member here"},
	"sinks[].alertmanager.timeout":        {"more than 0s, up to 5m", "how long one request may take"},
	"sinks[].alertmanager.ca":             {"a PEM file", "the only roots that their certificates are verified against; by default the system's. Read at the start"},
	"sinks[].sns.topic_arn":               {"the ARN of a topic, standard or FIFO", "each finding is published here as an OCSF object, in the topic's region"},
	"sinks[].sns.endpoint":                {"an http or https URL", "a local server in place of AWS"},
	"sinks[].eventbridge.bus":             {"the name or ARN of an event bus", "each finding is put here as an event with an OCSF object as its detail"},
	"sinks[].eventbridge.region":          {"a region like eu-central-1", "by default that of the bus's ARN, else of the AWS environment or profile"},
	"sinks[].eventbridge.endpoint":        {"an http or https URL", "a local server in place of AWS"},
	"sinks[].slack.url":                   {"the URL of an incoming webhook", "a message for each event of an incident"},
	"sinks[].slack.timeout":               {"more than 0s, up to 5m", "how long one request may take"},
	"sinks[].name":                        {"lower-case letters, digits, `_` and `-`, a letter first; unique", "label `sink`; by default the kind"},
	"sinks[].min_severity":                {"", "findings below it are not sent here"},
	"sinks[].rules":                       {"a list of rules: `spike`, `scan.internal`, `scan.external`, `scan.slow`, `scan.distributed`, `scan.success`, `bruteforce`, `ceiling`, each once", "findings of other rules are not sent here; by default all are"},
	"checkpoint.file.dir":                 {"a folder, made when missing; of one process alone", "committed state: positions, open panes, baselines, incidents. It is kept here, unless there is an `s3`"},
	"checkpoint.s3.bucket":                {"the name of a bucket", "the state in S3, for where no disk stays; see operations.md"},
	"checkpoint.s3.prefix":                {"a path without slashes at its ends; of one process alone", "what the keys of its objects begin with"},
	"checkpoint.s3.region":                {"a region like eu-central-1", "by default that of the AWS environment or profile"},
	"checkpoint.s3.endpoint":              {"an http or https URL", "another server of S3's protocol in place of AWS; it must honour If-Match and If-None-Match"},
	"checkpoint.every":                    {"100ms to 10m", "how long between two commits; one is made sooner when a finding waits. By default `1m` with `s3`, where requests are paid for"},
	"exchange":                            {"`{}`", "nothing in this version"},
	"limits.memory":                       {"at least 64MiB", "memory that the Go runtime tries to stay below"},
	"limits.sources":                      {"at least 65536", "external sources held over slices and open panes"},
	"listen":                              {"host:port; without a host, every address", "`/metrics`, `/healthz` and `/readyz`, without authentication. `FLOWWATCH_LISTEN` goes before it"},
	"status.listen":                       {"host:port, or `off`", "the [status page](status-page.md): addresses and raw records, without authentication. `FLOWWATCH_STATUS_LISTEN` goes before it"},
}

// docKey is one key with its default, as the types and defaults have it.
type docKey struct{ path, value, accepts string }

// docKeys lists the keys beneath v in their order. Every kind that an item of
// a list can have is shown, with the defaults that it would have.
func docKeys(path string, v reflect.Value, tag reflect.StructTag) []docKey {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		item := reflect.New(t.Elem())
		if d, ok := item.Interface().(interface{ SetDefaults() }); ok {
			d.SetDefaults()
		}
		if t.Elem().NumField() == 0 {
			return []docKey{{path, "", ""}}
		}
		return docKeys(path, item.Elem(), "")
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && !isText(t.Elem()):
		item := docKeys(path+"[]", reflect.New(reflect.PointerTo(t.Elem())).Elem(), "")
		return append([]docKey{{path, "", ""}}, item...)
	case t.Kind() == reflect.Struct && !isText(t) && t.NumField() > 0:
		var all []docKey
		for i := range t.NumField() {
			name, flags, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			at := path
			if !strings.Contains(flags, "inline") {
				at = strings.TrimPrefix(path+"."+name, ".")
			}
			all = append(all, docKeys(at, v.Field(i), t.Field(i).Tag)...)
		}
		return all
	}
	return []docKey{{path, docValue(v), docAccepts(v, tag.Get("strict"))}}
}

func isText(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// docValue writes a value as config print does, "" when it is none.
func docValue(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		return strictyaml.FormatDuration(x)
	case strictyaml.Size:
		text, _ := x.MarshalText() // never fails
		return string(text)
	case []netip.Prefix:
		words := make([]string, len(x))
		for i, p := range x {
			words[i] = p.String()
		}
		return "[" + strings.Join(words, ", ") + "]"
	}
	if v.IsZero() && v.Kind() != reflect.Bool {
		return ""
	}
	return fmt.Sprint(v.Interface())
}

// docAccepts says what the type and its strict tag accept.
func docAccepts(v reflect.Value, tag string) string {
	if _, words, ok := strings.Cut(tag, "oneof="); ok {
		return "`" + strings.ReplaceAll(words, "|", "`, `") + "`"
	}
	switch v.Interface().(type) {
	case bool:
		return "true, false"
	case []netip.Prefix:
		return "networks like 10.0.0.0/8 or fc00::/7"
	}
	return ""
}

// unset are the keys whose default stands elsewhere or is none by nature.
var unset = map[string]string{
	"sources": "required", "sources[].kinesis.stream": "required", "sources[].file.paths": "required", "sources[].firehose.access_key": "required", "sources[].s3.queue_url": "required", "sources[].s3.region": "environment", "sources[].s3.endpoint": "AWS", "checkpoint.s3.bucket": "required", "checkpoint.s3.region": "environment", "checkpoint.s3.endpoint": "AWS", "sources[].firehose.tls.cert": "none", "sources[].firehose.tls.key": "none",
	"networks.allow_lists": "none", "enrich.databases": "none", "enrich.lists.scanner": "none", "enrich.lists.tor": "none", "enrich.lists.vpn": "none", "enrich.lists.hosting": "none", "enrich.aws_ranges": "none", "suppress": "none", "suppress[].rule": "any", "suppress[].source": "any", "suppress[].account": "any", "suppress[].until": "required", "suppress[].reason": "required",
	"views[].name": "required", "views[].metric": "required", "views[].by": "required", "views[].measure": "required",
	"sinks[].file.path": "required", "sinks[].webhook.url": "required", "sinks[].alertmanager.url": "required", "sinks[].sns.topic_arn": "required", "sinks[].slack.url": "required", "sinks[].webhook.secret": "none", "sinks[].webhook.headers": "none", "views": "the built-in ones", "sinks": "one of kind `stdout`",
}

func keyTable(keys []docKey) string {
	var b strings.Builder
	b.WriteString("| key | default | accepts | what it does |\n|---|---|---|---|\n")
	for _, k := range keys {
		text, value := keyTexts[k.path], k.value
		if value != "" {
			value = "`" + value + "`"
		} else {
			value = unset[k.path]
		}
		if text.accepts == "" {
			text.accepts = k.accepts
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", k.path, value, text.accepts, text.does)
	}
	return b.String()
}

func laterList() string {
	var b strings.Builder
	for _, entry := range notYet {
		fmt.Fprintf(&b, "- `%s`\n", strings.Replace(entry, "=", ": ", 1))
	}
	return b.String()
}

// viewsBlock shows the built-in views as config print does.
func viewsBlock(t *testing.T) string {
	t.Helper()
	views := struct {
		Views []aggregate.View `yaml:"views"`
	}{aggregate.BuiltinViews()}
	var b bytes.Buffer
	if err := strictyaml.Encode(&b, &views, strictyaml.Secrets{}); err != nil {
		t.Fatal(err)
	}
	return "```yaml\n" + b.String() + "```\n"
}

// sections are the keys by the top-level key that they are beneath.
func sections() map[string][]docKey {
	m := map[string][]docKey{}
	for _, k := range docKeys("", reflect.ValueOf(defaultConfig()), "") {
		section := k.path
		if i := strings.IndexAny(section, ".["); i > 0 {
			section = section[:i]
		}
		m[section] = append(m[section], k)
	}
	return m
}

// TestConfigurationDoc holds docs/configuration.md to the types: what stands
// between <!-- generated: name --> and <!-- end --> is written by this test.
func TestConfigurationDoc(t *testing.T) {
	parts := map[string]string{"later": laterList(), "built-in views": viewsBlock(t)}
	for section, keys := range sections() {
		parts["keys "+section] = keyTable(keys)
	}
	generated(t, filepath.Join("..", "..", "docs", "configuration.md"), parts)
}

// Every key is explained, and nothing that is none.
func TestDocCoversTheConfiguration(t *testing.T) {
	var paths []string
	for _, k := range docKeys("", reflect.ValueOf(defaultConfig()), "") {
		paths = append(paths, k.path)
		text := keyTexts[k.path]
		if text.does == "" || text.accepts == "" && k.accepts == "" {
			t.Errorf("%s is not explained", k.path)
		}
	}
	explained := slices.Concat(slices.Collect(maps.Keys(keyTexts)), slices.Collect(maps.Keys(unset)))
	for _, path := range explained {
		if !slices.Contains(paths, path) {
			t.Errorf("%s is explained and no key", path)
		}
	}
}

// The bounds of a rule's key are those that the rule holds it to.
func TestDocBounds(t *testing.T) {
	checked := 0
	for path, text := range keyTexts {
		var least, most int64
		if n, _ := fmt.Sscanf(text.accepts, "%d to %d", &least, &most); n != 2 || !strings.HasPrefix(path, "rules.") {
			continue
		}
		checked++
		rule, key := path[len("rules."):strings.LastIndex(path, ".")], path[strings.LastIndex(path, ".")+1:]
		for value, good := range map[int64]bool{least - 1: false, least: true, most: true, most + 1: false} {
			w := newWorld(nil)
			w.Stdin = strings.NewReader(fmt.Sprintf("sources: [{file: {paths: [a]}}]\nrules: {%s: {%s: %d}}\n", rule, key, value))
			if _, _, err := loadConfig(&w.env, configSource{File: "-"}); (err == nil) != good {
				t.Errorf("%s accepts %s, and of %d: %v", path, text.accepts, value, err)
			}
		}
	}
	if checked == 0 {
		t.Error("no bounds are told")
	}
}
