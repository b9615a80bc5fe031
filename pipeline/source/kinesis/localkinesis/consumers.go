package localkinesis

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxConsumers of a stream, as the service's quota is.
const maxConsumers = 20

var consumerName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// consumer is one that is registered for enhanced fan-out. Guarded by the
// server's lock.
type consumer struct {
	stream        *stream
	name          string
	arn           string
	created       time.Time
	activeAt      time.Time                // in real time
	subscriptions map[string]*subscription // the last one of each shard
}

func (c *consumer) status() string {
	if time.Now().Before(c.activeAt) {
		return "CREATING"
	}
	return "ACTIVE"
}

type consumerSummary struct {
	ConsumerARN               string
	ConsumerCreationTimestamp timestamp
	ConsumerName              string
	ConsumerStatus            string
	StreamARN                 string `json:",omitempty"` // of a description alone
}

func (c *consumer) summary() consumerSummary {
	return consumerSummary{ConsumerARN: c.arn, ConsumerCreationTimestamp: timestamp{c.created}, ConsumerName: c.name, ConsumerStatus: c.status()}
}

type registerStreamConsumerInput struct {
	StreamARN    string
	ConsumerName string
}

type registerStreamConsumerOutput struct{ Consumer consumerSummary }

// registerStreamConsumer answers with CREATING, as the service does, however
// soon the consumer is active.
func (s *Server) registerStreamConsumer(in registerStreamConsumerInput) (registerStreamConsumerOutput, error) {
	if !consumerName.MatchString(in.ConsumerName) {
		return registerStreamConsumerOutput{}, badRequest("ValidationException", "ConsumerName %.140q: 1 to 128 of a-z A-Z 0-9 _ . - are accepted", in.ConsumerName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(named{StreamARN: in.StreamARN})
	switch {
	case err != nil:
		return registerStreamConsumerOutput{}, err
	case st.consumers[in.ConsumerName] != nil:
		return registerStreamConsumerOutput{}, inUse("Consumer %s under stream %s already exists for account %s.", in.ConsumerName, st.name, account)
	case len(st.consumers) >= s.opts.MaxConsumers:
		return registerStreamConsumerOutput{}, badRequest("LimitExceededException", "Stream %s under account %s has reached its limit of %d consumers.", st.name, account, s.opts.MaxConsumers)
	}
	now := s.now()
	s.registered++
	added := &consumer{
		stream: st, name: in.ConsumerName, created: now, activeAt: time.Now().Add(s.opts.ConsumerDelay),
		// The time alone would not tell a consumer from its namesake of the same second.
		arn:           fmt.Sprintf("%s/consumer/%s:%d", st.arn(), in.ConsumerName, now.Unix()+s.registered),
		subscriptions: map[string]*subscription{},
	}
	st.consumers[added.name] = added
	out := added.summary()
	out.ConsumerStatus = "CREATING"
	return registerStreamConsumerOutput{out}, nil
}

// whichConsumer is how an operation names a consumer: by its ARN, or by the
// stream's and its name.
type whichConsumer struct {
	ConsumerARN  string
	StreamARN    string
	ConsumerName string
}

// consumer finds one. The lock must be held.
func (s *Server) consumer(by whichConsumer) (*consumer, error) {
	streamARN, name := by.StreamARN, by.ConsumerName
	if by.ConsumerARN != "" {
		var ok bool
		if streamARN, name, ok = strings.Cut(by.ConsumerARN, "/consumer/"); !ok {
			return nil, invalidArgument("ConsumerARN %.200q names no consumer", by.ConsumerARN)
		}
		name, _, _ = strings.Cut(name, ":")
	}
	if streamARN == "" || name == "" {
		return nil, invalidArgument("either ConsumerARN, or StreamARN and ConsumerName, must be given")
	}
	st, err := s.stream(named{StreamARN: streamARN})
	if err != nil {
		return nil, err
	}
	found := st.consumers[name]
	if found == nil || by.ConsumerARN != "" && by.ConsumerARN != found.arn {
		return nil, notFound("Consumer %s under stream %s not found for account %s.", cmp.Or(by.ConsumerARN, name), st.name, account)
	}
	return found, nil
}

type describeStreamConsumerOutput struct{ ConsumerDescription consumerSummary }

func (s *Server) describeStreamConsumer(in whichConsumer) (describeStreamConsumerOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.consumer(in)
	if err != nil {
		return describeStreamConsumerOutput{}, err
	}
	out := found.summary()
	out.StreamARN = found.stream.arn()
	return describeStreamConsumerOutput{out}, nil
}

// deregisterStreamConsumer ends the consumer's subscriptions too.
func (s *Server) deregisterStreamConsumer(in whichConsumer) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, err := s.consumer(in)
	if err != nil {
		return none{}, err
	}
	found.stream.deregister(found)
	return none{}, nil
}

func (st *stream) deregister(gone *consumer) {
	for _, open := range gone.subscriptions {
		open.end(notFound("Consumer %s under stream %s not found for account %s.", gone.name, st.name, account))
	}
	delete(st.consumers, gone.name)
}

type listStreamConsumersInput struct {
	StreamARN  string
	MaxResults *int
	NextToken  string // the name of the last consumer listed
}

type listStreamConsumersOutput struct {
	Consumers []consumerSummary
	NextToken string `json:",omitempty"`
}

func (s *Server) listStreamConsumers(in listStreamConsumersInput) (listStreamConsumersOutput, error) {
	most := 100
	if in.MaxResults != nil {
		if most = *in.MaxResults; most < 1 || most > 10_000 {
			return listStreamConsumersOutput{}, badRequest("ValidationException", "MaxResults %d: 1 to 10000 are accepted", most)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(named{StreamARN: in.StreamARN})
	if err != nil {
		return listStreamConsumersOutput{}, err
	}
	out := listStreamConsumersOutput{Consumers: []consumerSummary{}}
	for _, found := range st.consumers {
		if found.name > in.NextToken {
			out.Consumers = append(out.Consumers, found.summary())
		}
	}
	slices.SortFunc(out.Consumers, func(a, b consumerSummary) int { return cmp.Compare(a.ConsumerName, b.ConsumerName) })
	if len(out.Consumers) > most {
		out.Consumers = out.Consumers[:most]
		out.NextToken = out.Consumers[most-1].ConsumerName
	}
	return out, nil
}
