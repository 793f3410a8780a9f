//go:build linux

package oracle

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// A generatedSet is a set that rules of a dump ask for.
type generatedSet struct {
	name string
	typ  netfilter.IPSetType
	v6   bool // the family of its addresses
}

// setTypes are those that sets are made of; a type that the kernel lacks is
// left out.
var setTypes = []netfilter.IPSetType{
	netfilter.BitmapIP, netfilter.BitmapIPMAC, netfilter.BitmapPort,
	netfilter.HashIP, netfilter.HashMAC, netfilter.HashIPMAC, netfilter.HashNet, netfilter.HashNetNet,
	netfilter.HashIPPort, netfilter.HashIPPortIP, netfilter.HashIPPortNet, netfilter.HashNetPort, netfilter.HashNetPortNet,
	netfilter.HashNetIface, netfilter.HashIPMark, netfilter.ListSet,
}

// supportedSets are the types that the node's kernel has.
func supportedSets(node *kernel.Node) (types []netfilter.IPSetType) {
	for _, t := range setTypes {
		text := "create T " + string(t)
		if strings.HasPrefix(string(t), "bitmap:ip") {
			text += " range 10.0.0.0/24"
		} else if t == netfilter.BitmapPort {
			text += " range 0-9"
		}
		if node.Load(kernel.Ruleset{Backend: kernel.Legacy, Sets: text + "\n"}) == nil {
			types = append(types, t)
		}
	}
	return types
}

// setRef is a set and the sides of a packet that it is asked for.
func (g *generator) setRef() string {
	g.sides = nil
	for range 4 {
		g.sides = append(g.sides, g.one("side", "src", "dst", "dst"))
	}
	set := g.set()
	sides := len(set.typ.Parts())
	switch {
	case g.often("other number of sides", 1):
		sides = g.number("sides", 1, 4)
	case set.typ == netfilter.ListSet:
		sides = g.number("sides", 1, 3)
	}
	return set.name + " " + strings.Join(g.sides[:sides], ",")
}

// set is one of the dump's sets, or a new one. Rules may name those of their
// own family only; lists have others in them, too.
func (g *generator) set() generatedSet {
	mine := slices.DeleteFunc(slices.Clone(g.sets), func(s generatedSet) bool { return s.v6 != g.v6 && s.typ.HasFamily() })
	if len(mine) > 0 && !g.onlySets && (len(mine) >= 12 || g.often("known set", 4)) {
		return mine[g.number("set", 0, len(mine)-1)]
	}
	types := slices.DeleteFunc(slices.Clone(g.setTypes), func(t netfilter.IPSetType) bool { return g.v6 && isBitmapOfIP(t) })
	typ := types[g.number("type", 0, len(types)-1)]
	if typ == netfilter.ListSet {
		for range g.number("members", 0, 3) {
			t := g.setTypes[g.number("member's type", 0, len(g.setTypes)-1)]
			g.newSet(t, isBitmapOfIP(t) || g.v6 != g.often("other family", 2))
		}
	}
	return g.newSet(typ, g.v6)
}

func isBitmapOfIP(t netfilter.IPSetType) bool { return strings.HasPrefix(string(t), "bitmap:ip") }

func (g *generator) newSet(typ netfilter.IPSetType, v6 bool) generatedSet {
	set := generatedSet{name: fmt.Sprintf("S%d", len(g.sets)), typ: typ, v6: v6 && !isBitmapOfIP(typ)}
	header := fmt.Sprintf("create %s %s", set.name, typ)
	netmask := ""
	switch typ {
	case netfilter.BitmapIP, netfilter.BitmapIPMAC:
		base := "172.18.0.0/24"
		if !g.v6 && g.often("around an address", 8) {
			if a := netip.MustParseAddr(g.addr()); a.Is4() {
				base = netip.PrefixFrom(a, 24).Masked().String()
			}
		}
		header += " range " + base
		g.ranges = append(g.ranges, base)
	case netfilter.BitmapPort:
		header += " range " + g.one("range", "0-65535", "0-1023", "80-30080")
	case netfilter.ListSet:
		header += " size 8"
	default:
		if set.v6 && typ.HasFamily() {
			header += " family inet6"
		}
		if typ == netfilter.HashIP && g.often("netmask", 3) {
			netmask = g.one("netmask", "24", "31", "16")
			if set.v6 {
				netmask = g.one("netmask", "64", "127", "96")
			}
			header += " netmask " + netmask
		}
	}
	timeout := g.often("timeout", 2)
	if timeout {
		header += " timeout 600"
	}
	for _, flag := range []string{"counters", "comment", "skbinfo"} {
		if g.often(flag, 2) {
			header += " " + flag
		}
	}
	var b strings.Builder
	b.WriteString(header + "\n")
	var known []string
	for range g.number("elements", 0, 6) {
		e := g.element(set, header)
		if e == "" || slices.Contains(known, e) {
			continue
		}
		known = append(known, e)
		b.WriteString("add " + set.name + " " + e)
		if timeout {
			b.WriteString(g.one("timeout", " timeout 0", " timeout 600"))
		}
		if typ.HasNetworks() && g.often("nomatch", 3) {
			b.WriteString(" nomatch")
		}
		if strings.Contains(header, "skbinfo") && g.often("mark", 5) {
			b.WriteString(" skbmark " + g.one("skbmark", "0x1/0x1", "0x2", "0x3/0xff"))
		}
		b.WriteString(" -exist\n") // cut to a netmask, two may be one
	}
	g.setText += b.String()
	g.sets = append(g.sets, set)
	return set
}

// element is one that the set takes; "" if none comes to mind.
func (g *generator) element(set generatedSet, header string) string {
	var parts []string
	for i, part := range set.typ.Parts() {
		text, side := "", ""
		if g.aim != nil && i < len(g.sides) && g.often("as the packet is", 8) {
			side = g.sides[i]
		}
		switch part {
		case netfilter.PartIP, netfilter.PartNet:
			text = g.setAddr(set, part == netfilter.PartNet, side)
			if text == "" {
				return ""
			}
		case netfilter.PartPort:
			text = g.setPort(set, header, side)
			if text == "" {
				return ""
			}
		case netfilter.PartIface:
			text = g.one("interface", "eth0", "cni0", "eth0", "cni0", "lo", "eth1", "physdev:eth0")
			if side == "src" && g.aim.InInterface != "" {
				text = g.aim.InInterface
			}
		case netfilter.PartMark:
			text = g.one("mark", "0x0", "0x1", "0x3")
		case netfilter.PartMAC:
			if set.typ == netfilter.BitmapIPMAC && g.often("learned", 5) {
				continue
			}
			text = "2a:90:8b:7d:7c:3c"
		case netfilter.PartMember:
			var members []string
			for _, s := range g.sets {
				if s.typ != netfilter.ListSet {
					members = append(members, s.name)
				}
			}
			if len(members) == 0 {
				return ""
			}
			text = g.one("member", members...)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ",")
}

// setAddr is an address or network of an element.
func (g *generator) setAddr(set generatedSet, network bool, side string) string {
	old := g.v6
	if set.v6 != g.v6 {
		aim := g.aim
		g.v6, g.aim = set.v6, nil
		defer func() { g.v6, g.aim = old, aim }()
	}
	a := netip.MustParseAddr(g.addr())
	if set.v6 == old {
		switch side {
		case "src":
			a = g.aim.Source
		case "dst":
			a = g.aim.Destination
		}
	}
	if isBitmapOfIP(set.typ) {
		if p := netip.MustParsePrefix(g.ranges[len(g.ranges)-1]); !a.Is4() || !p.Contains(a) {
			return ""
		}
		return a.String()
	}
	if side == "" && g.often("beside", 3) {
		a = a.Next()
	}
	if a.IsUnspecified() || a.IsLoopback() && a.Is6() { // a netmask may leave nothing of it
		return ""
	}
	if set.v6 == old {
		g.addrs = append(g.addrs, a)
	}
	if !network {
		return a.String()
	}
	bits := a.BitLen() - []int{0, 0, 1, 2, 4, 8, 16, 24}[g.number("host bits", 0, 7)]
	if g.often("everything", 1) {
		bits = 1
		if set.typ == netfilter.HashNetIface {
			bits = 0
		}
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// setPort is a port of an element.
func (g *generator) setPort(set generatedSet, header, side string) string {
	port, _, _ := strings.Cut(g.portRange(":"), ":")
	switch {
	case side == "src" && g.aim.SourcePort != 0:
		port = strconv.Itoa(int(g.aim.SourcePort))
	case side == "dst" && g.aim.Port != 0:
		port = strconv.Itoa(int(g.aim.Port))
	}
	if set.typ == netfilter.BitmapPort {
		_, r, _ := strings.Cut(header, " range ")
		var first, last int
		fmt.Sscanf(r, "%d-%d", &first, &last)
		if n, _ := strconv.Atoi(port); n < first || n > last {
			return ""
		}
		return port
	}
	icmp := "icmp"
	if set.v6 {
		icmp = "icmpv6"
	}
	protocol := g.one("protocol", "tcp", "tcp", "udp", "sctp", "udplite", icmp)
	if side != "" && g.often("its protocol", 9) {
		protocol = protocolNames[g.aim.Protocol]
		if set.v6 != g.v6 && (protocol == "icmp" || protocol == "icmpv6") {
			protocol = icmp
		}
	}
	if protocol == "icmp" || protocol == "icmpv6" {
		return protocol + ":" + g.one("type", "echo-request", "echo-reply", "8/0", "128/0", "128/1")
	}
	return protocol + ":" + port
}

// inSet is "-m set" with a set of the dump.
func (r *ruleText) inSet() string {
	text := "-m set " + r.not("--match-set "+r.setRef())
	if r.often("return nomatch", 3) {
		text += " --return-nomatch"
	}
	if r.often("counters", 1) {
		text += r.one("counters", " ! --update-counters", " ! --update-subcounters", " --packets-gt 2", " --bytes-lt 1000", " ! --packets-eq 1")
	}
	return text
}

// changingSet is a set that rules put elements into; it begins empty.
func (g *generator) changingSet() string {
	const name = "CHANGING"
	if !strings.Contains(g.setText, "create "+name+" ") {
		text := "create " + name + " " + g.one("changing type", "hash:ip", "hash:ip,port", "hash:net")
		if g.v6 {
			text += " family inet6"
		}
		g.setText += text + "\n"
	}
	return name + " " + g.one("sides", "src,dst", "dst,dst", "dst,src")
}

// updateSet is the target SET.
func (r *ruleText) updateSet() string {
	if r.table == "mangle" && r.often("map", 5) {
		return " -j SET --map-set " + r.setRef() + " --map-mark"
	}
	return " -j SET " + r.one("update", "--add-set ", "--add-set ", "--del-set ") + r.changingSet()
}
