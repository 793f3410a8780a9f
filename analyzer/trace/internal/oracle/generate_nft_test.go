//go:build linux

package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// An nftGenerator makes tables of nftables, with rules that are close to flows
// which it has chosen before.
type nftGenerator struct {
	*generator
	family string // of the tables: "ip", "ip6", "inet"
	flows  []trace.Flow
	fills  bool // a rule changes a set
	b      strings.Builder
}

// A baseChain is a hook with what nft takes there.
type baseChain struct {
	kind, hook string
	priorities []int
}

// baseChains are those that are made. Priorities that conntrack or nat have are
// left out: who is first among equals no listing tells.
var baseChains = []baseChain{
	{"filter", "prerouting", []int{-300, -250, -150, -110, -90, 0, 0, 10}},
	{"filter", "input", []int{-150, -10, 0, 0, 50, 110}},
	{"filter", "forward", []int{-150, -110, 0, 0, 50}},
	{"filter", "output", []int{-300, -150, -110, -90, 0, 0}},
	{"route", "output", []int{-150, 0}},
	{"filter", "postrouting", []int{-150, 0, 90, 110}},
	{"nat", "prerouting", []int{-110, -100, -100, -90}},
	{"nat", "output", []int{-110, -100, -100, -90}},
	{"nat", "postrouting", []int{90, 100, 100, 110}},
	{"nat", "input", []int{100}},
}

// tables is a ruleset with its flows.
func (g *nftGenerator) tables(count int) string {
	for i := range count {
		f := g.flow()
		if f.From == trace.FromNode && i >= 2 {
			f.From, f.InInterface = trace.FromExternal, "eth0"
		}
		f.Source = g.sourceOf(f, i)
		g.flows = append(g.flows, f)
	}
	for i := range g.number("tables", 1, 2) {
		g.table(fmt.Sprintf("t%d", i))
	}
	return g.b.String()
}

func (g *nftGenerator) table(name string) {
	fmt.Fprintf(&g.b, "table %s %s {\n", g.family, name)
	// Regular chains that chains of one kind may lead to.
	kinds := []string{"filter", "dstnat", "srcnat", "input"}
	user := map[string][]string{}
	for _, kind := range kinds {
		for i := range g.number("chains", 0, 3) {
			user[kind] = append(user[kind], fmt.Sprintf("%s-%d/x", kind, i))
		}
	}
	g.sets(user["filter"])
	for _, kind := range kinds {
		for i := len(user[kind]) - 1; i >= 0; i-- { // no loops
			fmt.Fprintf(&g.b, "\tchain %s {\n", user[kind][i])
			g.rules(nftPlace{kind: kind, jumps: user[kind][i+1:]}, 4)
			g.b.WriteString("\t}\n")
		}
	}
	for i := range g.number("base chains", 3, 6) {
		base := baseChains[g.number("base chain", 0, len(baseChains)-1)]
		priority := base.priorities[g.number("priority", 0, len(base.priorities)-1)]
		policy := "accept"
		if base.kind == "filter" && g.often("policy", 1) {
			policy = "drop"
		}
		fmt.Fprintf(&g.b, "\tchain base%d {\n\t\ttype %s hook %s priority %d; policy %s;\n", i, base.kind, base.hook, priority, policy)
		p := nftPlace{kind: "filter", hook: base.hook}
		if base.kind == "nat" {
			p.kind = map[string]string{"postrouting": "srcnat", "input": "input"}[base.hook]
			if p.kind == "" {
				p.kind = "dstnat"
			}
		} else {
			for _, rule := range nftAnswersPass(g.family) {
				fmt.Fprintf(&g.b, "\t\t%s\n", rule)
			}
		}
		p.jumps = user[p.kind]
		g.rules(p, 9)
		g.b.WriteString("\t}\n")
	}
	g.b.WriteString("}\n")
}

// nftAnswersPass is answersPass for tables of nftables.
func nftAnswersPass(family string) []string {
	var rules []string
	if family != "ip6" {
		rules = append(rules, "icmp type destination-unreachable accept")
	}
	if family != "ip" {
		rules = append(rules, "icmpv6 type destination-unreachable accept")
	}
	return append(rules, "tcp flags & rst == rst accept")
}

// addrType is the type of the flows' addresses, and ip how rules name them.
func (g *nftGenerator) addrType() string { return g.word("ipv4_addr", "ipv6_addr") }
func (g *nftGenerator) ip() string       { return g.word("ip", "ip6") }

// near makes what follows close to one of the flows.
func (g *nftGenerator) near() trace.Flow {
	f := g.flows[g.number("flow", 0, len(g.flows)-1)]
	g.aim = &f
	return f
}

// sets are the table's named sets and maps. Keys of intervals must not overlap,
// so that those have few.
func (g *nftGenerator) sets(chains []string) {
	list := func(what string, most int, element func() string) {
		var all []string
		seen := map[string]bool{}
		for range g.number("elements", 1, most) {
			g.near()
			e := element()
			if key, _, _ := strings.Cut(e, " : "); !seen[key] {
				seen[key] = true
				all = append(all, e)
			}
		}
		fmt.Fprintf(&g.b, "%s\t\telements = { %s }\n\t}\n", what, strings.Join(all, ", "))
	}
	list(fmt.Sprintf("\tset addrs {\n\t\ttype %s\n", g.addrType()), 6, g.host)
	list(fmt.Sprintf("\tset nets {\n\t\ttype %s\n\t\tflags interval\n\t\tauto-merge\n", g.addrType()), 3, g.prefix)
	list(fmt.Sprintf("\tset dials {\n\t\ttype %s . inet_proto . inet_service\n", g.addrType()), 8, g.dial)
	list(fmt.Sprintf("\tset wide {\n\t\ttype %s . inet_service\n\t\tflags interval\n", g.addrType()), 1, func() string { return g.prefix() + " . " + g.portRange("-") })
	fmt.Fprintf(&g.b, "\tset seen {\n\t\ttype %s\n\t\tsize 65535\n\t\tflags dynamic,timeout\n\t\ttimeout 1h\n\t}\n", g.addrType())
	list(fmt.Sprintf("\tmap verdicts {\n\t\ttype %s . inet_proto . inet_service : verdict\n", g.addrType()), 8, func() string { return g.dial() + " : " + g.verdict(chains) })
	list("\tmap by-port {\n\t\ttype inet_proto . inet_service : verdict\n", 8, func() string { return g.proto() + " . " + g.port() + " : " + g.verdict(chains) })
	list(fmt.Sprintf("\tmap marks {\n\t\ttype %s : mark\n", g.addrType()), 6, func() string { return g.host() + " : " + g.one("mark", "0x1", "0x2", "0x3") })
	list(fmt.Sprintf("\tmap targets {\n\t\ttype inet_service : %s . inet_service\n", g.addrType()), 6, func() string { return g.port() + " : " + g.target() + " . " + g.one("port", "80", "8080") })
}

func (g *nftGenerator) verdict(chains []string) string {
	if len(chains) > 0 && g.often("jump", 5) {
		return g.one("how", "jump ", "goto ") + g.one("chain", chains...)
	}
	return g.one("verdict", "accept", "drop", "return", "continue")
}

func (g *nftGenerator) host() string {
	a := netip.MustParseAddr(g.addr())
	if g.often("beside", 2) {
		a = a.Next()
	}
	g.addrs = append(g.addrs, a)
	return a.String()
}

// prefix is a network without holes.
func (g *nftGenerator) prefix() string {
	a := netip.MustParseAddr(g.addr())
	p := netip.PrefixFrom(a, a.BitLen()-g.number("host bits", 0, 12)).Masked()
	g.addrs = append(g.addrs, p.Addr(), p.Addr().Prev())
	return p.String()
}

func (g *nftGenerator) proto() string {
	if g.often("of the flow", 7) {
		return protocolNames[g.aim.Protocol]
	}
	return g.one("protocol", "tcp", "udp", "sctp")
}

func (g *nftGenerator) port() string {
	p, _, _ := strings.Cut(g.portRange("-"), "-")
	return p
}

// dial is an address, a protocol and a port.
func (g *nftGenerator) dial() string { return g.host() + " . " + g.proto() + " . " + g.port() }

// target is an address to translate to.
func (g *nftGenerator) target() string {
	a := generated[g.v6]
	return g.one("to", slices.Concat(a.pods, a.own[:2], a.outside)...)
}

// An nftPlace is where a rule stands.
type nftPlace struct {
	kind  string // "filter", "dstnat", "srcnat", "input"
	hook  string // of a base chain; "" for others
	jumps []string
}

// protocolOf is a flow's protocol if it has ports.
func protocolOf(f *trace.Flow) string {
	switch f.Protocol {
	case netfilter.TCP, netfilter.UDP, netfilter.SCTP:
		return protocolNames[f.Protocol]
	}
	return ""
}

func (g *nftGenerator) rules(p nftPlace, most int) {
	for range g.number("rules", 1, most) {
		f := g.near()
		if g.often("other", 1) {
			fmt.Fprintf(&g.b, "\t\t%s %s\n", g.lacking(), g.one("verdict", map[bool][]string{true: {"accept", "drop"}, false: {"accept", "return"}}[p.kind == "filter"]...))
			continue
		}
		r := &nftRule{nftGenerator: g, nftPlace: p, flow: f, noPorts: protocolOf(&f) == "" && g.often("no ports", 8)}
		if !r.noPorts && g.often("protocol", 4) {
			r.ported()
		}
		guard := g.ip() + " saddr " + f.Source.String()
		if p.kind == "filter" && g.often("remembered", 1) {
			g.fills = true
			fmt.Fprintf(&g.b, "\t\t%s %s @seen { %s saddr }\n\t\t%s %s saddr %s@seen drop\n", guard, g.one("operation", "update", "add", "delete"), g.ip(), guard, g.ip(), r.not())
			continue
		}
		if len(p.jumps) > 0 && p.kind == "filter" && g.often("there and back", 1) {
			fmt.Fprintf(&g.b, "\t\t%s %s %s\n\t\t%s drop\n", guard, g.one("how", "jump", "goto"), g.one("chain", p.jumps...), guard)
			continue
		}
		if g.often("guard", 8) {
			r.words = append(r.words, guard)
		}
		for range []int{1, 1, 1, 2, 0}[g.number("matches", 0, 4)] {
			r.match()
		}
		if g.often("statements", 4) {
			for range g.number("statements", 1, 2) {
				r.statement()
			}
			if g.often("behind", 3) {
				r.match()
			}
		}
		r.end()
		fmt.Fprintf(&g.b, "\t\t%s\n", strings.Join(r.words, " "))
	}
}

// lacking asks for what many packets do not have: then the rule ends, negated
// or not.
func (g *nftGenerator) lacking() string {
	all := []string{
		"udp dport != { 7, 9 }", "tcp sport != { 7, 9 }", "sctp dport . sctp sport != { 7 . 9 }", "ct mark != { 0x7, 0x9 }", "ct direction != reply",
		"ct mark & 0x7 != 0x5", "meta skuid != { 7, 9 }", "tcp flags != { fin, rst }", "udp dport > 7",
	}
	if g.family == "inet" {
		all = append(all, g.word("ip6 hoplimit != 7", "ip ttl != 7"), g.word("ip6 daddr != { ::7, ::9 }", "ip daddr != { 192.0.2.7, 192.0.2.9 }"), g.word("ip6 dscp != cs1", "ip dscp != cs1"))
	}
	return g.one("lacking", all...)
}
