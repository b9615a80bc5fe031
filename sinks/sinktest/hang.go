package sinktest

import (
	"io"
	"net/http"
)

// Hang is a receiver that never answers. It calls reached when it has read a
// request: only then does a server learn that a client has gone.
func Hang(reached func()) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // nobody is told: the client may be gone
		reached()
		<-r.Context().Done()
	}
}
