package simulate

import (
	"github.com/flowwatch/flowwatch/pipeline/envelope"
)

// LogGroup is the log group of every stream.
const LogGroup = "/vpc/flow-logs"

// eventsPerEnvelope keeps an envelope below the 1 MiB that Kinesis takes, also
// before compression.
const eventsPerEnvelope = 2000

// Packer wraps batches as CloudWatch Logs subscriptions do. Its buffers are
// kept; it is not for concurrent use. The zero value is ready.
type Packer struct {
	encoder envelope.Encoder
	events  []envelope.Event
}

// Envelopes yields the batch as gzipped DATA_MESSAGEs, one for small batches.
// Each has memory of its own.
func (p *Packer) Envelopes(b *Batch, yield func(data []byte)) {
	for lines := b.Lines; len(lines) > 0; {
		n := min(len(lines), eventsPerEnvelope)
		p.events = p.events[:0]
		for _, l := range lines[:n] {
			p.events = append(p.events, envelope.Event{Timestamp: l.Start * 1000, Message: l.Text})
		}
		yield(p.encoder.AppendCloudWatch(nil, b.Account, LogGroup, b.Stream, p.events))
		lines = lines[n:]
	}
}
