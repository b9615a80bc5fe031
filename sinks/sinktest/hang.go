package sinktest

import (
	"io"
	"net/http"
)

// Hang is a receiver that never answers. A server learns that a client has gone
// only when it has read the body of its request.
func Hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // nobody is told: the client may be gone
	<-r.Context().Done()
}
