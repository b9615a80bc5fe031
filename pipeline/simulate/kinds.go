package simulate

import "time"

// The scenarios of the demo.
const (
	// VerticalScan: an internal host tries 120 ports of one other host.
	VerticalScan Kind = "vertical-scan"
	// HostSweep: an internal host tries one port of 60 addresses.
	HostSweep Kind = "host-sweep"
	// ExternalScan: a host on the Internet tries 150 ports of two public hosts.
	ExternalScan Kind = "external-scan"
	// IngressSpike: a web service gets many times its normal connections.
	IngressSpike Kind = "ingress-spike"
)

// KindInfo says what a kind of scenario is.
type KindInfo struct {
	Kind     Kind
	Doc      string
	Expect   string
	Rule     string // that is expected to find it
	Severity string // at least
	Lasts    time.Duration

	also   []string // rules that rightly say something of it too
	factor float64
	needs  time.Duration // how long the networks must have been seen before
	plan   func(*planning) (play, error)
}

// Kinds returns every kind of scenario: what is to be found first, then what is
// not.
func Kinds() []KindInfo { return append([]KindInfo(nil), kinds...) }

func kindOf(k Kind) *KindInfo {
	for i := range kinds {
		if kinds[i].Kind == k {
			return &kinds[i]
		}
	}
	return nil
}

func names() []Kind {
	var all []Kind
	for i := range kinds {
		all = append(all, kinds[i].Kind)
	}
	return all
}

// Rules that a scan within the networks, and a flood, set off beside the one
// that is expected: they are about the same thing.
var (
	besideScan     = []string{"scan.internal", "scan.slow", "scan.success", "spike"}
	besideExternal = []string{"scan.external", "scan.distributed", "spike"}
	besideFlood    = []string{"spike", "ceiling", "scan.distributed", "scan.external"}
	besideForce    = []string{"bruteforce", "spike", "scan.success"}
)

var kinds []KindInfo

func init() {
	const minutes, hours, days = time.Minute, time.Hour, 24 * time.Hour
	found := func(k Kind, rule, severity string, lasts time.Duration, also []string, plan func(*planning) (play, error), doc string) KindInfo {
		return KindInfo{Kind: k, Doc: doc, Expect: ExpectFinding, Rule: rule, Severity: severity, Lasts: lasts, also: also, plan: plan}
	}
	none := func(k Kind, lasts time.Duration, plan func(*planning) (play, error), doc string) KindInfo {
		return KindInfo{Kind: k, Doc: doc, Expect: ExpectNone, Lasts: lasts, plan: plan}
	}
	flood := func(k Kind, severity string, factor float64, lasts time.Duration, plan func(*planning) (play, error), doc string) KindInfo {
		return KindInfo{Kind: k, Doc: doc, Expect: ExpectFinding, Rule: "spike", Severity: severity, Lasts: lasts, also: besideFlood,
			factor: factor, needs: learning, plan: plan}
	}
	kinds = []KindInfo{
		found(VerticalScan, "scan.internal", "high", 4*minutes, besideScan, planVerticalScan, "a host tries many ports of another one"),
		found(HostSweep, "scan.internal", "high", 3*minutes, besideScan, planHostSweep, "a host tries one port of many addresses"),
		found("block-scan", "scan.internal", "high", 5*minutes, besideScan, planBlockScan, "a host tries some ports of some addresses"),
		found("vertical-scan-v6", "scan.internal", "high", 4*minutes, besideScan, planVerticalScan6, "vertical-scan over IPv6"),
		found("block-scan-v6", "scan.internal", "high", 5*minutes, besideScan, planBlockScan6, "block-scan over IPv6"),
		found("host-sweep-v6", "scan.internal", "high", 3*minutes, besideScan, planHostSweep6, "host-sweep over IPv6"),
		found("slow-scan-v6", "scan.slow", "medium", 22*hours, besideScan, planSlowScan6, "slow-scan over IPv6"),
		found("distributed-scan-v6", "scan.distributed", "medium", 5*minutes, besideExternal, planDistributedScan6, "distributed-scan over IPv6"),
		found("slow-scan", "scan.slow", "medium", 22*hours, besideScan, planSlowScan, "a host tries two targets an hour, for most of a day"),
		found("scan-success", "scan.success", "high", 12*minutes, besideScan, planScanSuccess, "a scan, and then a session with what it found open"),
		found(ExternalScan, "scan.external", "low", 4*minutes, besideExternal, planExternalScan, "a host on the Internet tries many ports of public hosts"),
		found("external-scan-v6", "scan.external", "low", 4*minutes, besideExternal, planExternalScan6, "external-scan over IPv6"),
		found("distributed-scan", "scan.distributed", "medium", 5*minutes, besideExternal, planDistributedScan, "many sources try a few ports each of one interface"),
		found("brute-force-ssh", "bruteforce", "medium", 15*minutes, besideForce, planBruteForce(22), "passwords are tried on port 22, from outside"),
		found("brute-force-rdp", "bruteforce", "medium", 15*minutes, besideForce, planBruteForce(3389), "passwords are tried on port 3389, from outside"),
		found("brute-force-internal", "bruteforce", "high", 15*minutes, besideForce, planInternalForce, "passwords are tried on port 22, by a host of our own"),
		flood(IngressSpike, "low", 15, 12*minutes, planIngressSpike, "a web service gets many times its normal connections, with larger requests"),
		flood("flood", "low", 10, 30*minutes, planBotFlood, "some dozens of sources open many times the normal connections"),
		flood("crowd-flood", "low", 10, 30*minutes, planCrowdFlood, "a flood of which every connection has a source of its own"),
		flood("pulse", "low", 20, 5*minutes, planBotFlood, "a flood within a single pane"),
		flood("ramp", "low", 10, 4*hours, planRamp, "a flood that rises over three hours"),
		flood("syn-flood", "medium", 0, 10*minutes, planSynFlood, "SYNs from forged sources, never completed"),
		flood("udp-reflection", "medium", 0, 10*minutes, planReflection, "answers of DNS, NTP or memcached that nobody asked for"),
		flood("dormant-flood", "low", 0, 10*minutes, planDormantFlood, "a flood on an interface that had no traffic"),
		flood("spoofed-flood", "medium", 0, 5*minutes, planSpoofedFlood, "SYNs from as many sources as asked for (--size)"),

		{Kind: "internet-sweep", Doc: "one source tries one port of every public address", Expect: ExpectMetric, Rule: "scan.external", Severity: "info",
			Lasts: 5 * minutes, plan: planInternetSweep},
		none("dead-target", 3*hours, planDeadTarget, "a load balancer checks a target that is dead"),
		none("ssh-checks", 3*hours, planSSHChecks, "a load balancer checks port 22 of a host that is alive"),
		none("crawler", 1*hours, planCrawler, "a search engine reads the web services"),
		none("flash-crowd", 90*minutes, planFlashCrowd, "four times the visitors, for an hour"),
		none("nightly-job", 4*days, planNightlyJob, "a backup to the database host, each night"),
		none("level-shift", 12*hours, planLevelShift, "2.5 times the traffic from a deployment on"),
		none("service-discovery", 6*hours, planDiscovery, "a host asks all its peers, some of which are dead"),
		none("lost-server", 3*hours, planLostServer, "agents on every host call a server that died"),
		none("big-download", 20*minutes, planDownload, "a host fetches gigabytes"),
		none("allowed-scanner", 30*minutes, planAllowedScanner, "a scanner of our own, in the allow-list, scans the public hosts"),
		none("delivery-outage", 12*minutes, planOutage, "no log of a VPC is delivered, and then all at once"),
		none("late-burst", 6*minutes, planLateBurst, "the logs of a VPC come later than the allowed lateness"),
		none("dormant-wakes", 6*hours, planDormantWakes, "an interface without traffic gets a little"),
	}
	for i := range kinds {
		switch kinds[i].Kind {
		case "flash-crowd", "level-shift", "nightly-job", "dormant-wakes":
			kinds[i].needs = learning
		}
	}
}
