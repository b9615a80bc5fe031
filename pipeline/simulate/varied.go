package simulate

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"time"
)

// rhythm is how busy an interface is, and when.
type rhythm struct {
	scale   float64 // of its traffic against that of the others
	swing   float64 // amplitude of the day
	evening float64 // amplitude of the half day, against the day's
	begins  float64 // hour UTC at which the day crosses its mean upwards
	weekend float64 // level of Saturday and Sunday
	bursty  bool
}

// steady is the rhythm of every interface without Config.Varied: a smooth curve
// between 0.65 at night and 1.35 in the afternoon, which changes by no more than
// a tenth in an hour.
var steady = rhythm{scale: 1, swing: 0.35, begins: 8, weekend: 1}

// gust is how the level of an interface departs from the smooth one: by a walk
// in its logarithm that returns to the mean within a quarter of an hour to some
// hours (Ornstein and Uhlenbeck), by a gamma variable each minute, and with bursts.
type gust struct {
	spread float64    // standard deviation of the logarithm
	memory float64    // what is left of a departure after a minute
	phi    float64    // variance of a minute's gamma variable, at most 1
	seed   [2]uint64  // of the walk's own chance, so that it can be walked ahead of time
	steps  *rand.Rand // from that seed
	walk   float64    // the logarithm now
	burst  int        // minutes that a burst still lasts
	peak   float64    // times the level, of the burst
}

// walks begins the walk.
func (w *gust) walks() {
	w.steps = rand.New(rand.NewPCG(w.seed[0], w.seed[1]))
	w.walk = 0
}

// step walks on by a minute and returns what to multiply the smooth level by; 1
// on average.
func (w *gust) step() float64 {
	w.walk = w.memory*w.walk + w.spread*math.Sqrt(1-w.memory*w.memory)*w.steps.NormFloat64()
	return math.Exp(w.walk - w.spread*w.spread/2)
}

// burstyShare is the share of interfaces whose traffic comes in bursts, and
// burstOdds in how many minutes one begins there: six a day.
const (
	burstyShare = 0.12
	burstOdds   = 240
	highestPeak = 12
	harshPeak   = 30
)

// backupShare is the share of sites with a backup each night.
const backupShare = 0.4

// vary gives every interface a rhythm of its own: rates are lognormal, so that a
// few are far busier than most, around the mean of 1. Interfaces of a VPC have
// their day at about the same time.
func vary(vpcs []*vpc, seed uint64) {
	const sigma = 1.2
	rng := rand.New(rand.NewPCG(seed, 1<<40))
	walk := uint64(1 << 44)
	normal := func(most float64) float64 { return max(-most, min(most, rng.NormFloat64())) }
	for _, v := range vpcs {
		begins, weekend := 5+6*rng.Float64(), 0.35+0.7*rng.Float64()
		swing := 0.1 + 0.5*rng.Float64()
		for _, e := range v.enis {
			e.rhythm = rhythm{
				scale:   math.Exp(sigma*normal(2.5) - sigma*sigma/2),
				swing:   min(0.75, swing*(0.5+rng.Float64())),
				evening: 0.4 * rng.Float64(),
				begins:  begins + normal(1.5),
				weekend: weekend,
				bursty:  rng.Float64() < burstyShare,
			}
			e.gust = gust{
				spread: 0.08 + 0.27*rng.Float64(),
				memory: math.Exp(-1 / (15 + 105*rng.Float64())),
				phi:    0.02 + 0.4*rng.Float64(),
				seed:   [2]uint64{seed, walk},
			}
			e.gust.walks()
			walk++
		}
		for _, s := range v.sites {
			if rng.Float64() < backupShare {
				s.backup = &backup{begins: 60 * (22 + rng.IntN(7)) % 1440, lasts: 10 + rng.IntN(30), perMinute: (20 << 20) * math.Exp(normal(2))}
			}
		}
	}
}

// smooth is the level of an interface at a time without what chance does to it:
// a curve over the day that never falls below a tenth.
func smooth(e *eni, at int64) float64 {
	r := &e.rhythm
	turn := 2 * math.Pi * (float64(at%(24*3600))/3600 - r.begins) / 24
	level := max(0.1, 1+r.swing*(math.Sin(turn)+r.evening*math.Sin(2*turn)))
	if r.weekend != 1 {
		if d := time.Unix(at, 0).UTC().Weekday(); d == time.Saturday || d == time.Sunday {
			level *= r.weekend
		}
	}
	return level * r.scale
}

// blow sets the level of an interface for this minute.
func (g *Generator) blow(e *eni) {
	e.smooth = g.cfg.Level * smooth(e, g.now)
	e.level = e.smooth
	if !g.cfg.Varied {
		return
	}
	w := &e.gust
	e.level *= w.step() * g.gamma(1/w.phi) * w.phi
	if !e.rhythm.bursty {
		return
	}
	switch {
	case w.burst > 0:
		w.burst--
	case g.rng.IntN(burstOdds) == 0:
		w.burst = 1 + g.rng.IntN(4)
		w.peak = 2 * g.pareto(1.6)
		if g.cfg.Harsh {
			w.peak = min(harshPeak, w.peak)
		} else {
			w.peak = min(highestPeak, w.peak)
		}
	}
	if w.burst > 0 {
		e.level *= w.peak
	}
}

// visitRate is how many visits over IPv4 a load balancer gets in this minute on
// average.
func (g *Generator) visitRate(lb *eni) float64 { return visitsPerMinute * lb.smooth }

// backup is what a database host sends to S3 in the same hour each night.
type backup struct {
	begins    int // minute of the day
	lasts     int // minutes
	perMinute float64
	port      uint16
	late      int // minutes, tonight
}

// copyOut makes the backup's part of this minute.
func (g *Generator) copyOut(s *site) {
	host := s.first(database)
	if s.backup == nil || host == nil {
		return
	}
	b := s.backup
	today := int(g.now % (24 * 3600) / minute)
	if today == b.begins {
		b.late, b.port = g.rng.IntN(8), g.port(host)
	}
	n := today - b.begins - b.late
	if n < 0 || n >= b.lasts || b.port == 0 {
		return
	}
	x := exchange{clientPort: b.port, serverPort: 443, protocol: tcp, phase: middle, sent: int64(b.perMinute * math.Exp(0.1*g.rng.NormFloat64())), received: 40_000}
	switch n {
	case 0:
		x.phase = opened
	case b.lasts - 1:
		x.phase = closed
	}
	x.server = netip.AddrFrom4([4]byte{52, 219, 170, 8})
	g.outbound(host, s.first(nat), &x, "S3")
}

// Interface is one network interface of the simulated networks.
type Interface struct {
	Account, VPC, ID string
	Addr             netip.Addr
	Public           bool
	Role             string // balancer, web, database, resolver, nat, bastion, worker or idle
	Bursty           bool
}

// Interfaces returns all of them, in a constant order.
func (g *Generator) Interfaces() []Interface {
	var all []Interface
	for _, v := range g.vpcs {
		for _, e := range v.enis {
			all = append(all, Interface{v.account, v.id, e.id, e.addr, e.public(), e.role.String(), e.rhythm.bursty})
		}
	}
	return all
}

// Allowed returns the scanners that the networks' owner allows.
func (g *Generator) Allowed() []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(allowedScanner, allowedScanner.BitLen())}
}
