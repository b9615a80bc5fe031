package validate

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

// decode reads a file into the SDK's type; a key that the type lacks is an
// error. The SDK has no JSON names: the API's differ from Go's by the case of
// the first letter, which encoding/json does not mind.
func decode(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if decoder.More() {
		t.Errorf("%s: more than one value", path)
	}
}

func TestTaskDefinition(t *testing.T) {
	var in ecs.RegisterTaskDefinitionInput
	decode(t, "../ecs/task-definition.json", &in)
	if !known(in.NetworkMode) || !known(in.RequiresCompatibilities[0]) || !known(in.RuntimePlatform.CpuArchitecture) || !known(in.RuntimePlatform.OperatingSystemFamily) {
		t.Errorf("a value that ECS does not know: %q, %q, %+v", in.NetworkMode, in.RequiresCompatibilities, in.RuntimePlatform)
	}
	if len(in.ContainerDefinitions) != 1 {
		t.Fatalf("%d containers", len(in.ContainerDefinitions))
	}
	c := in.ContainerDefinitions[0]
	if !known(c.LogConfiguration.LogDriver) {
		t.Errorf("log driver %q", c.LogConfiguration.LogDriver)
	}
	got := map[string]any{
		"user": *c.User, "read-only root": *c.ReadonlyRootFilesystem, "privileged": *c.Privileged, "dropped": c.LinuxParameters.Capabilities.Drop,
		"health check": c.HealthCheck.Command, "stop timeout": *c.StopTimeout, "log mode": c.LogConfiguration.Options["mode"],
	}
	want := map[string]any{
		"user": "65532:65532", "read-only root": true, "privileged": false, "dropped": []string{"ALL"},
		"health check": []string{"CMD", "/flowwatch", "healthcheck"}, "stop timeout": int32(60), "log mode": "non-blocking",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("container (-want +got):\n%s", diff)
	}
}

func TestService(t *testing.T) {
	var in ecs.CreateServiceInput
	decode(t, "../ecs/service.json", &in)
	if !known(in.LaunchType) || !known(in.AvailabilityZoneRebalancing) || !known(in.PropagateTags) {
		t.Errorf("a value that ECS does not know: %q, %q, %q", in.LaunchType, in.AvailabilityZoneRebalancing, in.PropagateTags)
	}
	d := in.DeploymentConfiguration
	got := []any{*in.DesiredCount, *d.MinimumHealthyPercent, *d.MaximumPercent, d.DeploymentCircuitBreaker.Enable, d.DeploymentCircuitBreaker.Rollback, in.AvailabilityZoneRebalancing}
	want := []any{int32(1), int32(0), int32(100), true, true, types.AvailabilityZoneRebalancingDisabled}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("count, deployment, rebalancing (-want +got):\n%s", diff)
	}
}

// known reports whether a value is one of its type's.
func known[T interface {
	comparable
	Values() []T
}](v T) bool {
	for _, value := range v.Values() {
		if v == value {
			return true
		}
	}
	return false
}
