package trace

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// appendField appends the value of a field (net/netfilter/nft_payload.c,
// nft_meta.c and nft_ct.c).
func (q *asking) appendField(key []byte, f netfilter.Field) ([]byte, grasp) {
	if f >= netfilter.CTState && f <= netfilter.CTZone {
		return q.appendConn(key, f)
	}
	p, protocol, is4 := q.packet, q.flow.Protocol, q.flow.Destination.Is4()
	one := func(b uint8) ([]byte, grasp) { return append(key, b), known }
	of := func(needed uint8, port port) ([]byte, grasp) {
		if protocol != needed {
			return key, absent
		}
		return appendPort(key, port)
	}
	switch f {
	case netfilter.IPSaddr, netfilter.IP6Saddr:
		return q.appendAddr(key, p.src, f == netfilter.IPSaddr)
	case netfilter.IPDaddr, netfilter.IP6Daddr:
		return q.appendAddr(key, p.dst, f == netfilter.IPDaddr)
	case netfilter.IPProtocol, netfilter.IP6NextHeader:
		if is4 != (f == netfilter.IPProtocol) {
			return key, absent
		}
		return one(protocol)
	case netfilter.IPTTL, netfilter.IP6HopLimit:
		switch {
		case is4 != (f == netfilter.IPTTL):
			return key, absent
		case p.ttl < 0:
			return key, open
		}
		return appendNumber(key, f.Type(), uint64(p.ttl)), known

	case netfilter.THSport:
		if n, ok := q.echo(); ok { // type and code stand where others have the port
			return append(key, n, 0), known
		}
		return q.appendRawPort(key, p.srcPort)
	case netfilter.THDport:
		return q.appendRawPort(key, p.dstPort)
	case netfilter.TCPSport:
		return of(netfilter.TCP, p.srcPort)
	case netfilter.TCPDport:
		return of(netfilter.TCP, p.dstPort)
	case netfilter.UDPSport:
		return of(netfilter.UDP, p.srcPort)
	case netfilter.UDPDport:
		return of(netfilter.UDP, p.dstPort)
	case netfilter.SCTPSport:
		return of(netfilter.SCTP, p.srcPort)
	case netfilter.SCTPDport:
		return of(netfilter.SCTP, p.dstPort)
	case netfilter.DCCPSport:
		return of(netfilter.DCCP, p.srcPort)
	case netfilter.DCCPDport:
		return of(netfilter.DCCP, p.dstPort)
	case netfilter.UDPLiteSport:
		return of(netfilter.UDPLite, p.srcPort)
	case netfilter.UDPLiteDport:
		return of(netfilter.UDPLite, p.dstPort)
	case netfilter.TCPFlagBits:
		switch {
		case protocol != netfilter.TCP:
			return key, absent
		case q.flow.State == netfilter.StateInvalid:
			return key, open
		case q.flow.State == netfilter.StateEstablished:
			return one(flagACK)
		}
		return one(flagSYN)
	case netfilter.ICMPTypeField, netfilter.ICMPv6TypeField, netfilter.ICMPCodeField, netfilter.ICMPv6CodeField:
		v6 := f == netfilter.ICMPv6TypeField || f == netfilter.ICMPv6CodeField
		n, isEcho := q.echo()
		switch {
		case protocol != map[bool]uint8{false: netfilter.ICMP, true: netfilter.ICMPv6}[v6]:
			return key, absent
		case !isEcho:
			return key, open
		case f == netfilter.ICMPCodeField || f == netfilter.ICMPv6CodeField:
			return one(0)
		}
		return one(n)
	case netfilter.EtherSaddr, netfilter.EtherDaddr, netfilter.EtherTypeField:
		if q.flow.From == FromNode && !p.has(looping) {
			return key, absent // there is no header of the link yet
		}
		return key, open

	case netfilter.MetaL4Proto:
		return one(protocol)
	case netfilter.MetaNFProto:
		if is4 {
			return one(2)
		}
		return one(10)
	case netfilter.MetaProtocol:
		if is4 {
			return append(key, 0x08, 0x00), known
		}
		return append(key, 0x86, 0xdd), known
	case netfilter.MetaMark:
		if p.mark != knownBits(p.mark.value) {
			return key, open
		}
		return appendNumber(key, f.Type(), uint64(p.mark.value)), known
	case netfilter.MetaIif, netfilter.MetaIifName:
		return appendLink(key, p.in)
	case netfilter.MetaOif, netfilter.MetaOifName:
		return appendLink(key, q.out())
	case netfilter.MetaPktType:
		return one(uint8(strings.Index("ubm", q.pktType()[:1])))
	case netfilter.MetaSkUID, netfilter.MetaSkGID:
		// nft_meta.c, nft_meta_get_eval_skugid: what no socket of the node has
		// to do with.
		hasSocket := q.flow.From == FromNode && !p.has(looping) || q.flow.State == netfilter.StateEstablished
		if !hasSocket {
			return key, absent
		}
	case netfilter.IPDSCP, netfilter.IP6DSCP:
		n, ok := q.partOf(f)
		switch {
		case !ok:
			return key, absent
		case n.known == widthMask(f.Type()):
			return one(uint8(n.value))
		}
	default:
		return key, q.otherField(f)
	}
	return key, open
}

// echo is the type of the echo request that the packet is.
func (q *asking) echo() (kind uint8, ok bool) {
	switch {
	case q.flow.State == netfilter.StateRelated: // an error about another packet
	case q.flow.Protocol == netfilter.ICMP:
		return echoRequest, true
	case q.flow.Protocol == netfilter.ICMPv6:
		return echoRequestV6, true
	}
	return 0, false
}

// appendRawPort appends what stands where a transport header has its port: of
// protocols without ports that is something else.
func (q *asking) appendRawPort(key []byte, p port) ([]byte, grasp) {
	if !HasPorts(q.flow.Protocol) {
		return key, open
	}
	return appendPort(key, p)
}

// headers are the first words of fields that only packets of one protocol
// have.
var headers = []struct {
	word     string
	protocol uint8
}{
	{"tcp ", netfilter.TCP}, {"udp ", netfilter.UDP}, {"udplite ", netfilter.UDPLite}, {"sctp ", netfilter.SCTP}, {"dccp ", netfilter.DCCP},
	{"icmp ", netfilter.ICMP}, {"icmpv6 ", netfilter.ICMPv6}, {"igmp ", 2}, {"ah ", 51}, {"esp ", 50}, {"comp ", 108},
}

// otherField tells of a field whose value nobody knows whether the packet has
// it.
func (q *asking) otherField(f netfilter.Field) grasp {
	name := f.String()
	for _, h := range headers {
		if strings.HasPrefix(name, h.word) && h.protocol != q.flow.Protocol {
			return absent
		}
	}
	is4 := q.flow.Destination.Is4()
	switch {
	case strings.HasPrefix(name, "ip ") && !is4, strings.HasPrefix(name, "ip6 ") && is4:
		return absent
	case strings.HasPrefix(name, "ct ") && !q.packet.connected() && !q.packet.isTemplate():
		return absent
	}
	return open
}

// scopeOfExpr tells what the value of an expression depends on.
func scopeOfExpr(e netfilter.Expr) scope {
	switch e := e.(type) {
	case netfilter.Field:
		return scopeOfField(e)
	case *netfilter.Constant:
		return byText
	case *netfilter.Concat:
		s := byText
		for _, part := range e.Parts {
			s = max(s, scopeOfExpr(part))
		}
		return s
	case *netfilter.Masked:
		return scopeOfExpr(e.Of)
	case *netfilter.Shifted:
		return scopeOfExpr(e.Of)
	case *netfilter.MapValue:
		return max(scopeOfExpr(e.Key), byHeaders)
	case *netfilter.Numgen:
		return byRule
	case *netfilter.Hash:
		if e.HasSeed || e.Of == nil {
			return byHeaders
		}
		return byRule // each rule has a seed of its own (nft_hash.c, nft_jhash_init)
	}
	return byPacket
}

func scopeOfField(f netfilter.Field) scope {
	switch f {
	case netfilter.IPTTL, netfilter.IP6HopLimit:
		return byHop
	case netfilter.MetaRandom:
		return byRule
	case netfilter.IPLength, netfilter.MetaLength, netfilter.MetaSkUID, netfilter.MetaSkGID, netfilter.TCPFlagBits,
		netfilter.ICMPTypeField, netfilter.ICMPv6TypeField, netfilter.ICMPCodeField, netfilter.ICMPv6CodeField,
		netfilter.EtherSaddr, netfilter.EtherDaddr, netfilter.EtherTypeField, netfilter.MetaIif, netfilter.MetaIifName:
		return byText
	case netfilter.SocketTransparent, netfilter.SocketMark, netfilter.SocketWildcard, netfilter.MetaPriority, netfilter.MetaNFTrace,
		netfilter.CTStatus, netfilter.MetaOif, netfilter.MetaOifName:
		return byPacket
	}
	name := f.String()
	switch {
	case f <= netfilter.SocketWildcard:
		return byHeaders
	case strings.HasPrefix(name, "ct ") || strings.HasPrefix(name, "rt ") || strings.HasPrefix(name, "meta ") || strings.Contains(name, "group") || strings.Contains(name, "iftype"):
		return byPacket
	}
	return byHeaders // checksums and what rules can write
}
