// Package localkinesis is a Kinesis Data Streams endpoint inside the process:
// awsJson 1.1 over HTTP on loopback, reached through the ordinary SDK client.
// The demo and the tests of the Kinesis source run on it.
//
// It knows CreateStream, DeleteStream, DescribeStreamSummary, ListShards,
// PutRecord, PutRecords, GetShardIterator, GetRecords, SplitShard, MergeShards
// and UpdateShardCount, and of enhanced fan-out RegisterStreamConsumer,
// DescribeStreamConsumer, ListStreamConsumers, DeregisterStreamConsumer and
// SubscribeToShard, with the documented results, limits and error shapes.
// Events are pushed over HTTP/1.1 in chunks, where AWS has HTTP/2. Records
// live in memory and the oldest are dropped (and counted) when a stream grows
// beyond Options.RetainBytes. It checks no signatures.
//
// What it does not do: encryption, tags, the asynchronous CREATING and UPDATING
// states of a stream (every operation is finished when it returns).
//
// # Is it right?
//
// The conformance suite of the kinesis package says so: the same tests run
// against this endpoint in every `go test` and against any other one that
// FLOWWATCH_KINESIS_ENDPOINT names. With kinesis-local, an independent
// implementation:
//
//	npm install kinesis-local@0.6.2
//	KINESIS_MOCK_CERT_PATH=$PWD/node_modules/kinesis-local/server.json \
//	KINESIS_MOCK_TLS_PORT=24567 KINESIS_MOCK_PLAIN_PORT=24568 \
//	    node node_modules/kinesis-local/main.js &
//	FLOWWATCH_KINESIS_ENDPOINT=http://127.0.0.1:24568 \
//	    go test -run Conformance ./pipeline/source/kinesis
//
// and with a real account, credentials and region coming from the environment
// as for any AWS tool:
//
//	AWS_REGION=eu-central-1 \
//	FLOWWATCH_KINESIS_ENDPOINT=https://kinesis.eu-central-1.amazonaws.com \
//	    go test -run Conformance -timeout 30m ./pipeline/source/kinesis
//
// The suite makes streams of its own, named flowwatch-conformance-*, of one or
// two shards each, and deletes them; at a real account that takes minutes and
// costs a few cents, and needs kinesis:CreateStream, DeleteStream,
// DescribeStreamSummary, ListShards, PutRecord, PutRecords, GetShardIterator,
// GetRecords, SplitShard and MergeShards.
package localkinesis
