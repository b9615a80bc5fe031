package localkinesis

import "regexp"

var streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// maxShards bounds CreateStream, as an account's quota does.
const maxShards = 10_000

type createStreamInput struct {
	StreamName        string
	ShardCount        *int
	StreamModeDetails struct{ StreamMode string }

	MaxRecordSizeInKiB *int
}

func (s *Server) createStream(in createStreamInput) (none, error) {
	count := 1
	switch {
	case in.ShardCount != nil:
		count = *in.ShardCount
	case in.StreamModeDetails.StreamMode == "ON_DEMAND":
		count = 4
	}
	if !streamName.MatchString(in.StreamName) {
		return none{}, badRequest("ValidationException", "StreamName %q: 1 to 128 of a-z A-Z 0-9 _ . - are accepted", in.StreamName)
	}
	if count < 1 || count > maxShards {
		return none{}, badRequest("ValidationException", "ShardCount %d: 1 to %d are accepted", count, maxShards)
	}
	size := maxRecord >> 10
	if in.MaxRecordSizeInKiB != nil {
		if size = *in.MaxRecordSizeInKiB; size < maxRecord>>10 || size > largestRecord>>10 {
			return none{}, badRequest("ValidationException", "MaxRecordSizeInKiB %d: %d to %d are accepted", size, maxRecord>>10, largestRecord>>10)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams[in.StreamName] != nil {
		return none{}, inUse("Stream %s under account %s already exists.", in.StreamName, account)
	}
	s.created++
	now := s.now()
	st := &stream{name: in.StreamName, generation: s.created, created: now, maxRecord: size << 10, consumers: map[string]*consumer{}}
	for _, hashes := range evenRanges(count) {
		st.open(now, hashes)
	}
	s.streams[in.StreamName] = st
	return none{}, nil
}

type deleteStreamInput struct {
	named
	EnforceConsumerDeletion bool
}

func (s *Server) deleteStream(in deleteStreamInput) (none, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in.named)
	if err != nil {
		return none{}, err
	}
	if len(st.consumers) > 0 && !in.EnforceConsumerDeletion {
		return none{}, inUse("Stream %s under account %s has %d consumers registered. Set EnforceConsumerDeletion to true to delete the stream.", st.name, account, len(st.consumers))
	}
	for _, gone := range st.consumers {
		st.deregister(gone)
	}
	delete(s.streams, st.name)
	return none{}, nil
}

type streamSummary struct {
	StreamName              string
	StreamARN               string
	StreamStatus            string
	StreamModeDetails       map[string]string
	StreamCreationTimestamp timestamp
	OpenShardCount          int
	ConsumerCount           int
	RetentionPeriodHours    int
	MaxRecordSizeInKiB      int
	EncryptionType          string
	EnhancedMonitoring      []struct{}
}

type describeStreamSummaryOutput struct {
	StreamDescriptionSummary streamSummary
}

func (s *Server) describeStreamSummary(in named) (describeStreamSummaryOutput, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := s.stream(in)
	if err != nil {
		return describeStreamSummaryOutput{}, err
	}
	open := 0
	for _, sh := range st.shards {
		if sh.isOpen() {
			open++
		}
	}
	return describeStreamSummaryOutput{streamSummary{
		StreamName:              st.name,
		StreamARN:               st.arn(),
		StreamStatus:            "ACTIVE",
		StreamModeDetails:       map[string]string{"StreamMode": "PROVISIONED"},
		StreamCreationTimestamp: timestamp{st.created},
		OpenShardCount:          open,
		ConsumerCount:           len(st.consumers),
		RetentionPeriodHours:    24,
		MaxRecordSizeInKiB:      st.maxRecord >> 10,
		EncryptionType:          "NONE",
		EnhancedMonitoring:      []struct{}{},
	}}, nil
}
