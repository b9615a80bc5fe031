package simulate

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// gust is how an interface's level departs from the smooth one.
type gust struct {
	phi   float64 // variance of the level from one five minutes to the next
	level float64 // of these five minutes
	burst int     // minutes that a burst still lasts
	peak  float64 // times the level
}

// burstyShare is the share of interfaces whose traffic comes in bursts.
const burstyShare = 0.12

// vary gives every interface a rate of its own, a few of them far busier than
// most, and every VPC a day of its own. Levels vary from pane to pane as a
// gamma variable does, which makes counts negative-binomial, and a few
// interfaces have bursts with a Pareto tail, which nothing models.
func vary(vpcs []*vpc, rng *rand.Rand) {
	for _, v := range vpcs {
		v.swing = 0.1 + 0.6*rng.Float64()
		for _, e := range v.enis {
			e.scale = math.Exp(max(-2, min(2, rng.NormFloat64())))
			e.gust = gust{phi: 0.01 + 0.14*rng.Float64(), level: 1}
			e.bursty = rng.Float64() < burstyShare
		}
	}
}

// blow moves the level of an interface on by a minute.
func (g *Generator) blow(e *eni) {
	if g.now%300 == 0 {
		e.gust.level = g.gamma(1/e.gust.phi) * e.gust.phi
	}
	if !e.bursty {
		return
	}
	if e.gust.burst > 0 {
		e.gust.burst--
	} else if g.rng.IntN(240) == 0 { // six a day
		e.gust.burst = 1 + g.rng.IntN(4)
		e.gust.peak = min(12, 2*math.Pow(1-g.rng.Float64(), -1/1.6))
	}
}

// rate is what a smooth level comes to at an interface in this minute.
func (g *Generator) rate(e *eni, smooth float64) float64 {
	r := smooth * e.scale
	if g.cfg.Varied {
		r *= e.gust.level
		if e.gust.burst > 0 {
			r *= e.gust.peak
		}
	}
	return r
}

// gamma draws from a gamma distribution of this shape, at least 1, and scale 1
// (Marsaglia and Tsang, 2000).
func (g *Generator) gamma(shape float64) float64 {
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := g.rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(1-g.rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

// level is that of business in a VPC at a time: a smooth curve over the day,
// and with Varied weekends of two thirds.
func (g *Generator) level(v *vpc) float64 {
	l := g.cfg.Level * (1 + v.swing*(day(g.now)-1)/0.35)
	if g.cfg.Varied {
		if d := time.Unix(g.now, 0).UTC().Weekday(); d == time.Saturday || d == time.Sunday {
			l *= 2.0 / 3
		}
	}
	return l
}

// visitRate is how many visits a load balancer gets in this minute on average.
func (g *Generator) visitRate(lb *eni) float64 {
	return visitsPerMinute * g.level(lb.vpc) * lb.scale
}

// Interface is one network interface of the simulated networks.
type Interface struct {
	Account, VPC, ID string
	Addr             netip.Addr
	Public           bool
	Bursty           bool
}

// Interfaces returns all of them, in a constant order.
func (g *Generator) Interfaces() []Interface {
	var all []Interface
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			all = append(all, Interface{v.account, v.id, e.id, e.addr, e.public(), e.bursty})
		}
	}
	return all
}

// Allowed returns the scanners that the networks' owner allows.
func (g *Generator) Allowed() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(allowedScanner, allowedScanner.BitLen())}
}
