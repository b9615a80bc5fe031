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
	six    bool          // the scenario goes over IPv6
	least  int           // of scans: failures that the rule wants to see
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
	scan := func(k Kind, rule, severity string, least int, lasts time.Duration, also []string, plan func(*planning) (play, error), doc string) KindInfo {
		info := found(k, rule, severity, lasts, also, plan, doc)
		info.least = least
		return info
	}
	// six is the same over IPv6.
	six := func(info KindInfo) KindInfo {
		info.Doc = string(info.Kind) + " over IPv6"
		info.Kind += "-v6"
		info.six = true
		return info
	}
	vertical := scan(VerticalScan, "scan.internal", "high", 9, 4*minutes, besideScan, planVerticalScan, "a host tries many ports of another one")
	sweep := scan(HostSweep, "scan.internal", "high", 9, 3*minutes, besideScan, planHostSweep, "a host tries one port of many addresses")
	block := scan("block-scan", "scan.internal", "high", 9, 5*minutes, besideScan, planBlockScan, "a host tries some ports of some hosts")
	slow := scan("slow-scan", "scan.slow", "medium", 30, 22*hours, besideScan, planSlowScan, "a host tries two targets an hour, for most of a day")
	success := scan("scan-success", "scan.success", "high", 9, 12*minutes, besideScan, planScanSuccess, "a scan, and then sessions with what it found open")
	external := scan(ExternalScan, "scan.external", "low", 100, 4*minutes, besideExternal, planExternalScan, "a host on the Internet tries many ports of public hosts")
	distributed := scan("distributed-scan", "scan.distributed", "medium", 50, 5*minutes, besideExternal, planDistributedScan, "many sources try a few ports each of one interface")
	kinds = []KindInfo{
		vertical, six(vertical), sweep, six(sweep), block, six(block), slow, six(slow), success, six(success),
		scan("udp-sweep", "scan.internal", "high", 0, 3*minutes, besideScan, planUDPSweep, "a host asks one UDP service of many addresses, all of which keep silent"),
		external, six(external), distributed, six(distributed),
		scan("external-success", "scan.success", "high", 9, 12*minutes, besideExternal, planExternalSuccess, "a scan from outside, and then an SSH session with what it scanned"),
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
		flood("spoofed-flood", "medium", 0, 5*minutes, planSpoofedFlood, "SYNs from as many sources as asked for (size=5000000)"),

		{Kind: "internet-sweep", Doc: "one source tries one port of every public address", Expect: ExpectMetric, Rule: "scan.external", Severity: "info",
			Lasts: 5 * minutes, plan: planInternetSweep},
		none("radiation", 6*hours, planRadiation, "the probes that every public address gets all the time: nothing is added to them"),
		none("nat-gateway", 3*hours, planGateway, "private hosts fetch twice as much as usual through the NAT gateway, which gets the answers"),
		none("web-replies", 3*hours, planReplies, "one client opens as many connections as all others: the replies go to hundreds of its ports"),
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
