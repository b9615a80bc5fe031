// Package firehose receives what Amazon Data Firehose delivers to an HTTP
// endpoint: protocol version 1.0. A listener is one partition; a record of a
// request is one payload.
//
// A request is answered with 200 after the commit that holds it. Until then
// Firehose keeps it and sends it again, under the same request ID. IDs are
// remembered for three hours in the position, and so committed together with
// what they brought: a request that comes again is answered and not counted,
// also after a restart. A request whose records were merged in part, because
// the process ended in the middle, goes on at the record after.
package firehose
