package trace

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// match tells whether a match holds for the packet. A Statistic between never
// and always, and a Recent, are maybe: split knows more of them.
func (q *asking) match(m netfilter.Match) ternary {
	q.trying = m
	switch m := m.(type) {
	case *netfilter.Comment, *netfilter.NFAcct:
		return yes
	case *netfilter.Opaque:
		return q.unsure(false, scopeOf(m.Module), m.String)

	case *netfilter.Addr:
		a := q.packet.src
		if m.Side == netfilter.Destination {
			a = q.packet.dst
		}
		if t := q.inNetwork(a, m.Net, m.Not); t != maybe {
			return t
		}
		return q.unsureAddr(m)
	case *netfilter.Interface:
		l := q.packet.in
		if m.Side == netfilter.Destination {
			l = q.out()
		}
		if !l.known && (m.Name != "" || !m.Prefix) {
			return q.unsure(m.Not, byText, plain(m, m.Not))
		}
		return ternaryOf(m.Matches(l.name)).xor(m.Not)
	case *netfilter.Protocol:
		return ternaryOf(m.Number == 0 && !q.native || m.Number == q.flow.Protocol).xor(m.Not)
	case *netfilter.Fragment:
		return ternaryOf(m.Not) // conntrack puts fragments together
	case *netfilter.Transport:
		return q.transport(m)
	case *netfilter.MultiPort:
		return q.multiPort(m)
	case *netfilter.ICMPType:
		return q.icmp(m)
	case *netfilter.IPRange:
		return min(q.inRange(m.Src, q.packet.src, m), q.inRange(m.Dst, q.packet.dst, m))
	case *netfilter.AddrType:
		return q.addrType(m)
	case *netfilter.PktType:
		return ternaryOf(m.Type == q.pktType()).xor(m.Not)
	case *netfilter.MAC:
		// xt_mac.c, mac_mt: what came in by no Ethernet device has no such
		// address, negated or not.
		if q.flow.From == FromNode {
			return no
		}
		return q.unsure(m.Not, byText, plain(m, m.Not))
	case *netfilter.Physdev:
		return q.physdev(m)

	case *netfilter.Length:
		return q.unsure(m.Not, byText, plain(m, m.Not))
	case *netfilter.TTL:
		if q.packet.ttl >= 0 {
			return ternaryOf(m.Compare.Holds(uint64(q.packet.ttl), uint64(m.Value))).xor(m.Not)
		}
		return q.unsure(m.Not, byHop, func() string {
			if q.packet.ttl != unknownTTL {
				return plain(m, m.Not)() + " on the changed time to live"
			}
			return plain(m, m.Not)()
		})
	case *netfilter.TOS:
		return q.tos(uint32(m.Value), uint32(m.Mask), m.Not, m)
	case *netfilter.DSCP:
		return q.tos(uint32(m.Value)<<2, 0xfc, m.Not, m)

	case *netfilter.Mark:
		if t := q.packet.mark.equals(m.Value, m.Mask); t != maybe {
			return t.xor(m.Not)
		}
		return q.unsure(m.Not, byHeaders, plain(m, m.Not))
	case *netfilter.ConnMark:
		return q.connMark(m)
	case *netfilter.Conntrack:
		return q.conntrack(m)
	case *netfilter.State:
		return q.state(m.States, m.Not)
	case *netfilter.Helper:
		return q.helper(m)

	case *netfilter.Statistic:
		if !m.Nth && m.Probability > 0 && m.Probability < netfilter.ProbabilityOne {
			return maybe
		}
		switch odds, _ := q.oddsOf(m); {
		case odds.IsZero():
			return no
		case odds.IsCertain():
			return yes
		}
		return maybe
	case *netfilter.Recent:
		return maybe
	case *netfilter.Limit, *netfilter.HashLimit:
		return q.unsure(false, byRule, m.String)
	case *netfilter.ConnLimit:
		return q.unsure(false, byPacket, m.String)
	case *netfilter.ConnBytes:
		if q.packet.tracking != tracked {
			return no // xt_connbytes.c, connbytes_mt
		}
		return q.unsure(m.Not, byText, plain(m, m.Not))

	case *netfilter.InSet:
		return q.inSet(m)
	case *netfilter.Owner:
		return q.owner(m)
	case *netfilter.Socket:
		return q.unsure(false, byPacket, m.String)
	case *netfilter.RPFilter:
		if q.packet.has(looping) {
			return ternaryOf(!m.Invert) // ipt_rpfilter.c, rpfilter_is_loopback
		}
		return q.unsure(false, byText, m.String)
	case *netfilter.IPVS:
		return q.balancedBy(m)

	case *netfilter.Compare:
		return q.compare(m)
	case *netfilter.RateLimit, *netfilter.Quota, *netfilter.ConnCount, *netfilter.ObjectTest:
		return q.unsure(false, byRule, m.String)
	}
	return q.unsure(false, byPacket, m.String)
}

// address tests an address against a network, as a part of a match.
func (q *asking) address(a netip.Addr, net netfilter.Network, negated bool, text func() string) ternary {
	if t := q.inNetwork(a, net, negated); t != maybe {
		return t
	}
	return q.unsure(negated, byHeaders, text)
}

// inNetwork tells whether an address is in a network: maybe if it is not known.
func (q *asking) inNetwork(a netip.Addr, net netfilter.Network, negated bool) ternary {
	switch {
	case q.native && net.Prefix.Addr().Is4() != q.flow.Destination.Is4():
		return no // a table of both families: nft tests the family first, negated or not
	case net.Prefix.Bits() == 0 && !net.Mask.IsValid():
		return ternaryOf(!negated)
	case !a.IsValid():
		return maybe
	}
	return ternaryOf(net.Contains(a)).xor(negated)
}

func (q *asking) inRange(r *netfilter.RangeTest, a netip.Addr, m netfilter.Match) ternary {
	switch {
	case r == nil:
		return yes
	case !a.IsValid():
		return q.unsure(false, byHeaders, m.String)
	}
	// xt_iprange.c, iprange_mt4.
	return ternaryOf(r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0).xor(r.Not)
}

// portIs tests a port, m being the match that the test is part of.
func (q *asking) portIs(t netfilter.PortTest, p port, m netfilter.Match) ternary {
	switch {
	case !t.Set || !t.Not && t.Range == netfilter.PortRange{Last: 1<<16 - 1}:
		return yes
	case !p.known:
		return q.unsure(false, byHeaders, m.String)
	}
	return ternaryOf(t.Range.Contains(p.number)).xor(t.Not)
}

// TCP flags of a connection's first packet and of a later one.
const (
	flagSYN = 1 << 1
	flagACK = 1 << 4
)

func (q *asking) transport(m *netfilter.Transport) ternary {
	if m.Protocol != q.flow.Protocol {
		return no
	}
	holds := min(q.portIs(m.SrcPort, q.packet.srcPort, m), q.portIs(m.DstPort, q.packet.dstPort, m))
	if q.mergesPorts(m) {
		holds = q.mergedPorts(m)
	}
	if f := m.Flags; f != nil {
		// xt_tcpudp.c, tcp_mt.
		switch q.flow.State {
		case netfilter.StateInvalid:
			holds = min(holds, q.unsure(false, byText, m.String))
		case netfilter.StateEstablished:
			holds = min(holds, ternaryOf(flagACK&f.Mask == f.Comp).xor(f.Not))
		default:
			holds = min(holds, ternaryOf(flagSYN&f.Mask == f.Comp).xor(f.Not))
		}
	}
	if m.Option != nil || m.Rest != "" {
		holds = min(holds, q.unsure(false, byHeaders, m.String))
	}
	return holds
}

// mergesPorts reports whether both ports are tested by one comparison: of "!
// --sport A ! --dport B", iptables-nft 1.8.8 to 1.8.9 makes "not A and B
// together" (iptables/nft.c, add_nft_tcpudp), and prints it as if each were
// tested by itself. Text that does not tell its back end may be of any.
func (q *asking) mergesPorts(m *netfilter.Transport) bool {
	single := func(t netfilter.PortTest) bool { return t.Set && t.Not && t.Range.IsSingle() && t.Range.First != 0 }
	return q.rule.Chain().Table.Backend != netfilter.Legacy && single(m.SrcPort) && single(m.DstPort) &&
		(m.Protocol == netfilter.TCP || m.Protocol == netfilter.UDP)
}

// mergedPorts tests two ports where it is not known which of the two readings
// the kernel was given.
func (q *asking) mergedPorts(m *netfilter.Transport) ternary {
	src := inPorts([]netfilter.PortRange{m.SrcPort.Range}, q.packet.srcPort)
	dst := inPorts([]netfilter.PortRange{m.DstPort.Range}, q.packet.dstPort)
	switch {
	case src == no && dst == no:
		return yes
	case src == yes && dst == yes:
		return no
	}
	return q.unsure(false, byHeaders, func() string {
		return m.String() + ", which iptables-nft may have taken for both ports together,"
	})
}

func (q *asking) multiPort(m *netfilter.MultiPort) ternary {
	if !HasPorts(q.flow.Protocol) {
		return no
	}
	src, dst := no, no
	if m.Side != netfilter.Destination {
		src = inPorts(m.Ranges, q.packet.srcPort)
	}
	if m.Side != netfilter.Source {
		dst = inPorts(m.Ranges, q.packet.dstPort)
	}
	if t := max(src, dst); t != maybe {
		return t.xor(m.Not)
	}
	return q.unsure(m.Not, byHeaders, plain(m, m.Not))
}

func inPorts(ranges []netfilter.PortRange, p port) ternary {
	if !p.known {
		return maybe
	}
	for _, r := range ranges {
		if r.Contains(p.number) {
			return yes
		}
	}
	return no
}

// Types of the echo request that a flow of ICMP is.
const (
	echoRequest   = 8
	echoRequestV6 = 128
)

func (q *asking) icmp(m *netfilter.ICMPType) ternary {
	protocol, echo := uint8(netfilter.ICMP), uint8(echoRequest)
	if m.V6 {
		protocol, echo = netfilter.ICMPv6, echoRequestV6
	}
	if q.flow.Protocol != protocol {
		return no
	}
	if q.flow.State == netfilter.StateRelated && !m.Any {
		return q.unsure(m.Not, byText, plain(m, m.Not)) // an error about another packet
	}
	return ternaryOf(m.Any || m.Type == echo && m.FirstCode == 0).xor(m.Not)
}

func (q *asking) tos(value, mask uint32, negated bool, m netfilter.Match) ternary {
	if t := q.packet.tos.equals(value, mask); t != maybe {
		return t.xor(negated)
	}
	return q.unsure(negated, byHeaders, plain(m, negated))
}

// pktType is what the link layer said about the packet's destination.
func (q *asking) pktType() string {
	if q.packet.dst.IsMulticast() && q.flow.From != FromNode {
		return "multicast"
	}
	if q.tracer.node.broadcast[q.packet.dst] && q.flow.From != FromNode {
		return "broadcast"
	}
	return "unicast"
}
