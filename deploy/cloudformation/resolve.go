package cloudformation

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Stack is a template with its parameters put in and its functions carried out.
type Stack struct {
	// Resources that exist, by logical name.
	Resources map[string]Resource
	// Configuration is FLOWWATCH_CONFIG of the task.
	Configuration string
}

// Resource is one resource of a stack.
type Resource struct {
	Type       string
	Properties map[string]any
}

// The account and region that a stack is evaluated for.
const (
	account = "123456789012"
	region  = "eu-central-1"
	stack   = "flowwatch"
)

// noValue is what Ref AWS::NoValue gives: the key or item goes.
type noValue struct{}

type resolver struct {
	template *Template
	values   map[string]string
	// Names that were used, to tell what is declared in vain.
	used map[string]bool
}

// Resolve evaluates the template. values replaces the defaults of parameters
// and gives those that have none. Names of resources and their attributes
// become such as AWS would give in an invented account.
func (t *Template) Resolve(values map[string]string) (*Stack, error) {
	r := &resolver{template: t, used: map[string]bool{}}
	var err error
	if r.values, err = t.complete(values); err != nil {
		return nil, err
	}
	if err := r.assertions(); err != nil {
		return nil, err
	}
	s := &Stack{Resources: map[string]Resource{}}
	for _, name := range slices.Sorted(maps.Keys(t.section("Resources"))) {
		if !r.exists(name) {
			continue
		}
		declared := t.section("Resources")[name].(map[string]any)
		if _, err := r.value(declared["Metadata"]); err != nil {
			return nil, fmt.Errorf("%s.Metadata: %w", name, err)
		}
		properties, err := r.value(declared["Properties"])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		kind, _ := declared["Type"].(string)
		object, _ := properties.(map[string]any)
		s.Resources[name] = Resource{kind, object}
	}
	for name, output := range t.section("Outputs") {
		if condition, ok := output.(map[string]any)["Condition"]; ok && !r.condition(condition.(string)) {
			continue
		}
		if _, err := r.value(output.(map[string]any)["Value"]); err != nil {
			return nil, fmt.Errorf("output %s: %w", name, err)
		}
	}
	s.Configuration = s.environment("TaskDefinition", "flowwatch", "FLOWWATCH_CONFIG")
	return s, nil
}

// complete returns the value of every parameter, checked against what the
// parameter accepts.
func (t *Template) complete(given map[string]string) (map[string]string, error) {
	var errs []error
	values := map[string]string{}
	for name := range given {
		if _, ok := t.Parameters[name]; !ok {
			errs = append(errs, fmt.Errorf("no parameter %s", name))
		}
	}
	for name, p := range t.Parameters {
		value, ok := given[name]
		if !ok {
			value = p.Default
		}
		switch {
		case !ok && p.Required:
			errs = append(errs, fmt.Errorf("parameter %s has no value", name))
		case p.AllowedValues != nil && !slices.Contains(p.AllowedValues, value):
			errs = append(errs, fmt.Errorf("parameter %s: %q is none of %q", name, value, p.AllowedValues))
		case p.AllowedPattern != "" && !regexp.MustCompile(`^(?:`+p.AllowedPattern+`)$`).MatchString(value):
			errs = append(errs, fmt.Errorf("parameter %s: %q does not match %s", name, value, p.AllowedPattern))
		}
		values[name] = value
	}
	return values, errors.Join(errs...)
}

// assertions carries out the section Rules.
func (r *resolver) assertions() error {
	var errs []error
	for name, rule := range r.template.section("Rules") {
		body := rule.(map[string]any)
		if holds, err := r.truth(body["RuleCondition"]); err != nil || !holds {
			errs = append(errs, err)
			continue
		}
		for _, assertion := range body["Assertions"].([]any) {
			a := assertion.(map[string]any)
			if holds, err := r.truth(a["Assert"]); err != nil || !holds {
				errs = append(errs, err, fmt.Errorf("rule %s: %v", name, a["AssertDescription"]))
			}
		}
	}
	return errors.Join(errs...)
}

// exists reports whether a resource is made.
func (r *resolver) exists(name string) bool {
	declared, ok := r.template.section("Resources")[name].(map[string]any)
	if !ok {
		return false
	}
	condition, ok := declared["Condition"].(string)
	return !ok || r.condition(condition)
}

// condition panics for one that is not declared or not well formed: Unused and
// the tests go over every one of them.
func (r *resolver) condition(name string) bool {
	r.used[name] = true
	body, ok := r.template.section("Conditions")[name]
	if !ok {
		panic("no condition " + name)
	}
	holds, err := r.truth(body)
	if err != nil {
		panic(fmt.Sprintf("condition %s: %v", name, err))
	}
	return holds
}

// environment returns a variable of a container, "" when there is none.
func (s *Stack) environment(task, container, variable string) string {
	containers, _ := s.Resources[task].Properties["ContainerDefinitions"].([]any)
	for _, c := range containers {
		declared := c.(map[string]any)
		variables, _ := declared["Environment"].([]any)
		for _, v := range variables {
			if v := v.(map[string]any); declared["Name"] == container && v["Name"] == variable {
				return v["Value"].(string)
			}
		}
	}
	return ""
}

// JSON returns the stack as a template without functions, for tools that know
// none.
func (s *Stack) JSON() map[string]any {
	resources := map[string]any{}
	for name, resource := range s.Resources {
		resources[name] = map[string]any{"Type": resource.Type, "Properties": resource.Properties}
	}
	return map[string]any{"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}
}

// name returns what Ref gives for a resource.
func (r *resolver) name(resource, kind string) string {
	switch kind {
	case "AWS::SNS::Topic":
		return arn("sns", stack+"-"+resource)
	case "AWS::SQS::Queue":
		return "https://sqs." + region + ".amazonaws.com/" + account + "/" + stack + "-" + resource
	case "AWS::S3::Bucket":
		return strings.ToLower(stack + "-" + resource)
	case "AWS::CertificateManager::Certificate":
		return arn("acm", "certificate/"+resource)
	case "AWS::SecretsManager::Secret":
		return arn("secretsmanager", "secret:"+resource)
	case "AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::ECS::TaskDefinition":
		return arn(strings.ToLower(strings.Split(kind, "::")[1]), resource)
	}
	return stack + "-" + resource
}

// attribute returns what GetAtt gives.
func (r *resolver) attribute(resource, kind, attribute string) string {
	switch {
	case attribute != "Arn":
		return stack + "-" + resource + "-" + attribute
	case kind == "AWS::S3::Bucket":
		return "arn:aws:s3:::" + r.name(resource, kind)
	case kind == "AWS::Kinesis::Stream":
		return arn("kinesis", "stream/"+r.name(resource, kind))
	case kind == "AWS::KMS::Key":
		return arn("kms", "key/"+resource)
	case kind == "AWS::IAM::Role":
		return "arn:aws:iam::" + account + ":role/" + resource
	}
	return arn(strings.ToLower(strings.Split(kind, "::")[1]), r.name(resource, kind))
}

func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
}
