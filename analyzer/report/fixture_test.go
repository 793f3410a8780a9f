package report_test

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A dump writes tables by hand, a rule a line.
type dump struct {
	file  *source.File
	table *netfilter.Table
	line  int
}

func newDump(path string, family netfilter.Family, table string) *dump {
	return &dump{file: &source.File{Path: path}, table: netfilter.NewTable(family, table)}
}

// at says on which line the next rule stands.
func (d *dump) at(line int) *dump {
	d.line = line - 1
	return d
}

// rule adds a rule; it is the last statement's text that stands in it.
func (d *dump) rule(chain, matches string, target netfilter.Statement) {
	d.line++
	c, _ := d.table.AddChain(chain, source.Position{File: d.file, Line: d.line})
	text := "-A " + chain
	if matches != "" {
		text += " " + matches
	}
	c.AddRule(netfilter.NewRule(source.Position{File: d.file, Line: d.line}, text+" "+target.String(), nil, []netfilter.Statement{target}))
}

func (d *dump) jump(chain, matches, to string) { d.rule(chain, matches, d.table.Jump(to)) }

// first is the first rule of each of the chains; the whole table must be built.
func (d *dump) first(chains ...string) []*netfilter.Rule {
	var rules []*netfilter.Rule
	for _, c := range chains {
		rules = append(rules, d.table.Chain(c).Rule(0))
	}
	return rules
}

func prefixes(s ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, one := range s {
		p = append(p, netip.MustParsePrefix(one))
	}
	return p
}

func endpoint(addr string, a, b int64, scope inventory.Scope) inventory.Endpoint {
	return inventory.Endpoint{Addr: netip.MustParseAddrPort(addr), Probability: inventory.NewShare((a<<31+b/2)/b, 31), Scope: scope}
}

func service(namespace, name, portName string, family netfilter.Family, port uint16) *inventory.Service {
	return &inventory.Service{
		Namespace: namespace, Name: name, PortName: portName, Protocol: netfilter.TCP, Port: port, Family: family,
		Types: inventory.Types{ClusterIP: true}, ExternalPolicy: inventory.Cluster, InternalPolicy: inventory.Cluster,
	}
}

// words are a reason that was thought of before.
type words struct{ explanation, inCluster string }

func (w words) Explanation() string { return w.explanation }
func (w words) InCluster() string   { return w.inCluster }

// loadBalancer is one service with one node port that joins its cluster IP's
// chain.
func loadBalancer() *analyzer.Analysis {
	d := newDump("iptables-save.txt", netfilter.IPv4, "nat")
	d.at(26).jump("PREROUTING", "", "KUBE-SERVICES")
	d.table.Chain("PREROUTING").Base = &netfilter.Base{}
	d.at(30).jump("KUBE-EXT-FTMM2BQ6UZQ57VVJ", "", "KUBE-SVC-FTMM2BQ6UZQ57VVJ")
	d.at(33).jump("KUBE-NODEPORTS", `-p tcp -m comment --comment "default/my-loadbalancer-service" -m tcp --dport 32000`, "KUBE-EXT-FTMM2BQ6UZQ57VVJ")
	d.at(55).jump("KUBE-SERVICES", "-m addrtype --dst-type LOCAL", "KUBE-NODEPORTS")
	d.at(56).jump("KUBE-SERVICES", "-d 10.96.0.150/32 -p tcp -m tcp --dport 80", "KUBE-SVC-FTMM2BQ6UZQ57VVJ")
	d.at(60).jump("KUBE-SVC-FTMM2BQ6UZQ57VVJ", "", "KUBE-SEP-3YCNM7JYA3GRNSDC")

	svc := service("default", "my-loadbalancer-service", "", netfilter.IPv4, 80)
	svc.Types.NodePort = true
	svc.Chains = inventory.Chains{Service: d.table.Chain("KUBE-SVC-FTMM2BQ6UZQ57VVJ"), External: d.table.Chain("KUBE-EXT-FTMM2BQ6UZQ57VVJ")}
	svc.Endpoints = inventory.NewEndpoints(endpoint("192.168.1.100:8080", 1, 1, inventory.ClusterScope))
	services := d.table.Chain("KUBE-SERVICES")
	svc.Entries = []*inventory.Entry{
		{
			Service: svc, Kind: inventory.ClusterIP, Addresses: prefixes("10.96.0.150/32"), Port: 80,
			Verdict: inventory.IsClusterIP, Masquerade: inventory.MasqueradeConditional,
			Path:      []*netfilter.Rule{d.first("PREROUTING")[0], services.Rule(1)},
			Endpoints: svc.Endpoints,
			Reason:    words{"10.96.0.150:80 jumps into KUBE-SVC-FTMM2BQ6UZQ57VVJ.", ""},
		},
		{
			Service: svc, Kind: inventory.NodePort, Addresses: prefixes("0.0.0.0/0"), Port: 32000,
			Verdict: inventory.JoinsClusterIP, Masquerade: inventory.MasqueradeAlways,
			Path:      d.first("PREROUTING", "KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXT-FTMM2BQ6UZQ57VVJ"),
			Endpoints: svc.Endpoints,
			Reason:    words{"Node port 32000 jumps into KUBE-SVC-FTMM2BQ6UZQ57VVJ, the chain that 10.96.0.150:80 jumps into. The packet's destination never is 10.96.0.150.", ""},
		},
	}
	return &analyzer.Analysis{
		Snapshot: &snapshot.Snapshot{
			Sources: []*snapshot.Source{
				{
					Pos: source.Position{File: d.file, Line: 1}, Format: snapshot.IPTablesSave, Family: netfilter.IPv4,
					Backend: netfilter.Legacy, Tables: []string{"nat"}, Chains: 5, Rules: 6,
				},
				{Pos: source.Position{File: &source.File{Path: "ip-addr.txt"}, Line: 1}, Format: snapshot.IPAddr},
			},
			Tables: []*netfilter.Table{d.table},
			Addresses: []snapshot.Address{
				{Interface: "lo", Prefix: netip.MustParsePrefix("127.0.0.1/8")},
				{Interface: "eth0", Prefix: netip.MustParsePrefix("172.18.0.3/16")},
				{Interface: "eth0", Prefix: netip.MustParsePrefix("fe80::1/64")},
			},
			AddressesFrom: snapshot.FromIPAddr,
		},
		Inventory: &inventory.Inventory{Mode: kubeproxy.IPTables, Services: []*inventory.Service{svc}},
		Coverage:  analyzer.Coverage{Complete: true},
	}
}

// hostile is text that would do harm if it were printed as it is.
const hostile = "\x1b]0;x\a\u202eevil\u009b\xff<b>\u200b\U000e0041"

// medley has something of everything: both families, a nameless service, every
// kind of entry, hostile names, missing captures, many remarks, a finding.
func medley() *analyzer.Analysis {
	d := newDump("node.txt", netfilter.IPv4, "nat")
	d.jump("PREROUTING", "", "KUBE-SERVICES")
	d.table.Chain("PREROUTING").Base = &netfilter.Base{}
	d.jump("KUBE-SERVICES", "-d 203.0.113.7/32", "KUBE-FW-AAAAAAAAAAAAAAAA")
	d.jump("KUBE-FW-AAAAAAAAAAAAAAAA", "-s 198.51.100.0/24", "KUBE-EXT-AAAAAAAAAAAAAAAA")
	d.rule("KUBE-NODEPORTS", `-m comment --comment "`+hostile+`"`, new(netfilter.NewDNAT(netfilter.NATRange{
		First: netip.MustParseAddr("10.9.9.9"), Last: netip.MustParseAddr("10.9.9.9")}, netfilter.NATFlags{})))
	f := newDump("node.txt", netfilter.IPv4, "filter").at(40)
	f.jump("FORWARD", "", "KUBE-EXTERNAL-SERVICES")
	f.rule("KUBE-EXTERNAL-SERVICES", "-d 203.0.113.8/32", &netfilter.Reject{With: "icmp-port-unreachable"})
	f.table.Chain("FORWARD").Base = &netfilter.Base{}

	web4, web6 := service("shop", "web", "http", netfilter.IPv4, 80), service("shop", "web", "http", netfilter.IPv6, 80)
	web4.Types = inventory.Types{ClusterIP: true, NodePort: true, LoadBalancer: true}
	web4.ExternalPolicy = inventory.Local
	web4.Affinity = &inventory.Affinity{TimeoutSeconds: 10800}
	web4.SourceRanges = prefixes("198.51.100.0/24")
	web4.HealthCheckNodePort = 30999
	four := []inventory.Endpoint{
		endpoint("10.1.0.1:8080", 1, 3, inventory.ClusterScope),
		endpoint("10.1.0.2:8080", 1, 3, inventory.ClusterScope),
		endpoint("10.1.0.3:8080", 1, 3, inventory.ClusterScope),
		endpoint("10.1.0.1:8080", 1, 1, inventory.LocalScope),
	}
	web4.Endpoints = inventory.NewEndpoints(four...)
	web4.Entries = []*inventory.Entry{
		{Service: web4, Kind: inventory.ClusterIP, Addresses: prefixes("10.96.0.7/32"), Port: 80, Verdict: inventory.IsClusterIP, Masquerade: inventory.MasqueradeHairpin, Endpoints: inventory.NewEndpoints(four[:3]...)},
		{
			Service: web4, Kind: inventory.NodePort, Addresses: prefixes("172.18.0.3/32", "10.0.0.0/8"), ExceptAddresses: prefixes("127.0.0.0/8"), Port: 30080,
			Verdict: inventory.LocalEndpoints, Masquerade: inventory.MasqueradeNever, Endpoints: inventory.NewEndpoints(four[3:]...),
			Reason: words{"Outside clients get the local endpoint.", "pods get all three endpoints"},
		},
		{
			Service: web4, Kind: inventory.LoadBalancerIP, Addresses: prefixes("203.0.113.7/32"), Port: 80,
			Verdict: inventory.Filtered, Masquerade: inventory.MasqueradeAlways,
			Path: d.first("PREROUTING", "KUBE-SERVICES", "KUBE-FW-AAAAAAAAAAAAAAAA"), Endpoints: inventory.NewEndpoints(four[:3]...),
			Reason: words{"Only 198.51.100.0/24 joins.", ""},
		},
		{
			Service: web4, Kind: inventory.ExternalIP, KindAssumed: true, Addresses: prefixes("203.0.113.8/32"), Port: 80,
			Verdict: inventory.NoEndpoints, Masquerade: inventory.MasqueradeUnknown,
			Path: append(d.first("PREROUTING"), f.first("FORWARD", "KUBE-EXTERNAL-SERVICES")...), Reason: words{"Rejected.", ""},
		},
	}
	web6.Endpoints = inventory.NewEndpoints(endpoint("[fd00::1]:8080", 1, 1000000, inventory.ClusterScope), endpoint("[fd00::2]:8080", 999999, 1000000, inventory.ClusterScope))
	web6.Entries = []*inventory.Entry{
		{Service: web6, Kind: inventory.ClusterIP, Addresses: prefixes("fd00:10::7/128"), Port: 80, Verdict: inventory.Broken, Masquerade: inventory.MasqueradeUnknown, Reason: words{"KUBE-SVC-X is empty.", ""}},
		{Service: web6, Kind: inventory.NodePort, Addresses: prefixes("::/0"), Port: 30080, Verdict: inventory.Unknown, Masquerade: inventory.MasqueradeUnknown, Reason: words{"Not captured.", ""}},
	}
	evil := service("x", hostile, hostile, netfilter.IPv4, 81)
	evil.Entries = []*inventory.Entry{{
		Service: evil, Kind: inventory.NodePort, Addresses: prefixes("0.0.0.0/0"), Port: 31000, Verdict: inventory.DifferentBackends,
		Masquerade: inventory.MasqueradeConditional, Path: d.first("KUBE-NODEPORTS"),
		Endpoints: inventory.NewEndpoints(inventory.Endpoint{Addr: netip.MustParseAddrPort("10.9.9.9:80")}),
		Reason:    words{"Ends elsewhere: " + hostile, hostile},
	}}
	nameless := &inventory.Service{Protocol: netfilter.UDP, Family: netfilter.IPv4}
	nameless.Entries = []*inventory.Entry{{Service: nameless, Kind: inventory.LoadBalancerIP, Addresses: prefixes("203.0.113.9/32"), Port: 53,
		Verdict: inventory.SameBackends, Masquerade: inventory.MasqueradeNever, Reason: words{"Same.", ""}}}

	a := &analyzer.Analysis{
		Snapshot: &snapshot.Snapshot{
			Sources: []*snapshot.Source{
				{Pos: source.Position{File: d.file, Line: 1}, Format: snapshot.IPTablesSave, Family: netfilter.IPv4, FamilyInferred: true, Tables: []string{"nat", "filter", hostile}, Chains: 6, Rules: 7, SkippedLines: 3},
				{Pos: source.Position{File: d.file, Line: 50}, Format: snapshot.IPVSADMSave, Unbuilt: true},
				{Pos: source.Position{File: &source.File{Path: hostile}, Line: 1}, Format: snapshot.IPTablesSave, Family: netfilter.IPv6, Backend: netfilter.NFTCompat},
				{Pos: source.Position{File: &source.File{Path: "old.txt"}, Line: 1}, Format: snapshot.IPTablesSave, Family: netfilter.IPv4, Backend: netfilter.Legacy, Tables: []string{"nat"}},
			},
			PodCIDRs: prefixes("10.1.0.0/16"),
		},
		Inventory: &inventory.Inventory{Mode: kubeproxy.Mixed, Services: []*inventory.Service{nameless, web4, web6, evil}},
		Coverage: analyzer.Coverage{Missing: []analyzer.Missing{
			{What: "table filter, IPv6", Affects: "REJECT and DROP for services without endpoints", Command: "ip6tables-save -c"},
			{What: "something", Affects: "little"},
		}},
		Findings: []audit.Finding{{
			ID: "KP1003", Name: "dangling-jump", Severity: audit.High, Certainty: "certain", Service: "shop/web:http",
			Message: "a rule " + hostile, Evidence: d.first("KUBE-NODEPORTS"), Remediation: "Capture again.", References: []string{"CVE-2020-8554"},
		}},
	}
	for i := range 23 {
		a.Diagnostics = append(a.Diagnostics, source.Diagnostic{
			Severity: source.Severity(i%3 + 1), Pos: source.Position{File: d.file, Line: i + 3}, Code: "unread-lines", Message: "skipped 1 line, first: " + hostile, Unread: 1,
		})
	}
	a.Diagnostics = append(a.Diagnostics, source.Diagnostic{Severity: source.Warning, Message: "two back ends are loaded at once"})
	return a
}

// nothing is the analysis of an input that holds nothing of kube-proxy.
func nothing() *analyzer.Analysis {
	return &analyzer.Analysis{Snapshot: &snapshot.Snapshot{}, Inventory: &inventory.Inventory{Mode: kubeproxy.NoMode}}
}
