package checkpoint_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"github.com/flowwatch/flowwatch/pipeline/checkpoint"
	"github.com/flowwatch/flowwatch/pipeline/checkpoint/checkpointtest"
)

// TestS3Conformance holds the store to the contract against a server of our own
// and, with FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET, against another one.
func TestS3Conformance(t *testing.T) {
	t.Run("local", func(t *testing.T) {
		server := newS3Server(t)
		conforms(t, checkpoint.S3Config{Bucket: "state-bucket", Endpoint: server.URL})
	})
	t.Run("external", func(t *testing.T) {
		endpoint, bucket := os.Getenv("FLOWWATCH_S3_ENDPOINT"), os.Getenv("FLOWWATCH_S3_BUCKET")
		if endpoint == "" || bucket == "" {
			t.Skip("FLOWWATCH_S3_ENDPOINT and FLOWWATCH_S3_BUCKET name no other server")
		}
		conforms(t, checkpoint.S3Config{Bucket: bucket, Endpoint: endpoint})
	})
}

func conforms(t *testing.T, cfg checkpoint.S3Config) {
	var places atomic.Int64
	checkpointtest.Run(t, func(t *testing.T) checkpointtest.Opener {
		at := cfg
		at.Prefix = fmt.Sprintf("conformance-%d/%d", os.Getpid(), places.Add(1))
		return func() (checkpoint.Store, error) {
			s, err := checkpoint.OpenS3Lively(t.Context(), at)
			if err != nil {
				return nil, err
			}
			return s, nil
		}
	})
}
