package cloudformation

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// consoleOrder is the 29 fields of version 5 as the console writes them: in
// alphabetical order.
const consoleOrder = "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id log-status packets " +
	"pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region srcaddr srcport start sublocation-id sublocation-type " +
	"subnet-id tcp-flags traffic-path type version vpc-id"

func parsed(t *testing.T) *Template {
	t.Helper()
	template, err := Parse(Text)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func resolved(t *testing.T, template *Template, values map[string]string) *Stack {
	t.Helper()
	stack, err := template.Resolve(values)
	if err != nil {
		t.Fatal(err)
	}
	return stack
}

// A larger template can't be given to the API or the command line in one
// piece, only by way of a bucket.
func TestSize(t *testing.T) {
	if len(Text) > 51_200 {
		t.Errorf("the template has %d bytes; 51,200 are accepted by CreateStack", len(Text))
	}
}

func TestLogFormat(t *testing.T) {
	template := parsed(t)
	format := template.Parameters["LogFormat"].Default
	if diff := cmp.Diff(consoleOrder, strings.NewReplacer("${", "", "}", "").Replace(format)); diff != "" {
		t.Errorf("default of LogFormat (-want +got):\n%s", diff)
	}
	if names := strings.Fields(consoleOrder); !slices.IsSorted(names) || len(names) != 29 {
		t.Errorf("%d fields, sorted: %v", len(names), slices.IsSorted(names))
	}
	if _, err := flowlog.ParseLayout(format); err != nil {
		t.Error(err)
	}
	for name, values := range Variants {
		values := maps.Clone(values)
		values["LogFormat"] = format + " ${reject-reason}" // one that is not the default
		stack := resolved(t, template, values)
		if want := `format: "` + values["LogFormat"] + `"`; strings.Count(stack.Configuration, want) != 1 {
			t.Errorf("variant %s: not once in the configuration: %s\n%s", name, want, stack.Configuration)
		}
		for logical, r := range stack.Resources {
			if r.Type == "AWS::EC2::FlowLog" && r.Properties["LogFormat"] != values["LogFormat"] {
				t.Errorf("variant %s, %s: format is %q", name, logical, r.Properties["LogFormat"])
			}
		}
	}
}

// The variants make every resource and use every parameter and condition.
func TestVariantsCoverTheTemplate(t *testing.T) {
	template := parsed(t)
	made, used := map[string]bool{}, map[string]bool{}
	for name, values := range Variants {
		r := &resolver{template: template, used: used}
		var err error
		if r.values, err = template.complete(values); err != nil {
			t.Fatalf("variant %s: %v", name, err)
		}
		if _, err := template.Resolve(values); err != nil {
			t.Errorf("variant %s: %v", name, err)
		}
		for logical := range template.section("Resources") {
			if !r.exists(logical) {
				continue
			}
			made[logical] = true
			if _, err := r.value(template.section("Resources")[logical]); err != nil {
				t.Errorf("variant %s, %s: %v", name, logical, err)
			}
		}
	}
	for logical := range template.section("Resources") {
		if !made[logical] {
			t.Errorf("no variant makes %s", logical)
		}
	}
	for condition := range template.section("Conditions") {
		if !used[condition] {
			t.Errorf("condition %s is used by nothing", condition)
		}
	}
	for parameter := range template.Parameters {
		if !used[parameter] {
			t.Errorf("parameter %s is used by nothing", parameter)
		}
	}
}

func TestLaunchMakes(t *testing.T) {
	stack := resolved(t, parsed(t), Variants["launch"])
	want := []string{
		"Alarms", "Behind", "Cluster", "CommitFailures", "CommitsFail", "ExecutionRole", "Findings", "FlowLogGroup", "FlowLogRole",
		"FlowLogToLogs", "Key", "NoCommits", "NoData", "OwnLogGroup", "Service", "StateBucket", "StateBucketPolicy", "Stream",
		"Subscription", "SubscriptionRole", "TaskDefinition", "TaskRole", "TaskSecurityGroup",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(stack.Resources))); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}

// What the documents promise of the task holds in every variant and for every
// container.
func TestTask(t *testing.T) {
	template := parsed(t)
	for name, values := range Variants {
		stack := resolved(t, template, values)
		for _, c := range stack.Resources["TaskDefinition"].Properties["ContainerDefinitions"].([]any) {
			container := c.(map[string]any)
			want := map[string]any{
				"User": "65532:65532", "ReadonlyRootFilesystem": true, "Privileged": false,
				"LinuxParameters": map[string]any{"Capabilities": map[string]any{"Drop": []any{"ALL"}}, "InitProcessEnabled": false},
			}
			for key, value := range want {
				if diff := cmp.Diff(value, container[key]); diff != "" {
					t.Errorf("variant %s, container %s, %s (-want +got):\n%s", name, container["Name"], key, diff)
				}
			}
			if options := container["LogConfiguration"].(map[string]any)["Options"].(map[string]any); options["mode"] != "non-blocking" {
				t.Errorf("variant %s, container %s: log mode is %v", name, container["Name"], options["mode"])
			}
		}
		flowwatch := stack.Resources["TaskDefinition"].Properties["ContainerDefinitions"].([]any)[0].(map[string]any)
		if flowwatch["StopTimeout"] != 60 {
			t.Errorf("variant %s: StopTimeout is %v", name, flowwatch["StopTimeout"])
		}
		check := flowwatch["HealthCheck"].(map[string]any)["Command"]
		if diff := cmp.Diff([]any{"CMD", "/flowwatch", "healthcheck"}, check); diff != "" {
			t.Errorf("variant %s, health check (-want +got):\n%s", name, diff)
		}
		deployment := stack.Resources["Service"].Properties["DeploymentConfiguration"]
		if diff := cmp.Diff(map[string]any{
			"MinimumHealthyPercent": 0, "MaximumPercent": 100, "DeploymentCircuitBreaker": map[string]any{"Enable": true, "Rollback": true},
		}, deployment); diff != "" {
			t.Errorf("variant %s, deployment (-want +got):\n%s", name, diff)
		}
	}
}

// The task lets nobody in but the groups that were named, and the status page
// listens beyond loopback only for one of them.
func TestWhoReachesTheTask(t *testing.T) {
	template := parsed(t)
	f := func(variant string, want map[int]string) {
		t.Helper()
		stack := resolved(t, template, Variants[variant])
		got := map[int]string{}
		for _, r := range stack.Resources {
			if r.Type == "AWS::EC2::SecurityGroupIngress" {
				got[r.Properties["FromPort"].(int)] = r.Properties["SourceSecurityGroupId"].(string)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("variant %s, ingress (-want +got):\n%s", variant, diff)
		}
		if rules := stack.Resources["TaskSecurityGroup"].Properties["SecurityGroupIngress"]; rules != nil {
			t.Errorf("variant %s: the group itself lets in %v", variant, rules)
		}
		if _, open := want[9465]; open != strings.Contains(stack.Configuration, "status:") {
			t.Errorf("variant %s: the status page is configured as\n%s", variant, stack.Configuration)
		}
	}
	f("launch", map[int]string{})
	f("observed", map[int]string{9464: "sg-0a", 9465: "sg-0b"})
	f("firehose", map[int]string{8443: "flowwatch-LoadBalancerSecurityGroup-GroupId"})
}

// An alarm that nobody is told of is none, and a reader that is gone reports
// nothing: silence breaches but where it is what is hoped for.
func TestAlarms(t *testing.T) {
	template := parsed(t)
	quiet := map[string]bool{"QueueBehind": true, "Unread": true, "DeliveryBehind": true, "CommitsFail": true}
	want := map[string][]string{
		"launch":   {"Behind", "CommitsFail", "NoCommits", "NoData"},
		"foreign":  {"CommitsFail", "NoCommits"},
		"s3":       {"CommitsFail", "NoCommits", "QueueBehind", "QueueNoData", "Unread"},
		"firehose": {"CommitsFail", "DeliveryBehind", "DeliveryNoData", "NoCommits"},
	}
	for variant, alarms := range want {
		stack := resolved(t, template, Variants[variant])
		var got []string
		for logical, r := range stack.Resources {
			if r.Type != "AWS::CloudWatch::Alarm" {
				continue
			}
			got = append(got, logical)
			if breaches := r.Properties["TreatMissingData"] == "breaching"; breaches == quiet[logical] {
				t.Errorf("%s: missing data is %v", logical, r.Properties["TreatMissingData"])
			}
			if actions, _ := r.Properties["AlarmActions"].([]any); len(actions) != 1 {
				t.Errorf("%s tells nobody", logical)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(alarms, got); diff != "" {
			t.Errorf("variant %s, alarms (-want +got):\n%s", variant, diff)
		}
	}
}

func TestRefused(t *testing.T) {
	template := parsed(t)
	f := func(values map[string]string, want string) {
		t.Helper()
		if _, err := template.Resolve(values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", values, err, want)
		}
	}
	f(nil, "parameter VpcId has no value")
	f(with(map[string]string{"Vpc": "vpc-1"}), "no parameter Vpc")
	f(with(map[string]string{"Source": "kafka"}), `parameter Source: "kafka" is none of`)
	f(with(map[string]string{"LogFormat": "version account-id"}), "parameter LogFormat")
	f(with(map[string]string{"Source": "firehose"}), "Source firehose needs DomainName")
	f(with(map[string]string{"Source": "firehose", "DomainName": "a.example.com", "PublicSubnetIds": "subnet-1,subnet-2"}), "needs CertificateArn, or HostedZoneId")
}

func TestParseRefuses(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, err := Parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
	f("Resources: {A: &a {Type: T}, B: *a}", "an anchor or an alias")
	f("Resources: {A: 1, A: 2}", "key A stands twice")
	f("[]", "not a mapping")
	f("a: 1\n---\nb: 2\n", "more than one document")
}

func TestResolve(t *testing.T) {
	f := func(properties string, want any, failure string) {
		t.Helper()
		template, err := Parse([]byte(`
Parameters: {Name: {Type: String, Default: n}, Names: {Type: CommaDelimitedList, Default: "a,b"}}
Mappings: {M: {n: {K: found}}}
Conditions: {Yes: !Equals [!Ref Name, n], No: !Not [!Condition Yes], All: !And [!Condition Yes, !Condition No], Any: !Or [!Condition No, !Condition Yes]}
Resources:
  Gone: {Type: AWS::S3::Bucket, Condition: No}
  There: {Type: AWS::S3::Bucket, Condition: Any}
  R: {Type: T, Properties: {V: ` + properties + `}}
`))
		if err != nil {
			t.Fatal(err)
		}
		stack, err := template.Resolve(nil)
		if failure != "" {
			if err == nil || !strings.Contains(err.Error(), failure) {
				t.Errorf("%s: error %v, want %q", properties, err, failure)
			}
			return
		}
		if err != nil {
			t.Errorf("%s: %v", properties, err)
			return
		}
		if diff := cmp.Diff(want, stack.Resources["R"].Properties["V"]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", properties, diff)
		}
	}
	f(`!Ref Name`, "n", "")
	f(`!Ref Names`, []any{"a", "b"}, "")
	f(`!Ref There`, "flowwatch-there", "")
	f(`!GetAtt There.Arn`, "arn:aws:s3:::flowwatch-there", "")
	f(`!Sub "${There.Arn}/${!Name}/${Name}"`, "arn:aws:s3:::flowwatch-there/${Name}/n", "")
	f(`!Sub ["${A}${A}", {A: !Ref Name}]`, "nn", "")
	f(`!If [Yes, 1, !Ref Gone]`, 1, "")
	f(`!If [All, 1, 2]`, 2, "")
	f(`[!If [No, 1, !Ref "AWS::NoValue"], 2]`, []any{2}, "")
	f(`!FindInMap [M, !Ref Name, K]`, "found", "")
	f(`!Select [1, !Split ["/", "a/b"]]`, "b", "")
	f(`!Ref Gone`, nil, "Gone is not there")
	f(`!Sub "${Nobody}"`, nil, "Nobody is not there")
	f(`!Select [2, !Split ["/", "a/b"]]`, nil, "select 2 of")
	f(`!FindInMap [M, other, K]`, nil, "no other in mapping M")
	f(`!ImportValue x`, nil, "function Fn::ImportValue is not known here")
}
