package pipeline

import (
	"context"
	"time"
)

// Position says how far a partition has been read: everything up to and
// including the payload that carried it. Only the source that made it reads
// it; to the pipeline it is an opaque string that is committed and handed
// back. The empty Position is "nothing read, nothing resolved".
type Position string

// Position returns p: a position is a place.
func (p Position) Position() Position { return p }

// Place is where a payload ends. Its position is asked for where a slice ends
// there, which few do: a source whose positions are long puts no others into
// words. A place does not change.
type Place interface{ Position() Position }

// Source hands out the partitions of one input, each resumed after its
// committed position.
//
// Run announces the partitions it finds with Host.Register, all the roots in
// one call before any of them is read, and gives each to Host.Work on a
// goroutine of its own; it returns when all have ended, or with the first
// error, or when ctx ends (then nil).
type Source interface {
	// Name is short, constant and unique in a configuration: "kinesis:stream".
	// Every partition ID of the source begins with it and a slash.
	Name() string
	Run(ctx context.Context, host Host) error
}

// Host is the pipeline as a source sees it. Safe for concurrent use.
type Host interface {
	// Resume returns the committed state of the source's partitions, those
	// that have ended among them, by ID.
	Resume(source string) map[string]Resumed

	// Register announces partitions and returns when that is committed. From
	// then on each holds the global watermark until its records raise it. A
	// partition that is known already is left as it is. A child is registered
	// after Work has returned nil for each of its parents.
	Register(ctx context.Context, starts []Start) error

	// Work reads a registered partition to its end. It returns nil when the
	// partition's end is merged, and ctx's error when interrupted.
	Work(ctx context.Context, p Partition) error

	// Now is the injected clock: what arrival times are measured on.
	Now() time.Time
}

// Start announces one partition.
type Start struct {
	ID string
	// At is where reading will begin, resolved: "latest" has become a time.
	At Position
	// Parents are the partitions it continues (a shard after a split or a
	// merge). It enters with the least watermark among them.
	Parents []string
	// Watermark, when not zero, is a bound known beforehand: nothing in the
	// partition that is not late lies before it.
	Watermark time.Time
	// Pull says that reading can wait without losing anything, so a partition
	// far ahead of the others may be held back.
	Pull bool
}

// Resumed is what was committed of a partition.
type Resumed struct {
	Position Position // after the last merged payload, or Start.At
	Ended    bool     // read to its end: never to be read again
	Children []Start  // of an ended partition
}

// Partition is one ordered stream of payloads. Next is called by one
// goroutine; Committed may come from another, at the same time.
type Partition interface {
	ID() string

	// Next returns the next payloads, waiting for them if need be; an empty
	// batch says that nothing is there now, and comes after two seconds at the
	// latest where nothing does: only between two calls can what was read be
	// merged. The batch is valid until the next call. It returns io.EOF at the end of a closed partition (Children are
	// known from then on) and ctx's error when interrupted; any other error
	// ends the run, so what can be retried is retried inside.
	Next(ctx context.Context) (Batch, error)

	// Children are the partitions that continue this one, after io.EOF.
	Children() []Start

	// Committed says that everything up to p is durable: answer, delete,
	// forget. It must not block.
	Committed(p Position)
}

// Batch is what one read returned.
type Batch struct {
	Payloads []Payload
	// Lag is how far the read was behind the newest payload.
	Lag time.Duration
	// Idle says that the partition is proven to hold nothing newer than what
	// has been read: an empty read at the tip.
	Idle bool
	// Urgent says that whoever sent the payloads waits for their commit: it is
	// made as soon as they are merged, at most one a second.
	Urgent bool
	// Unread says, of an empty batch, why nothing could be read and for how
	// long: "no answer from Kinesis for 5m0s". Whether payloads wait is not
	// known then.
	Unread string
}

// Payload is one source record: bytes in some envelope, indivisible for
// positions and slices.
type Payload struct {
	Data     []byte
	Position Place     // after it
	Arrival  time.Time // when the source got it; zero when it can't be known
}
