// Package pipeline is how flow logs become metrics and findings. This comment
// is the architecture; it is kept true.
//
// # The way of the data
//
// One direction, plain calls:
//
//	source ──> envelope ──> flowlog ──> enrich ──> aggregate ──slice──> back ──> detect ──> outlets
//	payloads   lines        Record      Flow       Partial              panes    findings   metrics
//	└──────────── front half, one goroutine a partition ─────────┘      └─ back half, one owner ─┘
//
// A [Source] hands out partitions: a shard, a file. For each, Host.Work runs
// the front half on the source's own goroutine: it takes a batch, unwraps each
// payload (package envelope), parses each line (flowlog), decides who is who
// (enrich) and folds the record into a partial (aggregate). There is no
// channel on this way and no allocation per record. After 50,000 records, two
// seconds, or when nothing more is there to be read, the front half ends the
// slice at a payload boundary and calls the back half's merge with it. That
// call is the exchange between the halves: replicas that share a stream will
// put a second stream in its place, which is why a partial is exact, mergeable
// in whatever order and serialisable, and why lateness is decided before it.
//
// The back half is the only stateful place, and a mutex is its owner. It adds
// slices to open panes, closes panes by the watermark, shows closed panes to
// the detectors and the gauges, and commits.
//
// # Event time
//
// A pane is five minutes by default. A record belongs to the pane of its
// start; its bytes and packets are spread over all panes that [start, end+1)
// covers, by largest remainder, so totals stay exact. A partition's watermark
// is the greatest min(end, arrival) it has seen, less the allowed lateness. A
// record is late if the pane of its start was closed by the watermark of its
// own partition before it came: a pure rule of the partition's records, so the
// order of partitions, a crash or another replica cannot change it. A late
// record counts in the totals and in no pane.
//
// The global watermark is the least over the partitions; a pane closes when it
// has passed the pane's end. Every partition holds it from its registration
// on: all roots are registered before the first slice merges, a child enters
// with the least watermark of its parents, and an ended parent leaves when its
// children have entered. A partition that can wait is held back when it is more
// than an hour of event time ahead of the slowest that is still being read: one
// that has ended can't be waited for, since of a merge of shards the other
// parent has to end first. No pane closes before every source has announced its
// roots, and partitions of a source that the configuration no longer has hold
// nothing. A partition that is proven empty for a
// while follows the clock, at a distance of the allowed lateness and the
// longest aggregation interval.
//
// A rule need not wait for that where it may judge early (detect.Early): each
// slice then shows it, of what the slice adds to, all that came so far. What it
// opens is provisional until the pane closes, and outside every promise of
// identity.
//
// Arrival and "now" come from one injected clock; replaying the same payloads
// gives the same panes and findings.
//
// # The commit
//
// A commit is one atomic delta of key-value entries (package checkpoint):
// positions and watermarks of partitions, what open panes got since the last
// commit, totals that changed, the detectors' own changes, findings to be sent.
// It is encoded under the owner's lock and written without it. Every ten
// seconds by default; at once, at most one a second, when a finding waits.
//
// Nothing leaves the process before the commit that covers it. Metrics that
// are committed come from a [Published] value that is swapped after the commit,
// so a scrape never sees a counter fall, also over a kill and restart. Findings
// go to the outlets after the commit that holds them and are kept there until a
// later commit says they were delivered: at least once, always with the same
// uid and sequence number. What suppress holds back is decided before that, on
// the events of the detectors and in event time (suppressor), and committed with
// them. The last event of each open incident is committed too and part of
// [Published]: a sink whose receiver forgets what it does not hear of again, such
// as Alertmanager, is sent it every minute, also after a restart. Inputs are acknowledged by the commit
// (Partition.Committed). A commit that fails is tried again and nothing is
// merged meanwhile: a full disk stops the reading and loses nothing.
//
// How far each reader gets is kept apart (progress.go): Health fails when one got
// nowhere for five minutes and says what is known of why, Ready when commits or
// slower partitions hold readers back.
//
// Restoring the committed state and resuming each partition after its last
// merged payload is all there is to recovery. State kept for a view, a rule or
// a pane length that has changed since is left behind, and the log says so;
// positions stay.
//
// # Where things are decided
//
//	lateness, malformed records, who began a connection    front half, on one record each
//	what is distinct, what was answered                    partials: sets and evidence bits, merged by OR
//	caps, folding into "other", eviction                   back half, when a pane closes or a commit counts
//	baselines, incidents                                   detectors, on closed panes alone
//
// Caps act in a fixed order (records descending, then key; sources by distinct
// targets first, and equal ones by the hash of their key) and everything they
// fold is counted. While those counters are zero, the same records give the
// same panes and findings. Samples (raw lines, top lists) are best effort and
// outside that promise.
//
// # Choices that differ from the first design
//
// Everything is counted by saturating sums: one hostile record with 2^63-1 bytes
// must not turn a counter negative. Texts become keys of tables, of the committed
// state and of metrics, so one that is not UTF-8 or longer than 1 KiB makes its
// record malformed.
//
// A key's counters return from 0 when the newest pane that grew them is a day
// old, judged by panes and not by the moment of a commit, which a crash moves.
//
// Of an external source that the scan rule does not hold yet, a pane with fewer
// than 8 outcomes is forgotten. Most sources try one or two targets and are never
// seen again; keeping them was most of the work. A hundred failures in one pane,
// and the thresholds of internal sources, stay exact.
//
// scan.external counts 100 failures in two panes and not in one: a scan that
// takes four minutes is else split by the end of a pane and missed. Bursts of an
// hour in which scan.internal finds a scan are left out of scan.slow, and no others.
// scan.distributed counts a SYN as failed before its pane to wait is over: what is
// answered later is few beside its fifty ports.
//
// A set of more than 128 targets keeps a bottom-k sample of 128 with complete
// evidence beside its HyperLogLog counters. One sketch per kind of evidence
// could not tell which targets had which combination, and the outcome of a
// contact is one.
//
// Views by country and system are made from the view by source when a pane closes,
// where they can be: as two more tables with two more sets for each record they took
// the pipeline more than half of its time again. What an eviction takes from the
// view by source is added to them before it goes; in a flood from everywhere they
// keep the 4,096 keys with the most records, since each has a set of its sources.
//
// limits.sources is 131,072 and not a million: five million forged sources in a pane
// then stay below 256 MiB, and all scans beside them are found (docs/detection.md).
// An emptied pane is used again only by partials of its size, and an emptied set
// keeps room for a few targets: both came to have room for the largest otherwise,
// some MiB a minute.
//
// Rules look at contacts by glimpses (detect.Glimpse), which lie in a row and hold the
// outcomes without the targets: most contacts matter to no rule.
//
// Where a source belongs is written into a finding when it is raised, after
// suppression. No rule, no uid and no committed state of a rule knows of it: a newer
// database changes what people read and not what is found.
//
// The spike rule's model alone had 44 false findings of Medium a day and 1,000
// interfaces on traffic with power-law sizes, so each measure learns its tail
// (pipeline/detect/tail.go). Bytes and packets that rise without flows need more,
// and sources are evidence only beside flows. The seasonal peak goes on being used
// after a shift of the level, without limiting it: leaving it out for two days
// reported every nightly job again.
//
// A SYN-ACK from a service port to an ephemeral port is a reply and stays out
// of the spike measures like the rest of that connection: at 60 s aggregation
// most short downloads are a single record with tcp-flags 19.
//
// A payload carries a place, which becomes a position (a string) where a slice
// ends: a Firehose endpoint or a queue of objects has all that it remembers in its
// position, hundreds of kilobytes, and wrote them for each record. Deliveries are
// remembered by package delivered.
//
// The checkpoint store is a set of entries changed by atomic deltas and has no
// separate base: the file store is a B-tree and needs none. The store in S3
// writes one from its own entries when its deltas have grown; it is told deltas
// alone, as the other is. Who holds that store is decided by the condition on
// its pointer, not by a lock: see checkpoint.S3.
//
// # Rooms
//
//	flowlog     fields, layouts, lines to records         knows no AWS, no metrics
//	envelope    payload bytes to lines
//	enrich      direction, source, own networks, where an address belongs; geotable is the built-in
//	            data and mmdb the user's
//	aggregate   views, loads, contacts, panes, watermark
//	sketch      distinct counters, pure
//	detect      findings, incidents, one file per rule    panes in, findings out
//	checkpoint  the committed state                        one contract, checked by checkpointtest
//	source/...  one package per input                      one contract, checked by sourcetest
//	hostiletest bounds for tests with hostile bytes       never in the program
//	simulate    labelled traffic
//	evaluate    recall, false findings and delay against a truth
//	summary     the exact totals of `analyze`
//
// Imports run one way: cmd may import all; pipeline imports the rooms above
// but never a source or a sink; sinks import detect, and sinks/prometheus and
// sinks/status what is published here. sinks/report writes a summary as HTML, with
// what it shares with the status page in sinks/look.
package pipeline
