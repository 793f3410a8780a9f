//go:build linux

package oracle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// An nftRule is a rule in the making.
type nftRule struct {
	*nftGenerator
	nftPlace
	flow  trace.Flow
	words []string
	// proto is the protocol that the rule tests, noPorts that it is for one
	// without ports: nft takes no rule that tests two.
	proto   string
	noPorts bool
}

func (r *nftRule) add(format string, args ...any) {
	r.words = append(r.words, fmt.Sprintf(format, args...))
}

// not is "!= " now and then.
func (r *nftRule) not() string {
	if r.often("not", 2) {
		return "!= "
	}
	return ""
}

func (r *nftRule) side(label string) string { return r.one(label, "saddr", "daddr", "daddr") }

// ported is the protocol whose ports the rule tests.
func (r *nftRule) ported() string {
	if r.proto == "" {
		if r.proto = protocolOf(&r.flow); r.proto == "" || r.often("other protocol", 2) {
			r.proto = r.one("protocol", "tcp", "udp", "sctp")
		}
	}
	return r.proto
}

// forwards reports whether the rule stands where packets come in, or leave.
func (r *nftRule) comesIn() bool {
	return r.hook == "prerouting" || r.hook == "input" || r.hook == "forward"
}

// match adds a condition.
func (r *nftRule) match() {
	which := r.number("match", 0, 31)
	if r.noPorts && (which >= 6 && which <= 8) {
		which = 0
	}
	switch which {
	case 0, 1:
		r.add("%s %s %s%s", r.ip(), r.side("side"), r.not(), r.prefix())
	case 2:
		r.add("%s %s %s%s", r.ip(), r.side("side"), r.not(), r.span())
	case 3:
		r.add("%s %s %s{ %s, %s }", r.ip(), r.side("side"), r.not(), r.flow.Destination, generated[r.v6].sourceNAT)
	case 4:
		r.add("%s %s %s@%s", r.ip(), r.side("side"), r.not(), r.one("set", "addrs", "nets"))
	case 5:
		r.add("%s daddr . meta l4proto . th dport %s@dials", r.ip(), r.not())
	case 6:
		r.add("%s daddr . %s dport %s@wide", r.ip(), r.ported(), r.not())
	case 7, 8:
		r.add("%s %s %s%s", r.ported(), r.one("port", "sport", "dport", "dport"), r.not(), r.portRange("-"))
	case 9:
		if r.proto == "" && !r.noPorts {
			r.add("meta l4proto %s", r.one("protocols", "!= tcp", "!= sctp", "{ tcp, udp }", "!= { udp, icmp }"))
		} else if !r.noPorts {
			r.add("meta l4proto %s", r.proto)
		}
	case 10:
		r.add("th dport %s", r.portRange("-"))
	case 11:
		if r.family == "inet" {
			r.add("meta nfproto %s", r.word("ipv4", "ipv6"))
		}
	case 12:
		r.add("meta mark %s%s", r.not(), r.one("mark", "0x0", "0x1", "0x3", "0x1-0x2"))
	case 13:
		r.add("meta mark & %s %s %s", r.one("mask", "0x1", "0x3"), r.one("relation", "==", "!="), r.one("mark", "0x0", "0x1"))
	case 14:
		r.add("ct mark %s%s", r.not(), r.one("mark", "0x0", "0x1", "0x3"))
	case 15:
		r.add("ct state %s%s", r.not(), r.one("state", "new", "established,related", "invalid", "untracked", "invalid,new"))
	case 16:
		r.add("ct status %s", r.one("status", "dnat", "snat", "snat,dnat", "! dnat", "! snat,dnat", "confirmed"))
	case 17:
		r.add("ct original %s %s", r.word("ip daddr", "ip6 daddr"), r.not()+r.prefix())
	case 18:
		ct := []string{"ct direction original", "ct direction reply", "ct protocol tcp"}
		if !r.noPorts {
			ct = append(ct, "meta l4proto "+r.ported()+" ct original proto-dst "+r.not()+r.portRange("-"))
		}
		r.add("%s", r.one("ct", ct...))
	case 19:
		r.add("%s %s%s", r.one("interface", "iifname", "oifname"), r.not(), r.one("name", `"eth0"`, `"cni0"`, `"lo"`, `"eth*"`, `{ "eth0", "lo" }`))
	case 27:
		r.add("%s %s%s", r.one("interface", "iif", "oif"), r.not(), r.one("name", `"eth0"`, `"cni0"`, `"lo"`))
	case 20, 21, 22:
		if r.hook != "" {
			r.add("fib %s type %s%s", r.side("side"), r.not(), r.one("type", "local", "unicast", "broadcast", "{ local, multicast }"))
		}
	case 23:
		if r.comesIn() && r.kind == "filter" {
			r.add("fib daddr . iif type %s%s", r.not(), r.one("type", "local", "unicast"))
		}
	case 24:
		r.add("meta pkttype %s%s", r.not(), r.one("type", "host", "broadcast", "multicast"))
	case 25:
		headers := []string{"meta length < 100", r.word("ip ttl < 64", "ip6 hoplimit 63"), r.word("ip dscp cs1", "ip6 dscp != cs1"), "meta skuid 0", "meta skuid != 0"}
		switch {
		case r.noPorts:
			headers = []string{r.word("icmp type echo-request", "icmpv6 type echo-request"), r.word("icmp type != { echo-request, echo-reply }", "icmpv6 code 0")}
		case r.proto == "tcp":
			headers = append(headers, "tcp flags syn", "tcp flags & (fin | syn | rst | ack) == syn", "tcp flags != syn", "tcp flags & (syn | ack) == syn | ack")
		}
		r.add("%s", r.one("header", headers...))
	case 26:
		r.add("%s", r.one("chance", "numgen random mod 4 < 2", "numgen random mod 3 0", "numgen random mod 10 offset 5 8-11", "numgen random mod 3 != 1", "numgen random mod 5 { 0, 2, 4 }", "meta random < 1073741824"))
	case 28:
		r.add("jhash %s saddr mod 4 seed 0x1 %d", r.ip(), r.number("hash", 0, 3))
	case 29:
		r.add("%s", r.word("ip daddr & 255.255.0.255 == 10.96.0.1", "ip6 nexthdr tcp"))
	case 30:
		r.add("%s saddr %s@seen", r.ip(), r.not())
	case 31:
		r.add("%s saddr . %s daddr . meta l4proto %s{ %s . %s . %s }", r.ip(), r.ip(), r.not(), r.flow.Source, r.flow.Destination, r.nftGenerator.proto())
	}
}

// statement adds something that the rule does before its end.
func (r *nftRule) statement() {
	switch r.number("statement", 0, 14) {
	case 0:
		r.add("counter")
	case 1:
		r.add(`log prefix "it is: "`)
	case 2, 3:
		r.add("meta mark set %s", r.one("mark", "0x1", "0x2", "meta mark | 0x1", "meta mark & 0x2", "meta mark ^ 0x3", "meta mark & 0x1 | 0x2"))
	case 4:
		r.add("ct mark set %s", r.one("mark", "0x1", "meta mark", "ct mark | 0x2"))
	case 5:
		r.add("meta mark set ct mark")
	case 6:
		r.add("meta mark set %s %s map @marks", r.ip(), r.side("side"))
	case 7:
		r.add("meta mark set numgen random mod 3")
	case 8:
		r.add("%s", r.word("ip ttl set 7", "ip6 hoplimit set 7"))
	case 9:
		r.add("%s dscp set cs1", r.ip())
	case 10, 11:
		if r.kind == "filter" || r.kind == "dstnat" {
			r.fills = true
			r.add("%s @seen { %s saddr }", r.one("operation", "update", "update", "add", "delete"), r.ip())
		}
	case 12:
		if r.hook == "prerouting" || r.hook == "output" {
			if r.kind == "filter" {
				r.add("notrack")
			}
		}
	case 13:
		if r.noPorts {
			return
		}
		r.add("meta mark set %s dport map { 80 : 0x1, 443-8080 : 0x2 }", r.ported())
	case 14:
		r.add("ct mark set %s saddr map { %s : 0x1, %s : 0x3 }", r.ip(), r.flow.Source, generated[r.v6].sourceNAT)
	}
}

// end adds the verdict, or none.
func (r *nftRule) end() {
	if len(r.jumps) > 0 && r.often("jump", 3) {
		r.add("%s %s", r.one("how", "jump", "jump", "goto"), r.one("chain", r.jumps...))
		return
	}
	if r.kind != "filter" && r.often("translation", 6) {
		r.translation()
		return
	}
	verdicts := []string{"accept", "drop", "return", "continue"}
	if r.kind != "filter" {
		verdicts = []string{"accept", "return"}
	}
	switch r.number("end", 0, 9) {
	case 0:
		if len(r.words) == 0 {
			r.add("counter")
		}
	case 1, 2, 3:
		r.add("%s", r.one("verdict", verdicts...))
	case 4:
		if r.kind == "filter" && r.hook != "" {
			r.add("%s daddr . meta l4proto . th dport vmap @verdicts", r.ip())
			return
		}
		r.add("accept")
	case 5:
		if r.kind == "filter" && r.hook != "" {
			r.add("meta l4proto . th dport vmap @by-port")
			return
		}
		r.add("return")
	case 6:
		r.vmap(verdicts)
	default:
		if r.kind != "filter" {
			r.add("accept")
			return
		}
		r.reject()
	}
}

// vmap adds a verdict map of the rule's own.
func (r *nftRule) vmap(verdicts []string) {
	one := func() string {
		if len(r.jumps) > 0 && r.often("jump", 4) {
			return r.one("how", "jump ", "goto ") + r.one("chain", r.jumps...)
		}
		return r.one("verdict", verdicts...)
	}
	which := r.number("vmap", 0, 6)
	if r.noPorts && which == 4 {
		which = 5
	}
	switch which {
	case 0, 1:
		r.add("numgen random mod 3 vmap { 0 : %s, 1 : %s, 2 : %s }", one(), one(), one())
	case 2:
		r.add("numgen random mod 8 vmap { 0-2 : %s, 3 : %s }", one(), one())
	case 3:
		r.add("ct state vmap { new : %s, established : %s, invalid : %s }", one(), one(), one())
	case 4:
		r.add("%s dport vmap { %s : %s, 20000-20010 : %s }", r.ported(), r.portRange("-"), one(), one())
	case 5:
		r.add("%s saddr vmap { %s : %s, %s : %s }", r.ip(), r.flow.Source, one(), generated[r.v6].sourceNAT, one())
	case 6:
		r.add("iifname vmap { \"eth0\" : %s, \"cni*\" : %s }", one(), one())
	}
}

func (r *nftRule) reject() {
	kinds := []string{"reject"}
	switch r.family {
	case "ip":
		kinds = append(kinds, "reject with icmp host-unreachable", "reject with icmp admin-prohibited")
	case "ip6":
		kinds = append(kinds, "reject with icmpv6 no-route", "reject with icmpv6 admin-prohibited")
	default:
		kinds = append(kinds, "reject with icmpx admin-prohibited", "reject with icmpx host-unreachable", r.word("reject with icmp host-unreachable", "reject with icmpv6 no-route"))
	}
	if r.flow.Protocol == netfilter.TCP && (r.proto == "" || r.proto == "tcp") {
		kinds = append(kinds, "reject with tcp reset")
	}
	if r.hook == "postrouting" || r.hook == "" { // the kernel takes none there
		r.add("drop")
		return
	}
	r.add("%s", r.one("reject", kinds...))
}

// translation adds an address translation.
func (r *nftRule) translation() {
	to := r.word("ip to", "ip6 to")
	flags := r.one("flags", "", "", "", " random", " persistent")
	host := r.target()
	bracketed := r.word(host, "["+host+"]")
	switch r.kind {
	case "srcnat":
		switch r.number("snat", 0, 3) {
		case 0:
			r.add("snat %s %s", to, generated[r.v6].sourceNAT)
		case 1:
			r.add("snat %s %s saddr map { %s : %s }", to, r.ip(), r.flow.Source, generated[r.v6].sourceNAT)
		default:
			r.add("masquerade%s", r.one("flags", "", " fully-random", " random"))
		}
	case "input":
		r.add("snat %s %s", to, generated[r.v6].sourceNAT)
	default:
		which := r.number("dnat", 0, 9)
		if r.noPorts {
			which = []int{0, 5, 7, 9}[which%4]
		}
		switch which {
		case 0:
			r.add("dnat %s %s%s", to, host, flags)
		case 1:
			r.needPorts()
			r.add("dnat %s %s:%s%s", to, bracketed, r.portRange("-"), flags)
		case 2:
			r.needPorts()
			r.add("dnat to :%s", r.portRange("-"))
		case 3, 4:
			r.needPorts()
			r.add("dnat %s numgen random mod 3 map { 0 : %s . 80, 1 : %s . 8080, 2 : %s . 8081 }", to, r.target(), host, r.target())
		case 5:
			r.add("dnat %s numgen random mod 2 map { 0 : %s, 1 : %s }", to, r.target(), host)
		case 6:
			r.needPorts()
			r.add("dnat %s %s dport map @targets", to, r.proto)
		case 7:
			r.add("redirect")
		case 8:
			r.needPorts()
			r.add("redirect to :%s", r.portRange("-"))
		case 9:
			r.add("dnat %s %s saddr map { %s : %s }", to, r.ip(), r.flow.Source, host)
		}
	}
}

// needPorts makes the rule test a protocol with ports.
func (r *nftRule) needPorts() {
	r.ported()
	if !slices.ContainsFunc(r.words, func(w string) bool { return strings.HasPrefix(w, r.proto+" ") || w == "meta l4proto "+r.proto }) {
		r.add("meta l4proto %s", r.proto)
	}
}
