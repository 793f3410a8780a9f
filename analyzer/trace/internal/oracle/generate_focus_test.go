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

// tables are all tables with their base chains, those in braces sharing user
// chains.
var tables = []struct {
	name   string
	tenths int // how often random rules are made for it
	groups [][]string
}{
	{"raw", 3, [][]string{{"PREROUTING", "OUTPUT"}}},
	{"mangle", 4, [][]string{{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}}},
	{"nat", 7, [][]string{{"PREROUTING", "OUTPUT"}, {"POSTROUTING"}, {"INPUT"}}},
	{"filter", 7, [][]string{{"INPUT", "FORWARD", "OUTPUT"}}},
	{"security", 2, [][]string{{"INPUT", "FORWARD", "OUTPUT"}}},
}

// focused is a dump in which each flow has a few rules for itself, on its way,
// with conditions close to what it is; the last of them does what shows. Where
// rules are made at random most never meet a packet, or decide nothing; here
// each of them is a question about one packet.
func (g *generator) focused(count int) (dump string, flows []trace.Flow) {
	rules := map[string][]string{} // by table and chain
	chains := map[string][]string{}
	for i := range count {
		f := g.flow()
		if f.From == trace.FromNode && i >= 2 {
			f.From, f.InInterface = trace.FromExternal, "eth0" // there are few sources to tell flows of the node apart
		}
		f.Source = g.sourceOf(f, i)
		flows = append(flows, f)
		g.aim, g.changed = &f, ""
		number := g.number("rules", 1, 4)
		stations := make([][2]string, number)
		for k := range stations {
			table, hook := g.station(f)
			stations[k] = [2]string{table, hook}
		}
		slices.SortStableFunc(stations, func(a, b [2]string) int { return stop(a) - stop(b) })
		for k := range number {
			table, hook := stations[k][0], stations[k][1]
			p := place{table: table, chain: hook, hooks: []string{hook}}
			guard := "-s " + f.Source.String()
			if g.often("chain", 2) {
				name := fmt.Sprintf("FLOW-%d-%d", i, k)
				rules[table+hook] = append(rules[table+hook], "-A "+hook+" "+guard+g.one("how", " -j ", " -j ", " -g ")+name)
				p.chain, guard = name, ""
				chains[table] = append(chains[table], name)
				rules[table+name] = append(rules[table+name], "-A "+name+g.oneRule(p, false))
			}
			rules[table+p.chain] = append(rules[table+p.chain], strings.TrimRight("-A "+p.chain+" "+guard, " ")+g.oneRule(p, k == number-1 || g.often("shows", 4)))
		}
	}
	g.aim, g.changed = nil, ""
	var b strings.Builder
	for _, table := range tables {
		fmt.Fprintf(&b, "*%s\n", table.name)
		hooks := slices.Concat(table.groups...)
		for _, hook := range hooks {
			fmt.Fprintf(&b, ":%s ACCEPT [0:0]\n", hook)
		}
		for _, name := range chains[table.name] {
			fmt.Fprintf(&b, ":%s - [0:0]\n", name)
		}
		for _, hook := range hooks {
			if table.name != "nat" {
				for _, rule := range answersPass(g.v6) {
					fmt.Fprintf(&b, "-A %s %s\n", hook, rule)
				}
			}
		}
		for _, chain := range slices.Concat(hooks, chains[table.name]) {
			for _, rule := range rules[table.name+chain] {
				b.WriteString(rule + "\n")
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String(), flows
}

// sourceOf is a source that no other flow of the dump has.
func (g *generator) sourceOf(f trace.Flow, i int) netip.Addr {
	base := g.word("203.0.113.10", "2001:db8::10")
	switch f.From {
	case trace.FromNode:
		return netip.MustParseAddr(generated[g.v6].own[i])
	case trace.FromPod:
		base = g.word("10.244.1.10", "fd00:10:244:1::10")
	}
	a := netip.MustParseAddr(base).AsSlice()
	a[len(a)-1] += byte(i)
	addr, _ := netip.AddrFromSlice(a)
	return addr
}

// station is a table and hook that the flow may come by.
func (g *generator) station(f trace.Flow) (table, hook string) {
	hooks := []string{"PREROUTING", "INPUT", "FORWARD", "POSTROUTING"}
	if f.From == trace.FromNode {
		hooks = []string{"OUTPUT", "OUTPUT", "POSTROUTING", "INPUT"}
	} else if slices.Contains(generated[g.v6].own, f.Destination.String()) {
		hooks = []string{"PREROUTING", "INPUT", "INPUT"}
	}
	hook = g.one("hook", hooks...)
	var has []string
	for _, t := range tables {
		if slices.Contains(slices.Concat(t.groups...), hook) && (t.name != "nat" || hook != "INPUT") {
			has = append(has, t.name)
		}
	}
	return g.one("table", has...), hook
}

// stop is the place of a station among those that a packet comes by.
func stop(station [2]string) int {
	hook := slices.Index([]string{"OUTPUT", "PREROUTING", "FORWARD", "POSTROUTING", "INPUT"}, station[1])
	return 10*hook + slices.Index([]string{"raw", "mangle", "nat", "filter", "security"}, station[0])
}

// oneRule is a rule with one condition, seldom two, and a target that shows if
// it is asked for.
func (g *generator) oneRule(p place, shows bool) string {
	r := &ruleText{generator: g, place: p, used: []string{"-s"}}
	if g.often("protocol", 7) {
		r.protocol = protocolNames[g.aim.Protocol]
		if g.aim.Protocol == netfilter.ICMPv6 {
			r.protocol = "ipv6-icmp"
		}
	}
	target := ""
	switch {
	case !shows:
		target = r.target()
	case p.table == "nat", p.table == "filter" && g.often("reject", 3):
		target = r.special()
	default:
		target = " -j DROP"
	}
	for range 8 { // not every condition that is drawn can stand here
		if r.match(); len(r.matches) > 0 {
			break
		}
	}
	if g.often("second", 2) {
		r.match()
	}
	if what := changes(r.text() + target); what != "" {
		g.changed = what
	}
	return r.text() + target
}

// text is the rule's conditions, each with a blank before it.
func (r *ruleText) text() string {
	b := ""
	if r.protocol != "" {
		b = " -p " + r.protocol
	}
	for _, m := range r.matches {
		b += " " + m
	}
	return b
}
