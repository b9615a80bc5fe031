// Package sns publishes findings to an Amazon SNS topic, one message each.
package sns

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"github.com/flowwatch/flowwatch/pipeline/awsconfig"
	"github.com/flowwatch/flowwatch/pipeline/detect"
	"github.com/flowwatch/flowwatch/sinks"
	"github.com/flowwatch/flowwatch/sinks/awssdk"
)

// Config configures a Sink.
type Config struct {
	TopicARN string `yaml:"topic_arn" strict:"required"` // standard or FIFO; its region is called
	Endpoint string `yaml:"endpoint,omitempty"`          // a local server in place of AWS
}

var topicName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}(\.fifo)?$`)

// Validate reports every problem, each beginning with its key.
func (c *Config) Validate() error {
	var errs []error
	if a, err := arn.Parse(c.TopicARN); err != nil || a.Service != "sns" || a.Region == "" || a.AccountID == "" || !topicName.MatchString(a.Resource) {
		errs = append(errs, fmt.Errorf("topic_arn: %q is no topic; accepted: an ARN like arn:aws:sns:eu-central-1:111122223333:findings", c.TopicARN))
	}
	if err := awsconfig.CheckEndpoint(c.Endpoint); err != nil {
		errs = append(errs, fmt.Errorf("endpoint: %w", err))
	}
	return errors.Join(errs...)
}

// Deps is what a Sink needs. A nil field stands for its default.
type Deps struct {
	Name   string           // default "sns"
	Encode sinks.Encode     // one finding as JSON
	Now    func() time.Time // default time.Now: processed_time
}

// Sink publishes to one topic. A FIFO topic keeps the events of an incident in
// order, and drops one that comes twice within five minutes; a standard one
// promises neither, and receivers look at the event's number.
type Sink struct {
	topic  string
	fifo   bool
	deps   Deps
	client *sns.Client
}

// New returns a sink and calls nobody. The caller has validated cfg.
func New(cfg Config, deps Deps) (*Sink, error) {
	deps.Name = cmp.Or(deps.Name, "sns")
	if deps.Now == nil {
		deps.Now = time.Now
	}
	topic, err := arn.Parse(cfg.TopicARN)
	if err != nil {
		return nil, fmt.Errorf("sns: topic_arn: %w", err)
	}
	environment, err := awssdk.Load(topic.Region, cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("sns: %w", err)
	}
	return &Sink{
		topic: cfg.TopicARN, fifo: strings.HasSuffix(cfg.TopicARN, ".fifo"), deps: deps, client: sns.NewFromConfig(environment),
	}, nil
}

// Name implements sinks.Sink.
func (s *Sink) Name() string { return s.deps.Name }

// Send implements sinks.Sink. It ends at the first message that fails; what it
// published before has arrived.
func (s *Sink) Send(ctx context.Context, findings []detect.Finding) error {
	for i := range findings {
		if err := s.publish(ctx, &findings[i]); err != nil {
			return sinks.PartialFrom(err, i, len(findings))
		}
	}
	return nil
}

func (s *Sink) publish(ctx context.Context, f *detect.Finding) error {
	in := &sns.PublishInput{TopicArn: &s.topic, Subject: aws.String(subject(f)), MessageAttributes: attributes(f)}
	message, err := s.deps.Encode.Within(f, s.deps.Now(), maxMessage-sizeOf(in))
	if err != nil {
		return err
	}
	in.Message = aws.String(string(message))
	if s.fifo {
		in.MessageGroupId = aws.String(digest(f.UID))
		in.MessageDeduplicationId = aws.String(digest(fmt.Sprintf("%s#%d", f.UID, f.Seq)))
	}
	if _, err := s.client.Publish(ctx, in); err != nil {
		return fmt.Errorf("publish to %s: %w", s.topic, awssdk.Judge(err))
	}
	return nil
}

// maxMessage is what SNS takes: the message with its attributes. The subject
// is counted too, to be on the safe side.
const maxMessage = 256 << 10

// attributes are what subscriptions filter on.
func attributes(f *detect.Finding) map[string]types.MessageAttributeValue {
	all := make(map[string]types.MessageAttributeValue)
	for name, value := range map[string]string{
		"rule": f.Rule, "severity": f.Severity.String(), "activity": f.Activity.String(), "account": f.Account, "vpc": f.Scope,
	} {
		if value != "" { // SNS takes no empty ones
			all[name] = types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String(value)}
		}
	}
	return all
}

// sizeOf is how many bytes a message has beside its body.
func sizeOf(in *sns.PublishInput) int {
	n := len(*in.Subject)
	for name, a := range in.MessageAttributes {
		n += len(name) + len(*a.DataType) + len(*a.StringValue)
	}
	return n
}

// subjectLimit is one less than SNS's, in characters.
const subjectLimit = 99

// subject is what a mail client shows: printable, on one line.
func subject(f *detect.Finding) string {
	text := fmt.Sprintf("flowwatch: %s %s, %s (%s)", f.Severity, f.Rule, f.Title, f.Activity)
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, text))
	return string(runes[:min(len(runes), subjectLimit)])
}

// digest shortens what may be longer than an id of SNS.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
