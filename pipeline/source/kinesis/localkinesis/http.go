package localkinesis

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody holds the largest PutRecords (10 MiB, in base64) with room to spare.
const maxBody = 32 << 20

const targetPrefix = "Kinesis_20131202."

// operations by the name that X-Amz-Target carries.
var operations = map[string]func(*Server, *json.Decoder) (any, error){
	"CreateStream":          operation((*Server).createStream),
	"DeleteStream":          operation((*Server).deleteStream),
	"DescribeStreamSummary": operation((*Server).describeStreamSummary),
	"ListShards":            operation((*Server).listShards),
	"PutRecord":             operation((*Server).putRecord),
	"PutRecords":            operation((*Server).putRecords),
	"GetShardIterator":      operation((*Server).getShardIterator),
	"GetRecords":            operation((*Server).getRecords),
	"SplitShard":            operation((*Server).splitShard),
	"MergeShards":           operation((*Server).mergeShards),
	"UpdateShardCount":      operation((*Server).updateShardCount),

	"RegisterStreamConsumer":   operation((*Server).registerStreamConsumer),
	"DescribeStreamConsumer":   operation((*Server).describeStreamConsumer),
	"ListStreamConsumers":      operation((*Server).listStreamConsumers),
	"DeregisterStreamConsumer": operation((*Server).deregisterStreamConsumer),
}

// none is the output of the operations that answer with an empty body.
type none struct{}

// operation wraps the decoding of its input around one operation.
func operation[In, Out any](do func(*Server, In) (Out, error)) func(*Server, *json.Decoder) (any, error) {
	return func(s *Server, body *json.Decoder) (any, error) {
		var in In
		if err := body.Decode(&in); err != nil {
			var tooLong *http.MaxBytesError
			if errors.As(err, &tooLong) {
				return nil, badRequest("ValidationException", "the request is larger than %d bytes", tooLong.Limit)
			}
			return nil, badRequest("SerializationException", "%s", err)
		}
		return do(s, in)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-amzn-RequestId", fmt.Sprintf("local-%012d", s.requests.Add(1)))
	do, err := s.operation(r)
	switch {
	case err != nil:
		fail(w, err)
		return
	case do == nil:
		s.push(w, r)
		return
	}
	out, err := do(s, json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)))
	if err != nil {
		fail(w, err)
		return
	}
	body := []byte(nil)
	if _, empty := out.(none); !empty {
		if body, err = json.Marshal(out); err != nil {
			fail(w, err)
			return
		}
	}
	reply(w, http.StatusOK, body)
}

// operation finds what a request asks for; nil is SubscribeToShard, whose
// answer is no single document.
func (s *Server) operation(r *http.Request) (func(*Server, *json.Decoder) (any, error), error) {
	name, ours := strings.CutPrefix(r.Header.Get("X-Amz-Target"), targetPrefix)
	do := operations[name]
	switch {
	case r.Method != http.MethodPost:
		return nil, &apiError{http.StatusMethodNotAllowed, "InvalidAction", "POST is accepted, not " + r.Method}
	case !ours || do == nil && name != subscribeOperation:
		return nil, badRequest("UnknownOperationException", "X-Amz-Target %q is not served here", r.Header.Get("X-Amz-Target"))
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-amz-json-1.1"):
		return nil, badRequest("SerializationException", "Content-Type application/x-amz-json-1.1 is accepted, not %q", r.Header.Get("Content-Type"))
	}
	return do, nil
}

func fail(w http.ResponseWriter, err error) {
	var known *apiError
	if !errors.As(err, &known) {
		known = &apiError{http.StatusInternalServerError, "InternalFailure", err.Error()}
	}
	body, _ := json.Marshal(map[string]string{"__type": known.code, "message": known.message})
	reply(w, known.status, body)
}

func reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client is gone when this fails
}

// timestamp is a time as awsJson has it: seconds since 1970, with milliseconds.
type timestamp struct{ time.Time }

func (t timestamp) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1e3, 'f', 3, 64), nil
}

func (t *timestamp) UnmarshalJSON(text []byte) error {
	seconds, err := strconv.ParseFloat(string(text), 64)
	if err != nil || math.Abs(seconds) > 1e11 {
		return fmt.Errorf("timestamp %.40s: a number of seconds is accepted", text)
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1e3)))
	return nil
}
