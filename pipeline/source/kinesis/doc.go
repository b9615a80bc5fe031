// Package kinesis reads all shards of a Kinesis data stream in one process, by
// polling or by enhanced fan-out, each shard from where the last commit left it.
//
// A shard is a partition. Its life: it is registered with the host (committed)
// before it is read; Next reads it page by page; when it was closed by a split
// or a merge and read to its end, its children follow, a child of a merge only
// after both parents. So records of one partition key stay in order through
// any resharding.
//
// # Where reading begins
//
// `start` counts only while nothing is committed. "latest" becomes the time at
// which the source started, so that a crash before the first record loses
// nothing. For a time T, Kinesis is asked for the shards that were open at T or
// later (asking for the open ones alone would skip what was put since T in
// shards that are closed by now). Those without a listed parent are read from
// T. A child is read from its beginning when its parent gave a record since T,
// as everything in it is newer then, and from T otherwise, as the parent may
// have been closed before T.
//
// # What is retried
//
// Throttling, server errors and an unreachable endpoint are retried for as
// long as it takes, with full jitter; an expired iterator is replaced by one
// after the last record read. While retrying, Next returns empty batches every
// two seconds, so that what was read before does not wait for the endpoint. A
// shard is read at most five times a second: the next request leaves 200 ms
// after the last answer, a second after it at the tip. A missing stream,
// denied access and a position that the stream does not know end the run.
//
// # Enhanced fan-out
//
// The consumer is registered, or found, before anything is read. Each shard has
// one subscription, whose events are taken only when Next is called. It ends
// after five minutes and goes on after the last event's continuation; committed
// positions are those of records, as with polling. Within five seconds of a
// subscription the service refuses another (ResourceInUseException), so the next
// one waits for as long. A subscription whose call does not return, or without
// an event for 30 s, is given up, since nothing else would end it.
//
// Denied calls and a stream that has all the consumers it may have make all
// shards be polled until the next start, with a warning.
//
// A shard that retention removed before it was read to its end counts as
// ended: a warning and flowwatch_source_expired_shards_total tell of it, and
// its children are read.
package kinesis
