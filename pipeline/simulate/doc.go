// Package simulate makes labelled VPC traffic: the flow-log lines that AWS
// would have written for a small company's networks, attacks at known times
// among them, and the truth about what is in it. The same Config gives the same
// bytes.
//
// The background is what normally flows: web services on 443 behind public
// load balancers, with a level that follows the day; health checks; the web
// servers' databases and caches over connections that stay open; name lookups;
// updates through a NAT gateway; an administrator's SSH; interfaces without
// traffic; the probes that every public address gets; now and then a SKIPDATA,
// a line that is broken and one that comes far too late. Every internal peer
// answers and every prober sends little. By itself the background is plain:
// counts are Poisson around smooth levels, and no rule should fire on it. With
// Config.Varied it has what makes real traffic hard: see rhythm and gust.
//
// Flows are recorded as AWS records them: by each interface they pass, request
// and reply apart, for one minute or ten at a time, and delivered by a schedule.
//
// A scenario adds records and changes none. What it draws, what goes wrong with
// lines and when they arrive have sources of chance of their own, so the same
// traffic can be had with and without attacks, in either format and interval.
package simulate
