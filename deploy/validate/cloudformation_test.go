package validate

import (
	"bytes"
	"os"
	"testing"

	"github.com/awslabs/goformation/v7"
	"github.com/awslabs/goformation/v7/cloudformation/ec2"
	"github.com/awslabs/goformation/v7/intrinsics"
)

const templateFile = "../cloudformation/flowwatch.yaml"

// newer are lines of properties that are newer than this goformation, which
// therefore does not know them. cfn-lint and CfnInclude do.
var newer = []string{
	"        SecretsManagerConfiguration: {Enabled: true, SecretARN: !Ref AccessKey, RoleARN: !GetAtt DeliveryRole.Arn}",
	"      AvailabilityZoneRebalancing: DISABLED",
}

// goformation knows every property of every type of resource, and its type.
func TestTemplate(t *testing.T) {
	text, err := os.ReadFile(templateFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range newer {
		if bytes.Count(text, []byte(line)) != 1 {
			t.Errorf("not once in the template: %s", line)
		}
		text = bytes.Replace(text, []byte(line), []byte("#"), 1)
	}
	// It gives a list of strings its default as one string.
	template, err := goformation.ParseYAMLWithOptions(text, &intrinsics.ProcessorOptions{
		ParameterOverrides: map[string]any{"PublicSubnetIds": []string{"subnet-1", "subnet-2"}, "SubnetIds": []string{"subnet-3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	service, err := template.GetECSServiceWithName("Service")
	if err != nil {
		t.Fatal(err)
	}
	if got := service.DeploymentConfiguration; *got.MinimumHealthyPercent != 0 || *got.MaximumPercent != 100 {
		t.Errorf("deployment keeps %d to %d %% of the tasks, want 0 to 100", *got.MinimumHealthyPercent, *got.MaximumPercent)
	}
	if logs := template.GetAllEC2FlowLogResources(); len(logs) != 3 {
		t.Errorf("%d flow logs, want one for each source", len(logs))
	} else {
		for name, log := range logs {
			if log.LogFormat == nil || *log.LogFormat == "" {
				t.Errorf("%s has no format", name)
			}
		}
	}
}

// What TestTemplate relies on: an unknown property and a wrong type are errors.
func TestTemplateCatches(t *testing.T) {
	f := func(properties string) {
		t.Helper()
		path := t.TempDir() + "/t.yaml"
		text := "Resources: {F: {Type: AWS::EC2::FlowLog, Properties: {ResourceId: vpc-1, ResourceType: VPC, " + properties + "}}}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		template, err := goformation.Open(path)
		if err != nil {
			return
		}
		var log *ec2.FlowLog
		if log, err = template.GetEC2FlowLogWithName("F"); err == nil {
			t.Errorf("%s is taken: %+v", properties, log)
		}
	}
	f("LogFormats: x")
	f("MaxAggregationInterval: [1]")
}
