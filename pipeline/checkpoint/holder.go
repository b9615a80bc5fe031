package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// holder is who holds a store that several machines can reach.
type holder struct {
	ID      string    `json:"id"` // of one opening, never used again
	Host    string    `json:"host"`
	Task    string    `json:"task,omitempty"` // ARN, in Amazon ECS
	Process int       `json:"process"`
	Started time.Time `json:"started"`
}

// newHolder describes this process.
func newHolder(ctx context.Context) holder {
	host, err := os.Hostname()
	if err != nil {
		host = "an unnamed host"
	}
	return holder{
		ID: rand.Text(), Host: host, Task: taskARN(ctx, os.Getenv("ECS_CONTAINER_METADATA_URI_V4")),
		Process: os.Getpid(), Started: time.Now().UTC().Truncate(time.Second),
	}
}

// String names the holder to people.
func (h holder) String() string {
	var b strings.Builder
	if h.Task != "" {
		fmt.Fprintf(&b, "task %s, ", h.Task)
	}
	fmt.Fprintf(&b, "process %d on host %s, which opened it at %s", h.Process, h.Host, h.Started.Format(time.RFC3339))
	return b.String()
}

const metadataTimeout = time.Second

// taskARN asks the metadata endpoint of Amazon ECS which task this is; "" where
// there is none. Only the text of messages depends on it.
func taskARN(ctx context.Context, endpoint string) string {
	if endpoint == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/task", nil) //nolint:gosec // the address is ECS's, from the environment
	if err != nil {
		return ""
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	answer, err := client.Do(request)                                           //nolint:gosec // see above
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	var task struct{ TaskARN string }
	if json.NewDecoder(http.MaxBytesReader(nil, answer.Body, 1<<20)).Decode(&task) != nil {
		return ""
	}
	return task.TaskARN
}
