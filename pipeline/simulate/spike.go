package simulate

import "time"

// learning is how long a baseline counts as young: findings are Low at most.
const learning = 48 * time.Hour

// planIngressSpike: a load balancer gets many times its normal connections,
// from addresses that were not seen before, each sending more than usual.
func planIngressSpike(p *planning) (play, error) {
	lb, err := p.need(balancer)
	if err != nil {
		return nil, err
	}
	set(&p.Factor, 15)
	p.truth.Rule, p.truth.Severity, p.truth.Key = "spike", "low", lb.id
	if p.Factor >= 10 && p.At > learning {
		p.truth.Severity = "medium"
	}
	return func(g *Generator, _ int) {
		for range g.poisson((p.Factor - 1) * visitsPerMinute * g.cfg.Level * day(g.now)) {
			x := g.visit(stranger(g.rng), lb.addr)
			x.sent *= 4
			g.inbound(lb, x)
		}
	}, nil
}
