package record

import "strings"

// A step records one thing. A bundle has at most one file of it.
type step struct {
	name string // of the file, without what the way appends
	what string
	// rules says that it tells what the node does with packets.
	rules bool
	// ways are tried in turn until one works.
	ways []way
	// unless names steps; when one of them was recorded, this one is not.
	unless []string
}

// A way is how to get at something: one of its fields command, file and ipvs.
type way struct {
	command []string
	file    string
	ipvs    bool   // the kernel's table of virtual servers
	suffix  string // of the file's name
	// needs is a file that the kernel has when it has the thing at all. Where
	// asking would make the kernel load a module, it is not asked without.
	needs string
	// raw says that addresses stand in it in a form that is not redacted.
	raw bool
}

// String is the way as it is said, and as the manifest has it.
func (w way) String() string {
	switch {
	case w.ipvs:
		return "read IPVS over netlink, after modprobe -va ip_vs"
	case w.file != "":
		return "read " + w.file
	}
	return strings.Join(w.command, " ")
}

// lookFor is how it is said that something is looked for.
func lookFor(file string) string { return "look for " + file }

func run(suffix, command string) way { return way{command: strings.Fields(command), suffix: suffix} }

// plan is everything that is recorded. A node can have rules in both of
// iptables' back ends at once, and its kernel runs both.
var plan = []step{
	{name: "iptables-legacy-save", what: "iptables rules, IPv4, legacy back end", rules: true,
		ways: []way{run(".txt", "iptables-legacy-save -c")}},
	{name: "ip6tables-legacy-save", what: "iptables rules, IPv6, legacy back end", rules: true,
		ways: []way{run(".txt", "ip6tables-legacy-save -c")}},
	{name: "iptables-nft-save", what: "iptables rules, IPv4, nft back end", rules: true,
		ways: []way{run(".txt", "iptables-nft-save -c")}},
	{name: "ip6tables-nft-save", what: "iptables rules, IPv6, nft back end", rules: true,
		ways: []way{run(".txt", "ip6tables-nft-save -c")}},
	// Before 1.8 iptables has one back end, and no name for it.
	{name: "iptables-save", what: "iptables rules, IPv4", rules: true,
		ways: []way{run(".txt", "iptables-save -c")}, unless: []string{"iptables-legacy-save", "iptables-nft-save"}},
	{name: "ip6tables-save", what: "iptables rules, IPv6", rules: true,
		ways: []way{run(".txt", "ip6tables-save -c")}, unless: []string{"ip6tables-legacy-save", "ip6tables-nft-save"}},
	{name: "nft-ruleset", what: "nftables rules, text", rules: true,
		ways: []way{run(".txt", "nft list ruleset")}},
	{name: "nft-ruleset-json", what: "nftables rules, JSON", rules: true,
		ways: []way{run(".json", "nft -j list ruleset")}},
	{name: "ipset-save", what: "ipsets", ways: []way{run(".txt", "ipset save")}},
	// The library that asks over netlink runs modprobe first: it does nothing
	// once the module is there, and without the module it is not asked.
	{name: "ipvsadm-save", what: "IPVS virtual servers", rules: true, ways: []way{
		{ipvs: true, suffix: ".txt", needs: procIPVS},
		{file: procIPVS, suffix: "-proc.txt", raw: true},
	}},
	{name: "ip-addr", what: "addresses", ways: []way{run(".json", "ip -j addr"), run(".txt", "ip addr")}},
	{name: "ip-route", what: "routes, IPv4",
		ways: []way{run(".json", "ip -4 -j route show table all"), run(".txt", "ip -4 route show table all")}},
	{name: "ip-route-ipv6", what: "routes, IPv6",
		ways: []way{run(".json", "ip -6 -j route show table all"), run(".txt", "ip -6 route show table all")}},
	{name: "conntrack", what: "connections, IPv4",
		ways: []way{{command: []string{"conntrack", "-L", "-f", "ipv4"}, suffix: ".txt", needs: conntrackCount}}},
	{name: "conntrack-ipv6", what: "connections, IPv6",
		ways: []way{{command: []string{"conntrack", "-L", "-f", "ipv6"}, suffix: ".txt", needs: conntrackCount}}},
	{name: "nf_conntrack", what: "connections", unless: []string{"conntrack", "conntrack-ipv6"},
		ways: []way{{file: "/proc/net/nf_conntrack", suffix: ".txt"}}},
}

const (
	procIPVS       = "/proc/net/ip_vs"                            // net/netfilter/ipvs/ip_vs_ctl.c
	conntrackCount = "/proc/sys/net/netfilter/nf_conntrack_count" // net/netfilter/nf_conntrack_standalone.c
)

// tools are asked for their versions.
var tools = [][]string{
	{"iptables", "--version"}, {"ip6tables", "--version"}, {"nft", "--version"},
	{"ipset", "--version"}, {"ip", "-V"}, {"conntrack", "--version"},
}
