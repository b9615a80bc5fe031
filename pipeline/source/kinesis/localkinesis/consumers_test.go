package localkinesis

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const streamARN = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

func TestConsumers(t *testing.T) {
	w := start(t, Options{MaxConsumers: 2})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 1})
	refused := func(code, operation string, in any) { t.Helper(); w.want(code, http.StatusBadRequest, operation, in) }
	of := func(name string) object { return object{"StreamARN": streamARN, "ConsumerName": name} }

	refused("ResourceNotFoundException", "DescribeStreamConsumer", of("a"))
	refused("ValidationException", "RegisterStreamConsumer", of("two words"))
	made := w.must("RegisterStreamConsumer", of("a"))["Consumer"].(object)
	if made["ConsumerStatus"] != "CREATING" {
		t.Errorf("registered: %v", made)
	}
	refused("ResourceInUseException", "RegisterStreamConsumer", of("a"))
	w.must("RegisterStreamConsumer", of("b"))
	refused("LimitExceededException", "RegisterStreamConsumer", of("c"))
	found := w.must("DescribeStreamConsumer", object{"ConsumerARN": made["ConsumerARN"]})["ConsumerDescription"].(object)
	if found["ConsumerName"] != "a" || found["ConsumerStatus"] != "ACTIVE" || found["StreamARN"] != streamARN {
		t.Errorf("described: %v", found)
	}

	var names []any
	in := object{"StreamARN": streamARN, "MaxResults": 1}
	for {
		page := w.must("ListStreamConsumers", in)
		for _, listed := range page["Consumers"].([]any) {
			names = append(names, listed.(object)["ConsumerName"])
		}
		if page["NextToken"] == nil {
			break
		}
		in["NextToken"] = page["NextToken"]
	}
	if diff := cmp.Diff([]any{"a", "b"}, names); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}

	refused("ResourceInUseException", "DeleteStream", object{"StreamName": "s"})
	w.must("DeregisterStreamConsumer", of("a"))
	refused("ResourceNotFoundException", "SubscribeToShard", object{"ConsumerARN": made["ConsumerARN"], "ShardId": first})
	again := w.must("RegisterStreamConsumer", of("a"))["Consumer"].(object)
	if again["ConsumerARN"] == made["ConsumerARN"] {
		t.Error("a consumer has the ARN of its namesake")
	}
	w.must("DeleteStream", object{"StreamName": "s", "EnforceConsumerDeletion": true})
}

func TestConsumerIsCreatedInTime(t *testing.T) {
	w := start(t, Options{ConsumerDelay: time.Hour})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 1})
	arn := w.must("RegisterStreamConsumer", object{"StreamARN": streamARN, "ConsumerName": "a"})["Consumer"].(object)["ConsumerARN"]
	if got := w.must("DescribeStreamConsumer", object{"ConsumerARN": arn})["ConsumerDescription"].(object)["ConsumerStatus"]; got != "CREATING" {
		t.Errorf("status %v", got)
	}
	w.want("ResourceInUseException", http.StatusBadRequest, "SubscribeToShard", object{"ConsumerARN": arn, "ShardId": first})
}

// After an update the open shards have one size, and the closed ones lead to
// them.
func TestUpdateShardCount(t *testing.T) {
	w := start(t, Options{})
	w.must("CreateStream", object{"StreamName": "s", "ShardCount": 2})
	update := func(to int) object {
		return object{"StreamName": "s", "TargetShardCount": to, "ScalingType": "UNIFORM_SCALING"}
	}
	w.want("InvalidArgumentException", http.StatusBadRequest, "UpdateShardCount", update(5))
	w.want("ValidationException", http.StatusBadRequest, "UpdateShardCount", update(0))
	w.want("ValidationException", http.StatusBadRequest, "UpdateShardCount", object{"StreamName": "s", "TargetShardCount": 2})
	for _, count := range []int{3, 6, 4, 2, 1, 2} {
		w.must("UpdateShardCount", update(count))
		var got, want []string
		for _, sh := range w.server.streams["s"].openShards() {
			got = append(got, fmt.Sprint(sh.first, "-", sh.last))
		}
		for _, r := range evenRanges(count) {
			want = append(want, fmt.Sprint(r.first, "-", r.last))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d shards (-want +got):\n%s", count, diff)
		}
	}
}
