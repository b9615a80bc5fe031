package localkinesis

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/smithy-go/eventstream"
)

// maxEventBytes of records in one event; one larger record comes alone.
const maxEventBytes = 1 << 20

const subscribeOperation = "SubscribeToShard"

// subscription is the pushing of one shard to one consumer. Guarded by the
// server's lock.
type subscription struct {
	stream *stream
	shard  *shard
	next   uint64 // number of the next record to push
	since  time.Time
	silent bool // an injected fault: nothing is pushed

	ended chan struct{} // closed by end
	why   *apiError     // what the reader is told
}

// end makes the subscription tell its reader why, and stop.
func (sub *subscription) end(why *apiError) {
	select {
	case <-sub.ended:
	default:
		sub.why = why
		close(sub.ended)
	}
}

type subscribeToShardInput struct {
	ConsumerARN      string
	ShardId          string
	StartingPosition struct {
		Type           string
		SequenceNumber string
		Timestamp      *timestamp
	}
}

// subscribeToShard admits a subscription, which takes the place of the one that
// the consumer had to the shard.
func (s *Server) subscribeToShard(in subscribeToShardInput) (*subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reader, err := s.consumer(whichConsumer{ConsumerARN: in.ConsumerARN})
	if err != nil {
		return nil, err
	}
	if reader.status() != "ACTIVE" {
		return nil, inUse("Consumer %s is not active.", in.ConsumerARN)
	}
	sh, err := reader.stream.shard(in.ShardId)
	if err != nil {
		return nil, err
	}
	next, err := s.startOf(reader.stream, sh, getShardIteratorInput{
		ShardIteratorType: in.StartingPosition.Type, StartingSequenceNumber: in.StartingPosition.SequenceNumber, Timestamp: in.StartingPosition.Timestamp,
	})
	if err != nil {
		return nil, err
	}
	if err := s.subscribeFault(sh); err != nil {
		return nil, err
	}
	before := reader.subscriptions[sh.id]
	if before != nil && time.Since(before.since) < s.opts.SubscribeInterval {
		s.stats.InUse++
		return nil, inUse("Another active subscription exists for this consumer: %s", in.ConsumerARN)
	}
	if before != nil {
		before.end(inUse("Another subscription took over: %s", in.ConsumerARN))
	}
	s.stats.Subscriptions++
	sub := &subscription{stream: reader.stream, shard: sh, next: next, since: time.Now(), ended: make(chan struct{})}
	sub.silent = every(s.opts.Faults.SilentEvery, sh.subscriptions)
	reader.subscriptions[sh.id] = sub
	return sub, nil
}

// push serves SubscribeToShard: it answers with an event stream that lasts
// until the shard's end, the subscription's lifetime or the client's leaving.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	out, err := operation((*Server).subscribeToShard)(s, json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)))
	if err != nil {
		fail(w, err)
		return
	}
	sub := out.(*subscription) //nolint:forcetypeassert // what the operation returns
	to := eventWriter{w, http.NewResponseController(w), eventstream.NewEncoder(), sub.since.Add(s.opts.SubscriptionLifetime)}
	if err := to.control.SetReadDeadline(time.Time{}); err != nil { // the server's would end it
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.WriteHeader(http.StatusOK)
	if to.send("event", "initial-response", struct{}{}) != nil {
		return
	}
	s.pushEvents(to, sub, r.Context().Done())
}

func (s *Server) pushEvents(to eventWriter, sub *subscription, left <-chan struct{}) {
	lifetime := time.NewTimer(time.Until(to.deadline))
	defer lifetime.Stop()
	beat := time.NewTicker(s.opts.Heartbeat)
	defer beat.Stop()
	for due := true; ; { // the first event comes at once, also when it is empty
		event, cut, more := s.nextEvent(sub, due)
		due = false
		if event != nil {
			if cut {
				to.cut(event)
			}
			if to.send("event", "SubscribeToShardEvent", event) != nil || event.ContinuationSequenceNumber == nil {
				return
			}
			beat.Reset(s.opts.Heartbeat)
			more = nil
		}
		if more == nil {
			more = closedChannel // there may be records at once
		}
		select {
		case <-left:
			return
		case <-s.closing:
			return
		case <-lifetime.C:
			return
		case <-sub.ended:
			_ = to.send("exception", sub.why.code, map[string]string{"message": sub.why.message})
			return
		case <-beat.C:
			due = true
		case <-more:
		}
	}
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

type subscribeEvent struct {
	Records                    []readRecord
	ContinuationSequenceNumber *string `json:",omitempty"` // nil at the shard's end
	MillisBehindLatest         int64
	ChildShards                []childShard `json:",omitempty"`
}

// nextEvent is what a subscription pushes now: nil when there is nothing and no
// heartbeat is due, then more says when to ask again. cut is an injected fault.
func (s *Server) nextEvent(sub *subscription, due bool) (event *subscribeEvent, cut bool, more <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sh := sub.shard
	if sub.silent {
		return nil, false, sh.await()
	}
	if len(sh.retained(sub.next)) == 0 && sh.isOpen() && !due {
		return nil, false, sh.await()
	}
	sh.events++
	if sub.next > 0 && every(s.opts.Faults.RepeatEvery, sh.events) {
		sub.next--
	}
	event = &subscribeEvent{}
	var rest []record
	event.Records, sub.next, rest = sh.take(sub.next, s.opts.PageRecords, maxEventBytes)
	if len(rest) > 0 {
		event.MillisBehindLatest = max(1, s.now().Sub(rest[0].arrival).Milliseconds())
	}
	if len(rest) > 0 || sh.isOpen() {
		continuation := sh.sequence(max(sub.next, 1) - 1)
		event.ContinuationSequenceNumber = &continuation
	} else {
		event.ChildShards = sub.stream.childShards(sh.id)
	}
	s.stats.Events++
	if cut = every(s.opts.Faults.CutEvery, sh.events); cut {
		s.stats.Cut++
	}
	return event, cut, nil
}

// eventWriter writes one event stream.
type eventWriter struct {
	http.ResponseWriter
	control  *http.ResponseController
	encoder  *eventstream.Encoder
	deadline time.Time // a client that does not read is left then
}

func (w eventWriter) encode(messageType, name string, body any) ([]byte, error) {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	header := eventstream.EventTypeHeader
	if messageType == eventstream.ExceptionMessageType {
		header = eventstream.ExceptionTypeHeader
	}
	message := eventstream.Message{Payload: payload}
	message.Headers.Set(eventstream.MessageTypeHeader, eventstream.StringValue(messageType))
	message.Headers.Set(header, eventstream.StringValue(name))
	message.Headers.Set(eventstream.ContentTypeHeader, eventstream.StringValue("application/json"))
	var frame bytes.Buffer
	err = w.encoder.Encode(&frame, message)
	return frame.Bytes(), err
}

func (w eventWriter) send(messageType, name string, body any) error {
	frame, err := w.encode(messageType, name, body)
	if err != nil {
		return err
	}
	return w.write(frame)
}

func (w eventWriter) write(frame []byte) error {
	err := w.control.SetWriteDeadline(w.deadline.Add(writeGrace))
	_, writeErr := w.Write(frame)
	return errors.Join(err, writeErr, w.control.Flush())
}

// writeGrace is what the last write of a subscription may take beyond its lifetime.
const writeGrace = 5 * time.Second

// cut sends half of an event and drops the connection.
func (w eventWriter) cut(event *subscribeEvent) {
	if frame, err := w.encode("event", "SubscribeToShardEvent", event); err == nil {
		_ = w.write(frame[:len(frame)/2])
	}
	panic(http.ErrAbortHandler)
}
