//go:build linux

package oracle

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// match adds a condition that the kernel takes where the rule stands.
func (r *ruleText) match() {
	if r.onlySets && r.often("a set", 8) {
		r.add("set", r.inSet())
		return
	}
	if r.changed != "" && r.often("what was changed", 6) {
		r.ask(r.changed)
		return
	}
	switch r.number("match", 0, 30) {
	case 0:
		r.add("-s", r.not("-s "+r.net()))
	case 1, 2:
		r.add("-d", r.not("-d "+r.net()))
	case 3:
		if !r.base() || r.within("PREROUTING", "INPUT", "FORWARD") {
			r.add("-i", r.not("-i "+r.one("in", "eth0", "cni0", "lo", "eth+", "c+")))
		}
	case 4:
		if !r.base() || r.within("FORWARD", "OUTPUT", "POSTROUTING") {
			r.add("-o", r.not("-o "+r.one("out", "eth0", "cni0", "lo", "eth+", "c+")))
		}
	case 5, 6, 7:
		r.header()
	case 8:
		if r.hasPorts() {
			list := r.portRange(":")
			for range r.number("ranges", 0, 2) {
				list += "," + r.portRange(":")
			}
			r.add("multiport", "-m multiport "+r.not(r.one("side", "--dports ", "--sports ", "--ports ")+list))
		}
	case 9, 10:
		r.add("mark", "-m mark "+r.not("--mark "+r.masked()))
	case 11:
		r.add("connmark", "-m connmark "+r.not("--mark "+r.masked()))
	case 12, 13, 14:
		r.add("conntrack", "-m conntrack "+r.conntrack())
	case 15:
		r.add("state", "-m state "+r.not("--state "+r.one("state", "NEW", "INVALID", "ESTABLISHED", "RELATED,ESTABLISHED", "UNTRACKED", "INVALID,NEW")))
	case 16, 17:
		r.addrtype()
	case 18:
		text := "-m iprange"
		side := r.number("side", 0, 2)
		if side != 1 {
			text += " " + r.not("--src-range "+r.span())
		}
		if side != 0 {
			text += " " + r.not("--dst-range "+r.span())
		}
		r.add("iprange", text)
	case 19, 20:
		r.add("statistic", r.statistic())
	case 21:
		r.add("recent", r.recent())
	case 22:
		r.add("comment", `-m comment --comment "it's a \"comment\" -j DROP"`)
	case 23:
		r.add("pkttype", "-m pkttype "+r.not("--pkt-type "+r.one("type", "unicast", "broadcast", "multicast")))
	case 24:
		if r.within("OUTPUT", "POSTROUTING") {
			r.add("owner", "-m owner "+r.not(r.one("owner", "--uid-owner 0", "--uid-owner 1-99", "--gid-owner 0", "--socket-exists")))
		}
	case 25:
		r.add("helper", "-m helper "+r.not("--helper ftp"))
	case 26:
		r.rarity()
	case 27, 28, 29, 30:
		r.add("set", r.inSet())
	}
}

// ask adds a condition that looks at what an earlier rule of the flow changed.
func (r *ruleText) ask(about string) {
	switch about {
	case "mark":
		if r.often("connection", 4) {
			r.add("connmark", "-m connmark "+r.not("--mark "+r.masked()))
		} else {
			r.add("mark", "-m mark "+r.not("--mark "+r.masked()))
		}
	case "ttl":
		r.add("ttl", "-m "+r.word("ttl --ttl", "hl --hl")+r.one("ttl", "-eq 64", "-eq 63", "-eq 7", "-eq 6", "-eq 8", "-lt 8", "-gt 7"))
	case "tos":
		if r.often("dscp", 4) {
			r.add("dscp", "-m dscp "+r.not("--dscp "+r.one("dscp", "0x00", "0x04", "0x0a")))
		} else {
			r.add("tos", "-m tos "+r.not("--tos "+r.one("tos", "0x00/0xff", "0x10/0xff", "0x10/0x10", "0x28/0xff")))
		}
	case "recent":
		r.add("recent", r.recent())
	case "nat":
		r.add("conntrack", "-m conntrack "+r.conntrack())
	case "set":
		text := "-m set " + r.not("--match-set "+r.changingSet())
		r.add("set", text)
	case "track":
		r.add("conntrack", "-m conntrack "+r.not("--ctstate "+r.one("state", "NEW", "INVALID", "UNTRACKED", "INVALID,NEW")))
	}
}

// changes tells what of a packet a rule may change; "" for nothing.
func changes(rule string) string {
	for _, c := range []struct{ words, what string }{
		{"--map-mark", "mark"}, {"-j SET", "set"}, {"-j MARK", "mark"}, {"-j CONNMARK", "mark"}, {"-j TTL", "ttl"}, {"-j HL", "ttl"}, {"-j TOS", "tos"}, {"-j DSCP", "tos"},
		{"-j DNAT", "nat"}, {"-j REDIRECT", "nat"}, {"-j CT", "track"}, {"-j NOTRACK", "track"}, {"-m recent", "recent"},
	} {
		if strings.Contains(rule, c.words) {
			return c.what
		}
	}
	return ""
}

// header tests what stands in the transport header.
func (r *ruleText) header() {
	switch r.protocol {
	case "tcp", "udp", "sctp":
		text := "-m " + r.protocol
		which := r.number("header", 0, 3)
		if which == 0 || which == 2 {
			text += " " + r.not("--sport "+r.portRange(":"))
		}
		if which == 1 || which == 2 {
			text += " " + r.not("--dport "+r.portRange(":"))
		}
		if which == 3 && r.protocol == "tcp" {
			text += " " + r.not("--tcp-flags "+r.one("flags", "FIN,SYN,RST,ACK SYN", "SYN,ACK SYN", "ALL SYN", "RST RST", "FIN,ACK NONE", "SYN NONE", "ALL NONE"))
		}
		r.add(r.protocol, text)
	case "icmp":
		r.add("icmp", "-m icmp "+r.not("--icmp-type "+r.one("type", "8", "8/0", "8/1", "0", "any")))
	case "ipv6-icmp":
		r.add("icmp6", "-m icmp6 "+r.not("--icmpv6-type "+r.one("type", "128", "128/0", "128/1", "129")))
	}
}

func (r *ruleText) conntrack() string {
	switch r.number("conntrack", 0, 8) {
	case 0, 1:
		return r.not("--ctstate " + r.one("state", "NEW", "INVALID", "RELATED,ESTABLISHED", "DNAT", "SNAT", "SNAT,DNAT", "UNTRACKED", "NEW,DNAT"))
	case 2:
		return r.not("--ctproto " + r.one("number", "6", "17", "132", "1", "58"))
	case 3:
		return r.not(r.one("which", "--ctorigsrc ", "--ctorigdst ", "--ctreplsrc ", "--ctrepldst ") + r.net())
	case 4:
		return r.not(r.one("which", "--ctorigsrcport ", "--ctorigdstport ", "--ctreplsrcport ", "--ctrepldstport ") + r.portRange(":"))
	case 5:
		return r.not("--ctstatus " + r.one("status", "NONE", "CONFIRMED", "SEEN_REPLY", "EXPECTED,ASSURED"))
	case 6:
		return "--ctdir " + r.one("direction", "ORIGINAL", "REPLY")
	case 7:
		return "--ctstate " + r.one("state", "NEW", "DNAT", "INVALID,NEW") + " " + r.not("--ctorigdst "+r.net())
	}
	return r.not("--ctorigdst "+r.net()) + " " + r.not("--ctorigdstport "+r.portRange(":"))
}

func (r *ruleText) addrtype() {
	text := "-m addrtype"
	types := []string{"LOCAL", "UNICAST", "LOCAL,UNICAST", "BROADCAST", "MULTICAST", "LOCAL,BROADCAST"}
	if r.v6 {
		types = []string{"LOCAL", "UNICAST", "LOCAL,UNICAST", "MULTICAST"}
	}
	side := r.number("side", 0, 3)
	if side == 0 || side == 3 {
		text += " " + r.not("--src-type "+r.one("source type", types...))
	}
	if side > 0 {
		text += " " + r.not("--dst-type "+r.one("destination type", types...))
	}
	if r.often("limited", 4) {
		switch {
		case r.within("PREROUTING", "INPUT", "FORWARD"):
			text += " --limit-iface-in"
		case r.within("FORWARD", "OUTPUT", "POSTROUTING"):
			text += " --limit-iface-out"
		}
	}
	r.add("addrtype", text)
}

func (r *ruleText) statistic() string {
	if !r.nth && r.base() && r.often("nth", 1) {
		r.nth = true
		every := r.number("every", 2, 4)
		return "-m statistic --mode nth " + r.not(fmt.Sprintf("--every %d --packet %d", every, r.number("packet", 0, every-1)))
	}
	return "-m statistic --mode random " + r.not("--probability "+r.one("probability", "0.5", "0.33333333349", "0.25", "0.9", "1", "0"))
}

func (r *ruleText) recent() string {
	action := r.one("recent", "--set", "--rcheck", "--update", "--remove")
	text := "-m recent " + r.not(action)
	if action == "--rcheck" || action == "--update" {
		if r.often("seconds", 5) {
			text += " --seconds 60"
		}
		if r.often("hitcount", 3) {
			text += " --hitcount " + strconv.Itoa(r.number("hits", 1, 2))
		}
	}
	text += " --name " + r.one("list", "ONE", "TWO")
	if r.often("masked", 2) {
		text += " --mask " + r.word("255.255.255.0", "ffff:ffff:ffff:ffff::")
	}
	return text + r.one("side", " --rsource", " --rdest")
}

// rarity adds a condition that a trace can only answer with "maybe", or nearly
// so: the kernel's answer must be one of the two.
func (r *ruleText) rarity() {
	switch r.number("rarity", 0, 14) {
	case 0:
		r.add("length", "-m length "+r.not("--length "+r.one("length", "0:40", "41:80", "20:65535", "44")))
	case 1:
		r.add("ttl", "-m "+r.word("ttl --ttl", "hl --hl")+r.one("ttl", "-eq 64", "-eq 63", "-lt 64", "-gt 10"))
	case 2:
		r.add("tos", "-m tos "+r.not("--tos "+r.one("tos", "0x00/0xff", "0x10/0xff", "0x10/0x10")))
	case 3:
		r.add("dscp", "-m dscp "+r.not("--dscp "+r.one("dscp", "0x00", "0x0a")))
	case 4:
		r.add("time", "-m time --timestart 00:00:00 --timestop 23:59:59")
	case 5:
		r.add("u32", `-m u32 --u32 "0x0>>0x1c=`+r.one("version", "0x4", "0x6")+`"`)
	case 6:
		if r.within("PREROUTING", "INPUT", "FORWARD") {
			r.add("mac", "-m mac "+r.not("--mac-source 2a:90:8b:7d:7c:3c"))
		}
	case 7:
		if r.within("PREROUTING") && (r.table == "raw" || r.table == "mangle") {
			r.add("rpfilter", "-m rpfilter"+r.one("rpfilter", "", " --loose", " --invert", " --accept-local"))
		}
	case 8:
		r.add("connbytes", "-m connbytes "+r.not("--connbytes "+r.one("bytes", "0:10", "1:5", "2"))+" --connbytes-mode packets --connbytes-dir "+r.one("direction", "original", "both"))
	case 9:
		if r.within("PREROUTING", "INPUT", "FORWARD") {
			r.add("physdev", "-m physdev "+r.not(r.one("physdev", "--physdev-in eth0", "--physdev-is-in", "--physdev-is-bridged")))
		}
	case 11:
		r.add("limit", "-m limit --limit "+r.one("limit", "1/hour", "5/sec", "1000/sec")+" --limit-burst "+r.one("burst", "1", "5", "100"))
	case 12:
		r.add("hashlimit", "-m hashlimit "+r.one("hashlimit", "--hashlimit-upto", "--hashlimit-above")+" 5/sec --hashlimit-burst 5 --hashlimit-mode "+
			r.one("mode", "srcip", "dstip,dstport")+" --hashlimit-name "+fmt.Sprintf("h%d", r.number("name", 0, 1<<20)))
	case 13:
		r.add("connlimit", "-m connlimit "+r.one("connlimit", "--connlimit-upto", "--connlimit-above")+" "+r.one("connections", "0", "3", "1000")+
			" --connlimit-mask "+r.word("32", "128")+" "+r.one("side", "--connlimit-saddr", "--connlimit-daddr"))
	case 14:
		r.add("quota", "-m quota "+r.not("--quota "+r.one("quota", "0", "200", "1000000")))
	case 10:
		if r.table == "mangle" && r.within("PREROUTING", "INPUT") {
			r.add("socket", "-m socket"+r.one("socket", "", " --transparent", " --nowildcard"))
		}
	}
}

// target is the rule's target with a blank before it; it may make the rule
// test a protocol.
func (r *ruleText) target() string {
	if len(r.jumps) > 0 && r.often("jump", 3) {
		return r.one("how", " -j ", " -j ", " -g ") + r.one("chain", r.jumps...)
	}
	if r.onlySets && r.often("update a set", 4) {
		return r.updateSet()
	}
	if !r.often("ordinary", 6) {
		if special := r.special(); special != "" {
			return special
		}
	}
	switch r.number("target", 0, 9) {
	case 0:
		return ""
	case 1:
		return " -j ACCEPT"
	case 2:
		if r.table == "nat" { // iptables takes no DROP there
			return " -j RETURN"
		}
		return " -j DROP"
	case 3:
		return " -j RETURN"
	case 4, 5, 6:
		return " -j MARK " + r.one("how", "--set-xmark ", "--set-xmark ", "--set-mark ") + r.bits("value") + "/" + r.bits("mask")
	case 7:
		return " -j CONNMARK --set-xmark " + r.bits("value") + "/" + r.bits("mask") +
			r.one("shift", "", "", " --left-shift-mark 1", " --right-shift-mark 2")
	}
	if r.often("update a set", 4) {
		return r.updateSet()
	}
	return " -j CONNMARK " + r.one("how", "--save-mark", "--restore-mark") + " --nfmask " + r.bits("nfmask") + " --ctmask " + r.bits("ctmask")
}

// special is a target of the rule's table, "" for none.
func (r *ruleText) special() string {
	switch {
	case r.table == "filter":
		if r.protocol == "tcp" && r.often("reset", 5) {
			return " -j REJECT --reject-with tcp-reset"
		}
		if r.v6 {
			return " -j REJECT --reject-with icmp6-" + r.one("with", "port-unreachable", "adm-prohibited", "addr-unreachable", "no-route", "policy-fail", "reject-route")
		}
		return " -j REJECT --reject-with icmp-" + r.one("with", "port-unreachable", "host-unreachable", "net-unreachable", "proto-unreachable", "net-prohibited", "host-prohibited", "admin-prohibited")
	case r.table == "raw":
		return r.one("track", " -j CT --notrack", " -j NOTRACK", " -j CT --zone 7")
	case r.table == "nat" && r.within("PREROUTING", "OUTPUT"):
		return r.destinationNAT()
	case r.table == "nat":
		return r.sourceNAT()
	case r.table == "mangle":
		return r.mangle()
	}
	return r.one("log", ` -j LOG --log-prefix "it's: "`, " -j NFLOG --nflog-group 5")
}

// ported makes the rule test a protocol with ports, and gives a port or ports
// to translate to.
func (r *ruleText) ported() string {
	if !r.hasPorts() {
		r.protocol = r.one("with ports", "tcp", "udp", "sctp")
	}
	return r.portRange("-")
}

func (r *ruleText) destinationNAT() string {
	a := generated[r.v6]
	to := r.one("to", slices.Concat(a.pods, a.own, a.outside)...)
	flags := r.one("flags", "", "", "", " --random", " --persistent")
	switch r.number("dnat", 0, 7) {
	case 0:
		return " -j DNAT --to-destination " + to + flags
	case 1, 2:
		return " -j DNAT --to-destination " + r.word(to, "["+to+"]") + ":" + r.ported() + flags
	case 3:
		return " -j DNAT --to-destination :" + r.ported() + flags
	case 4:
		return " -j REDIRECT"
	case 5:
		return " -j REDIRECT --to-ports " + r.ported()
	}
	if r.often("range", 5) {
		return " -j DNAT --to-destination " + r.span() + flags
	}
	return " -j NETMAP --to " + a.network
}

func (r *ruleText) sourceNAT() string {
	a := generated[r.v6]
	flags := r.one("flags", "", "", " --random", " --random-fully")
	if r.within("INPUT") {
		return " -j SNAT --to-source " + a.sourceNAT + flags
	}
	switch r.number("snat", 0, 4) {
	case 0:
		return " -j SNAT --to-source " + a.sourceNAT + flags
	case 1:
		return " -j SNAT --to-source " + r.word(a.sourceNAT, "["+a.sourceNAT+"]") + ":" + r.ported() + flags
	case 2:
		return " -j NETMAP --to " + a.network
	}
	return " -j MASQUERADE" + flags
}

func (r *ruleText) mangle() string {
	if r.within("PREROUTING") && r.often("tproxy", 1) {
		if r.protocol != "udp" {
			r.protocol = "tcp"
		}
		return " -j TPROXY --on-port 1 --on-ip " + r.word("0.0.0.0", "::") + " --tproxy-mark 0x1/0x1"
	}
	switch r.number("mangle", 0, 9) {
	case 0:
		return r.word(" -j TTL --ttl-", " -j HL --hl-") + r.one("ttl", "set 64", "set 7", "inc 1", "dec 1")
	case 1:
		return " -j TOS --set-tos " + r.one("tos", "0x10/0xff", "0x00/0xff", "0x10/0x10")
	case 2:
		return " -j DSCP --set-dscp " + r.one("dscp", "0x00", "0x0a")
	case 3:
		if r.protocol == "tcp" && r.within("FORWARD", "OUTPUT", "POSTROUTING") {
			r.add("tcp", "-m tcp --tcp-flags SYN,RST SYN")
			return " -j TCPMSS --clamp-mss-to-pmtu"
		}
	case 4:
		if r.within("FORWARD", "OUTPUT", "POSTROUTING") {
			return " -j CLASSIFY --set-class 0001:0002"
		}
	case 5:
		return " -j NFQUEUE --queue-num 9 --queue-bypass"
	case 6:
		return " -j HMARK --hmark-tuple src,dst --hmark-mod 4 --hmark-rnd 0x1"
	case 7:
		return " -j NFQUEUE --queue-num 9"
	case 8:
		return " -j AUDIT --type accept"
	}
	return " -j CHECKSUM --checksum-fill"
}
