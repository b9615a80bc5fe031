package localkinesis

import (
	"fmt"
	"net/http"
)

// apiError is an error as the protocol shows it: a status, and a body with
// __type and message.
type apiError struct {
	status  int
	code    string
	message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func badRequest(code, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func invalidArgument(format string, args ...any) *apiError {
	return badRequest("InvalidArgumentException", format, args...)
}

func notFound(format string, args ...any) *apiError {
	return badRequest("ResourceNotFoundException", format, args...)
}

func inUse(format string, args ...any) *apiError {
	return badRequest("ResourceInUseException", format, args...)
}

func throttled(shardID, stream string) *apiError {
	return badRequest("ProvisionedThroughputExceededException",
		"Rate exceeded for shard %s in stream %s under account %s.", shardID, stream, account)
}

func expiredIterator(format string, args ...any) *apiError {
	return badRequest("ExpiredIteratorException", format, args...)
}

func internalFailure() *apiError {
	return &apiError{http.StatusInternalServerError, "InternalFailure", "The request failed because of an injected fault."}
}
