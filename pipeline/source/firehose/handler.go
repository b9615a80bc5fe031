package firehose

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

const (
	headerVersion = "X-Amz-Firehose-Protocol-Version"
	headerID      = "X-Amz-Firehose-Request-Id"
	headerKey     = "X-Amz-Firehose-Access-Key"
	version       = "1.0"
	maxID         = 256 // bytes
)

// failure is an answer other than 200.
type failure struct {
	status  int
	message string
}

func (f *failure) Error() string { return f.message }

// ServeHTTP answers one request when it is committed.
func (s *Source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get(headerID)
	answer := struct {
		RequestID    string `json:"requestId"`
		Timestamp    int64  `json:"timestamp"` // Unix milliseconds
		ErrorMessage string `json:"errorMessage,omitempty"`
	}{RequestID: id}
	status := http.StatusOK
	if err := s.receive(w, r, id); err != nil {
		status = http.StatusInternalServerError
		var f *failure
		if errors.As(err, &f) {
			status = f.status
		}
		answer.ErrorMessage = err.Error()
	}
	s.metrics.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	answer.Timestamp = time.Now().UnixMilli()
	body, err := json.Marshal(answer)
	if err != nil { // strings and a number: can't be
		status, body = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // who has hung up asks again
}

// receive returns when the request is committed.
func (s *Source) receive(w http.ResponseWriter, r *http.Request, id string) error {
	if err := s.check(r, id); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.patience)
	defer cancel()
	onWay, committed := s.partition.accept(hashID(id))
	if committed {
		return nil
	}
	if onWay == nil {
		select {
		case s.partition.slots <- struct{}{}:
		case <-ctx.Done():
			return &failure{http.StatusServiceUnavailable, "too many requests at a time: send it again"}
		}
		records, err := s.read(w, r, id)
		if err != nil {
			<-s.partition.slots
			return err
		}
		if onWay, err = s.partition.enqueue(id, records); err != nil {
			return &failure{http.StatusServiceUnavailable, err.Error()}
		}
	}
	select {
	case <-onWay.done:
		return nil
	case <-ctx.Done():
		select {
		case <-onWay.done: // both at a time, as when a stop commits
			return nil
		default:
		}
		return &failure{http.StatusServiceUnavailable, "not committed in time: send it again"}
	}
}

func (s *Source) check(r *http.Request, id string) error {
	// Hashed, so that the comparison takes as long for any length.
	key := sha256.Sum256([]byte(r.Header.Get(headerKey)))
	switch {
	case subtle.ConstantTimeCompare(key[:], s.key[:]) != 1:
		return &failure{http.StatusUnauthorized, headerKey + " is missing or wrong"}
	case r.Method != http.MethodPost:
		return &failure{http.StatusMethodNotAllowed, "method " + r.Method + ": POST is accepted"}
	case r.Header.Get(headerVersion) != version:
		return &failure{http.StatusBadRequest, fmt.Sprintf("%s %.20q: %s is accepted", headerVersion, r.Header.Get(headerVersion), version)}
	case id == "" || len(id) > maxID:
		return &failure{http.StatusBadRequest, fmt.Sprintf("%s has %d bytes: 1 to %d are accepted", headerID, len(id), maxID)}
	case r.ContentLength > maxBody:
		return &failure{http.StatusRequestEntityTooLarge, errTooLarge.Error()}
	}
	return nil
}

func (s *Source) read(w http.ResponseWriter, r *http.Request, id string) ([][]byte, error) {
	var body io.Reader = http.MaxBytesReader(w, r.Body, maxBody)
	switch encoding := strings.ToLower(r.Header.Get("Content-Encoding")); encoding {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, &failure{http.StatusBadRequest, "body: gzip: " + err.Error()}
		}
		body = z
	default:
		return nil, &failure{http.StatusUnsupportedMediaType, fmt.Sprintf("Content-Encoding %.20q: gzip or none is accepted", encoding)}
	}
	inBody, records, err := readBody(body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errValueTooLarge):
		return nil, &failure{http.StatusRequestEntityTooLarge, errValueTooLarge.Error()}
	case errors.Is(err, errTooLarge) || errors.As(err, &tooLarge):
		return nil, &failure{http.StatusRequestEntityTooLarge, errTooLarge.Error()}
	case err != nil:
		return nil, &failure{http.StatusBadRequest, "body: " + err.Error()}
	case inBody != id:
		return nil, &failure{http.StatusBadRequest, fmt.Sprintf("requestId %.80q differs from the header %s", inBody, headerID)}
	}
	return records, nil
}
