package detect

import (
	"testing"
	"time"

	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

func successRule() Detector { return NewScanSuccess(DefaultScanSuccess(), 5*time.Minute) }

func TestSessionsAfterAScan(t *testing.T) {
	scan := try(insider, rejected, ports("10.0.9.1", 1, 12))
	inBothLives(t, successRule, func(c *ruleCase) {
		c.next(scan).want()
		c.next(try(insider, data, ports("10.0.9.1", 8080, 1)))
		c.want("p1 create high #1 uid=p1 scan.success,vertical")
		c.whole()
	})
	inBothLives(t, successRule, func(c *ruleCase) { // in the pane of the scan
		c.next(scan, try(insider, data, ports("10.0.9.1", 8080, 1))).
			want("p0 create high #1 uid=p0 scan.success,vertical")
	})
	inBothLives(t, successRule, func(c *ruleCase) { // what it found open, hours later
		c.next(scan, try(insider, connected, ports("10.0.9.1", 8080, 1))).quiet(60).want()
		c.next(try(insider, data, ports("10.0.9.1", 8080, 1))).
			want("p61 create high #1 uid=p61 scan.success,vertical")
	})
	inBothLives(t, successRule, func(c *ruleCase) { // from outside: a port of administration only
		c.next(try(outsider, rejected, ports("10.0.9.1", 1000, 12))).
			next(try(outsider, data, ports("10.0.9.1", 443, 1))).want().
			next(try(outsider, data, ports("10.0.9.1", 22, 1))).
			want("p2 create high #1 uid=p2 scan.success,vertical")
	})
	for name, story := range map[string]func(c *ruleCase){
		"no scan before":              func(c *ruleCase) { c.next(try(insider, data, ports("10.0.9.1", 1, 30))) },
		"the probe itself is no data": func(c *ruleCase) { c.next(scan).next(try(insider, connected, ports("10.0.9.1", 8080, 1))) },
		"data with it before": func(c *ruleCase) {
			c.next(try(insider, data, ports("10.0.9.1", 8080, 1)), try(insider, rejected, ports("10.0.9.5", 1, 2))).next(scan).next(try(insider, data, ports("10.0.9.1", 8080, 1)))
		},
		"another host and port": func(c *ruleCase) { c.next(scan).next(try(insider, data, ports("10.0.8.8", 8080, 1))) },
		"a day later": func(c *ruleCase) {
			c.next(scan).quiet(300).next(try(insider, data, ports("10.0.9.1", 8080, 1)))
		},
		"hours later, not found open": func(c *ruleCase) { c.next(scan).quiet(60).next(try(insider, data, ports("10.0.9.1", 873, 1))) },
		"an agent whose server died": func(c *ruleCase) {
			for range 24 {
				c.next(try(insider, syn, ports("10.0.9.1", 4505, 1)))
			}
			c.next(try(insider, data, ports("10.0.9.1", 22, 1)))
		},
		"six dead peers of thirty": func(c *ruleCase) {
			for range 24 {
				c.next(try(insider, syn, hosts("10.0.9.1", 6, 7946, tcp)), try(insider, data, hosts("10.0.8.1", 24, 7946, tcp)))
			}
			c.next(try(insider, data, hosts("10.0.7.1", 3, 7946, tcp)))
		},
		"a crawler that meets 404 only": func(c *ruleCase) { c.next(try(outsider, data, hosts("10.0.9.1", 30, 443, tcp))) },
	} {
		t.Run(name, func(t *testing.T) { inBothLives(t, successRule, func(c *ruleCase) { story(c); c.want() }) })
	}
}

func TestScanSuccess(t *testing.T) {
	scan := try(insider, rejected, ports("10.0.7.42", 1000, 12))
	outside := try(outsider, rejected, ports("10.0.7.42", 1000, 12))
	for _, k := range []struct {
		name  string
		panes [][]tries
		finds int
	}{
		{"a session on the scanned host", [][]tries{{scan}, {try(insider, data, ports("10.0.7.42", 5432, 1))}}, 1},
		{"an answer without data", [][]tries{{scan}, {try(insider, connected, ports("10.0.7.42", 5432, 1))}}, 0},
		{"a session on another host and port", [][]tries{{scan}, {try(insider, data, ports("10.0.9.1", 443, 1))}}, 0},
		{"known before the scan", [][]tries{
			{try(insider, rejected, ports("10.0.7.42", 999, 1)), try(insider, data, ports("10.0.7.42", 5432, 1))},
			{scan}, {try(insider, data, ports("10.0.7.42", 5432, 1))},
		}, 0},
		{"eight failures", [][]tries{{try(insider, rejected, ports("10.0.7.42", 1000, 8))}, {try(insider, data, ports("10.0.7.42", 22, 1))}}, 0},
		{"from outside, SSH", [][]tries{{outside}, {try(outsider, data, ports("10.0.7.42", 22, 1))}}, 1},
		{"from outside, a web page", [][]tries{{outside}, {try(outsider, data, ports("10.0.7.42", 443, 1))}}, 0},
		{"SYNs without an answer, then a session", [][]tries{
			{try(insider, syn, ports("10.0.7.42", 1000, 12))}, {}, {try(insider, data, ports("10.0.7.42", 22, 1))},
		}, 1},
		{"SYNs that are answered a pane later", [][]tries{
			{try(insider, syn, ports("10.0.7.42", 1000, 12)), try(insider, data, ports("10.0.7.42", 22, 1))},
			{try(insider, aggregate.SynAck, ports("10.0.7.42", 1000, 12)), try(insider, data, ports("10.0.7.42", 22, 1))},
			{try(insider, data, ports("10.0.7.42", 22, 1))},
		}, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := caseOf(t, successRule)
			for _, p := range k.panes {
				c.next(p...)
			}
			c.quiet(1).wantCreates(k.finds)
		})
	}
}
