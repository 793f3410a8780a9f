//go:build linux

package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// The node that generated rules are for, as "ip addr" and "ip route" show it.
const (
	generatedAddresses = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 2a:90:8b:7d:7c:3c brd ff:ff:ff:ff:ff:ff
    inet 172.18.0.3/16 brd 172.18.255.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fc00:f853:ccd:e793::3/64 scope global nodad 
       valid_lft forever preferred_lft forever
3: cni0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 2a:90:8b:7d:7c:3d brd ff:ff:ff:ff:ff:ff
    inet 10.244.1.1/24 brd 10.244.1.255 scope global cni0
       valid_lft forever preferred_lft forever
    inet6 fd00:10:244:1::1/64 scope global nodad 
       valid_lft forever preferred_lft forever
`
	generatedRoutes = `default via 172.18.0.1 dev eth0 
10.244.1.0/24 dev cni0 proto kernel scope link src 10.244.1.1 
172.18.0.0/16 dev eth0 proto kernel scope link src 172.18.0.3 
fc00:f853:ccd:e793::/64 dev eth0 proto kernel metric 256 pref medium
fd00:10:244:1::/64 dev cni0 proto kernel metric 256 pref medium
default via fc00:f853:ccd:e793::1 dev eth0 metric 1024 pref medium
`
)

// addresses that rules and packets are about, by kind.
type addresses struct {
	own, pods, outside, virtual []string
	sourceNAT                   string // that no packet has before
	network                     string // for NETMAP
}

var generated = map[bool]addresses{ // by: is IPv6
	false: {
		own:       []string{"172.18.0.3", "10.244.1.1", "127.0.0.1"},
		pods:      []string{"10.244.1.7", "10.244.1.128"},
		outside:   []string{"203.0.113.9", "198.51.100.200", "10.244.0.9"},
		virtual:   []string{"10.96.0.1", "10.96.0.10", "192.0.2.80"},
		sourceNAT: "192.0.2.77", network: "100.64.7.0/24",
	},
	true: {
		own:       []string{"fc00:f853:ccd:e793::3", "fd00:10:244:1::1", "::1"},
		pods:      []string{"fd00:10:244:1::7", "fd00:10:244:1::8000:1"},
		outside:   []string{"2001:db8::9", "2001:db8:7::c8", "fd00:10:244::9"},
		virtual:   []string{"fd00:10:96::1", "fd00:10:96::a", "2001:db8:80::80"},
		sourceNAT: "2001:db8:77::77", network: "2001:db8:64::/64",
	},
}

// A place is where a rule stands: what the kernel takes there depends on the
// hooks that the rule can be reached from.
type place struct {
	table, chain string
	hooks        []string // base chains that lead here
	jumps        []string // chains that may be jumped to
}

func (p place) base() bool { return len(p.hooks) == 1 && p.hooks[0] == p.chain }

// within reports whether the rule is reached from these base chains only.
func (p place) within(hooks ...string) bool {
	return !slices.ContainsFunc(p.hooks, func(h string) bool { return !slices.Contains(hooks, h) })
}

// A generator makes a dump, and remembers the edges of its conditions, for
// packets to be aimed at.
type generator struct {
	t     *rapid.T
	v6    bool
	addrs []netip.Addr
	ports []uint16
	nth   bool // a rule of the dump counts packets
	// aim is what rules are to be close to, nil for nothing; changed is what an
	// earlier rule for it may have changed.
	aim     *trace.Flow
	changed string

	setTypes []netfilter.IPSetType // that the kernel has
	sets     []generatedSet
	setText  string   // for "ipset restore"
	ranges   []string // of bitmaps
	// onlySets makes conditions ask for sets, each for one of its own; sides
	// are those that the set which is made will be asked for.
	onlySets bool
	sides    []string
}

func (g *generator) one(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(g.t, label)
}

func (g *generator) number(label string, from, to int) int {
	return rapid.IntRange(from, to).Draw(g.t, label)
}

// often is true so many times of ten.
func (g *generator) often(label string, tenths int) bool { return g.number(label, 0, 9) >= 10-tenths }

func (g *generator) not(text string) string {
	if g.often("not", 2) {
		return "! " + text
	}
	return text
}

func (g *generator) word(v4, v6 string) string {
	if g.v6 {
		return v6
	}
	return v4
}

// dump is a text for iptables-restore.
func (g *generator) dump() string {
	var b strings.Builder
	for _, table := range tables {
		if g.often(table.name, table.tenths) {
			g.tableText(&b, table.name, table.groups)
		}
	}
	return b.String()
}

func (g *generator) tableText(b *strings.Builder, table string, groups [][]string) {
	fmt.Fprintf(b, "*%s\n", table)
	var places []place
	for i, hooks := range groups {
		var user []string
		for k := range g.number("chains", 0, 3) {
			user = append(user, fmt.Sprintf("%s-%d-%d", strings.ToUpper(table), i, k))
		}
		for _, hook := range hooks {
			policy := "ACCEPT"
			if table != "nat" && g.often("policy", 1) {
				policy = "DROP"
			}
			fmt.Fprintf(b, ":%s %s [0:0]\n", hook, policy)
			places = append(places, place{table, hook, []string{hook}, user})
		}
		for k, name := range user {
			fmt.Fprintf(b, ":%s - [0:0]\n", name)
			places = append(places, place{table, name, hooks, user[k+1:]}) // no loops
		}
	}
	for _, p := range places {
		if p.base() && table != "nat" {
			for _, rule := range answersPass(g.v6) {
				fmt.Fprintf(b, "-A %s %s\n", p.chain, rule)
			}
		}
		for range g.number("rules", 0, 4) {
			fmt.Fprintf(b, "-A %s%s\n", p.chain, g.rule(p))
		}
	}
	b.WriteString("COMMIT\n")
}

// answersPass are the rules that each base chain begins with: whatever the others
// do to probes, the answers of REJECT get through to be seen.
func answersPass(v6 bool) []string {
	unreachable := "-p icmp -m icmp --icmp-type 3 -j ACCEPT"
	if v6 {
		unreachable = "-p ipv6-icmp -m icmp6 --icmpv6-type 1 -j ACCEPT"
	}
	return []string{unreachable, "-p tcp -m tcp --tcp-flags RST RST -j ACCEPT"}
}

// rule is a rule's conditions and target, each with a blank before it.
func (g *generator) rule(p place) string {
	r := &ruleText{generator: g, place: p}
	if g.often("protocol", 4) {
		r.protocol = g.one("which", "tcp", "udp", "sctp", g.word("icmp", "ipv6-icmp"))
	}
	target := r.target()
	for range g.number("matches", 0, 3) {
		r.match()
	}
	return r.text() + target
}

// A ruleText is a rule in the making.
type ruleText struct {
	*generator
	place
	protocol string // "" for any
	matches  []string
	used     []string // modules; each stands once
}

func (r *ruleText) add(module, text string) {
	if !slices.Contains(r.used, module) {
		r.used = append(r.used, module)
		r.matches = append(r.matches, text)
	}
}

func (r *ruleText) hasPorts() bool {
	return r.protocol == "tcp" || r.protocol == "udp" || r.protocol == "sctp"
}

// addr is one of the addresses that things are about.
func (g *generator) addr() string {
	if g.aim != nil && g.often("aim", 7) {
		return g.one("aim", g.aim.Destination.String(), g.aim.Destination.String(), g.aim.Source.String())
	}
	a := generated[g.v6]
	return g.one("address", slices.Concat(a.virtual, a.own, a.pods, a.outside)...)
}

// holes are masks that iptables takes and nobody writes.
var holes = map[bool][]string{
	false: {"255.0.255.255", "0.0.0.255", "255.255.255.253"},
	true:  {"ffff::ffff", "::ff", "ffff:0:ffff:ffff::"},
}

// net is a network around such an address; its edges are remembered.
func (g *generator) net() string {
	a := netip.MustParseAddr(g.addr())
	if g.often("mask with holes", 1) {
		g.addrs = append(g.addrs, a, a.Next())
		return a.String() + "/" + g.one("mask", holes[g.v6]...)
	}
	bits := a.BitLen() - rapid.SampledFrom([]int{0, 0, 0, 1, 2, 4, 7, 8, 9, 16, 24}).Draw(g.t, "host bits")
	p := netip.PrefixFrom(a, bits).Masked()
	last := p.Addr().AsSlice()
	for i := bits; i < a.BitLen(); i++ {
		last[i/8] |= 0x80 >> (i % 8)
	}
	end, _ := netip.AddrFromSlice(last)
	g.addrs = append(g.addrs, p.Addr(), p.Addr().Prev(), end, end.Next())
	return p.String()
}

// span is a range of addresses; its edges are remembered.
func (g *generator) span() string {
	first := netip.MustParseAddr(g.addr())
	last := first
	for range g.number("length", 0, 3) {
		last = last.Next()
	}
	g.addrs = append(g.addrs, first, first.Prev(), last, last.Next())
	return first.String() + "-" + last.String()
}

var somePorts = []uint16{80, 443, 53, 1, 8080, 30080, 40000, 65535}

// portRange is a range of ports; its edges are remembered.
func (g *generator) portRange(separator string) string {
	first := rapid.SampledFrom(somePorts).Draw(g.t, "port")
	if g.aim != nil && g.often("aim", 7) {
		first = g.aim.Port
		if g.aim.SourcePort != 0 && g.often("source", 4) {
			first = g.aim.SourcePort
		}
		first = uint16(min(max(int(first)+g.number("beside", -2, 1), 1), 65535))
	}
	last := first + uint16(min(g.number("more", 0, 3), 65535-int(first)))
	for _, p := range []int{int(first), int(first) - 1, int(last), int(last) + 1} {
		if p > 0 && p < 1<<16 {
			g.ports = append(g.ports, uint16(p))
		}
	}
	if first == last {
		return strconv.Itoa(int(first))
	}
	return strconv.Itoa(int(first)) + separator + strconv.Itoa(int(last))
}

func (g *generator) bits(label string) string {
	return g.one(label, "0x1", "0x2", "0x3", "0x0", "0x3", "0xffffffff")
}

// masked is a value under a mask that covers it.
func (g *generator) masked() string {
	return g.one("mark", "0x0/0x1", "0x1/0x1", "0x2/0x2", "0x1/0x3", "0x2/0x3", "0x3/0xff", "0x0", "0x1", "0x3")
}

// flow is a packet aimed at the rules' edges.
func (g *generator) flow() trace.Flow {
	a := generated[g.v6]
	parse := func(texts []string) (all []netip.Addr) {
		for _, text := range texts {
			all = append(all, netip.MustParseAddr(text))
		}
		return all
	}
	own := parse(a.own)
	f := trace.Flow{State: netfilter.StateNew}
	to := slices.Concat(parse(a.virtual), own[:2], parse(a.pods), parse(a.outside))
	var from []netip.Addr
	switch f.From = trace.Origin(g.one("from", "external", "pod", "node")); f.From {
	case trace.FromExternal:
		f.InInterface, from = "eth0", parse(a.outside)
	case trace.FromPod:
		f.InInterface, from = "cni0", parse(a.pods)
	case trace.FromNode:
		from = own
	}
	edges := slices.DeleteFunc(slices.Clone(g.addrs), func(a netip.Addr) bool { return !usable(a) })
	if len(edges) > 0 && g.often("destination at an edge", 5) {
		to = edges
	}
	f.Destination = rapid.SampledFrom(to).Draw(g.t, "destination")
	edges = slices.DeleteFunc(edges, func(a netip.Addr) bool { return slices.Contains(own, a) })
	if len(edges) > 0 && f.From != trace.FromNode && g.often("source at an edge", 4) {
		from = edges
	}
	f.Source = rapid.SampledFrom(from).Draw(g.t, "source")
	if f.Source.IsLoopback() && !slices.Contains(own, f.Destination) {
		f.Source = own[0] // no client has such packets
	}

	f.Protocol = rapid.SampledFrom([]uint8{netfilter.TCP, netfilter.TCP, netfilter.UDP, netfilter.SCTP, netfilter.ICMP}).Draw(g.t, "protocol")
	if f.Protocol == netfilter.ICMP {
		if g.v6 {
			f.Protocol = netfilter.ICMPv6
		}
		return f
	}
	ports := slices.Concat(somePorts, g.ports)
	f.Port = rapid.SampledFrom(ports).Draw(g.t, "destination port")
	if g.often("source port", 7) {
		f.SourcePort = rapid.SampledFrom(ports).Draw(g.t, "source port")
	}
	if f.Protocol == netfilter.TCP && g.often("invalid", 1) {
		f.State = netfilter.StateInvalid
	}
	return f
}

// usable leaves out the addresses that routing treats by itself: what is no
// unicast address, and the node's loopback but for the packets of its own.
func usable(a netip.Addr) bool {
	if a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
		return false
	}
	if a.Is4() {
		b := a.As4()
		return b[0] != 0 && b[0] < 224 && b[2] != 255 && b[3] != 255 && b[3] != 0 && !(b[0] == 198 && b[1]&0xfe == 18)
	}
	return netip.MustParsePrefix("2000::/3").Contains(a) || netip.MustParsePrefix("fc00::/7").Contains(a)
}
