package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// object is one announced object.
type object struct {
	Bucket, Key, ETag string
}

// notification is the union of what may stand in a message.
type notification struct {
	// S3 event notifications; a test event has Event and no Records.
	Event   string `json:"Event"`
	Records []struct {
		EventName string `json:"eventName"`
		S3        struct {
			Bucket struct {
				Name string `json:"name"`
			} `json:"bucket"`
			Object struct {
				Key  string `json:"key"` // URL-encoded, + for a space
				ETag string `json:"eTag"`
			} `json:"object"`
		} `json:"s3"`
	} `json:"Records"`
	// EventBridge.
	DetailType string `json:"detail-type"`
	Detail     struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key  string `json:"key"` // as it is
			ETag string `json:"etag"`
		} `json:"object"`
	} `json:"detail"`
	// SNS, around either.
	Type    string `json:"Type"`
	Message string `json:"Message"`
}

var errNotification = errors.New("no S3 event, EventBridge event, or SNS notification of one")

// parseNotification returns the objects that a message announces: none for a
// test event and for events other than a creation.
func parseNotification(body string) ([]object, error) {
	var n notification
	if err := json.Unmarshal([]byte(body), &n); err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	if n.Message != "" && (n.Type == "Notification" || n.Type == "") {
		inner := n.Message
		n = notification{}
		if err := json.Unmarshal([]byte(inner), &n); err != nil {
			return nil, fmt.Errorf("message of SNS: %w", err)
		}
	}
	switch {
	case n.Event == "s3:TestEvent":
		return nil, nil
	case n.DetailType == "Object Created":
		if n.Detail.Bucket.Name == "" || n.Detail.Object.Key == "" {
			return nil, errNotification
		}
		return []object{{n.Detail.Bucket.Name, n.Detail.Object.Key, n.Detail.Object.ETag}}, nil
	case n.DetailType != "":
		return nil, nil
	case len(n.Records) == 0:
		return nil, errNotification
	}
	var objects []object
	for i, r := range n.Records {
		if !strings.HasPrefix(strings.TrimPrefix(r.EventName, "s3:"), "ObjectCreated") {
			continue
		}
		key, err := url.QueryUnescape(r.S3.Object.Key)
		if err != nil {
			return nil, fmt.Errorf("record %d: key: %w", i, err)
		}
		if r.S3.Bucket.Name == "" || key == "" {
			return nil, fmt.Errorf("record %d: has no bucket or no key", i)
		}
		objects = append(objects, object{r.S3.Bucket.Name, key, r.S3.Object.ETag})
	}
	return objects, nil
}
