package nftlist

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// compare makes the match of a comparison with a constant. Where iptables has a
// match that means the same, for packets that lack the field too, it is that
// one: so that both mean the same to every analysis.
func (p *parser) compare(left netfilter.Expr, op netfilter.Relation, c netfilter.Constant) netfilter.Match {
	m := p.plain(left, op, c)
	if m != nil {
		return m
	}
	_, masked := left.(*netfilter.Masked)
	_, shifted := left.(*netfilter.Shifted)
	raw, opaque := left.(*netfilter.OpaqueExpr)
	worked := masked || shifted || opaque && strings.ContainsAny(raw.Text, "&|^<>(")
	return &netfilter.Compare{Left: left, Op: op, Right: c, Bare: worked}
}

// plain is the match of iptables for a comparison, nil if there is none.
func (p *parser) plain(left netfilter.Expr, op netfilter.Relation, c netfilter.Constant) netfilter.Match {
	not := op == netfilter.IsNot
	single := c.First == c.Last
	switch e := left.(type) {
	case *netfilter.Masked:
		return p.plainMasked(e, op, c)
	case *netfilter.FIB:
		if !e.Presence && e.Result == netfilter.FIBType && !e.Mark && op <= netfilter.IsNot && single {
			return addrType(e, not, netfilter.AddrTypes(1)<<c.First.Uint())
		}
		return nil
	case netfilter.Field:
		if e == netfilter.CTStatus && p.compat && c.First.Uint()&(1<<4|1<<5) != 0 {
			// libxt_conntrack.c, _conntrack3_mt_xlate, prints this and no more
			// for "--ctstate RELATED,DNAT", and asks the wrong flag for "!".
			return &netfilter.Opaque{Module: "conntrack", Text: (&netfilter.Compare{Left: e, Op: op, Right: c}).String()}
		}
		if op == netfilter.IsAnyOf {
			return plainFlags(e, c)
		}
		if op > netfilter.IsNot {
			return nil
		}
		return p.plainField(e, not, single, c)
	}
	return nil
}

func (p *parser) plainField(f netfilter.Field, not, single bool, c netfilter.Constant) netfilter.Match {
	switch f {
	case netfilter.IPSaddr, netfilter.IPDaddr, netfilter.IP6Saddr, netfilter.IP6Daddr:
		prefix, ok := netfilter.RangePrefix(c.First, c.Last)
		// In a table of both families "!=" does not hold for a packet of the
		// other one, which Addr would say.
		if !ok || not && p.table.Family != netfilter.IPv4 && p.table.Family != netfilter.IPv6 {
			return nil
		}
		side := netfilter.Source
		if f == netfilter.IPDaddr || f == netfilter.IP6Daddr {
			side = netfilter.Destination
		}
		return &netfilter.Addr{Side: side, Not: not, Net: netfilter.Network{Prefix: prefix}}
	case netfilter.MetaIifName, netfilter.MetaOifName:
		side := netfilter.Source
		if f == netfilter.MetaOifName {
			side = netfilter.Destination
		}
		return &netfilter.Interface{Side: side, Not: not, Name: c.First.Name(), Prefix: !single}
	case netfilter.MetaL4Proto:
		if single {
			n := uint8(c.First.Uint())
			// Number 0 means every protocol to iptables, and hop-by-hop
			// options here.
			if n != 0 {
				return &netfilter.Protocol{Not: not, Number: n, Name: netfilter.ProtocolName(n)}
			}
		}
	case netfilter.MetaMark:
		if single {
			return &netfilter.Mark{Not: not, Value: uint32(c.First.Uint()), Mask: 1<<32 - 1}
		}
	case netfilter.CTMark:
		if single {
			return &netfilter.ConnMark{Not: not, Value: uint32(c.First.Uint()), Mask: 1<<32 - 1}
		}
	case netfilter.ICMPTypeField, netfilter.ICMPv6TypeField:
		if single {
			return &netfilter.ICMPType{V6: f == netfilter.ICMPv6TypeField, Not: not, Type: uint8(c.First.Uint()), LastCode: 255}
		}
	case netfilter.MetaPktType:
		if single && c.First.Uint() <= 2 {
			return &netfilter.PktType{Not: not, Type: [...]string{"unicast", "broadcast", "multicast"}[c.First.Uint()]}
		}
	case netfilter.MetaSkUID, netfilter.MetaSkGID:
		// A packet without a socket passes "! --uid-owner" (xt_owner.c,
		// owner_mt) and not "meta skuid !=" (nft_meta.c, nft_meta_get_eval).
		if not {
			return nil
		}
		t := &netfilter.IDTest{First: uint32(c.First.Uint()), Last: uint32(c.Last.Uint())}
		if f == netfilter.MetaSkUID {
			return &netfilter.Owner{UID: t}
		}
		return &netfilter.Owner{GID: t}
	case netfilter.CTState:
		if states, ok := netfilter.ConnStatesOf(c.First); ok && single && oneBit(c.First.Uint()) {
			return &netfilter.Conntrack{StatesNot: not, States: states}
		}
	case netfilter.CTDirectionField:
		direction := netfilter.OriginalDirection
		if c.First.Uint() == 1 {
			direction = netfilter.ReplyDirection
		}
		if single && !not && c.First.Uint() <= 1 {
			return &netfilter.Conntrack{Direction: direction}
		}
	}
	if m := transport(f, not, c); m != nil {
		return m
	}
	return original(f, not, c)
}

func oneBit(n uint64) bool { return n&(n-1) == 0 }

// plainFlags are "ct state new,established" and "ct status dnat": some of these
// bits are set.
func plainFlags(f netfilter.Field, c netfilter.Constant) netfilter.Match {
	switch f {
	case netfilter.CTState:
		if states, ok := netfilter.ConnStatesOf(c.First); ok {
			return &netfilter.Conntrack{States: states}
		}
	case netfilter.CTStatus:
		const snat, dnat, plain = 1 << 4, 1 << 5, 1<<4 - 1
		bits := c.First.Uint()
		switch {
		case bits&^plain == 0 && bits != 0:
			return &netfilter.Conntrack{HasStatus: true, Status: netfilter.ConnStatus(bits)}
		case bits&^(snat|dnat) == 0 && bits != 0:
			var states netfilter.ConnStates
			if bits&snat != 0 {
				states |= netfilter.StateSNAT
			}
			if bits&dnat != 0 {
				states |= netfilter.StateDNAT
			}
			return &netfilter.Conntrack{States: states}
		}
	}
	return nil
}

// plainMasked are tests of marks and TCP flags under a mask, and the die that
// iptables-nft writes for "-m statistic".
func (p *parser) plainMasked(e *netfilter.Masked, op netfilter.Relation, c netfilter.Constant) netfilter.Match {
	f, ok := e.Of.(netfilter.Field)
	if !ok || e.Xor != 0 || c.First != c.Last {
		return nil
	}
	n := c.First.Uint()
	if f == netfilter.MetaRandom && e.And == netfilter.ProbabilityOne-1 && op == netfilter.IsLess && n <= netfilter.ProbabilityOne {
		return &netfilter.Statistic{Probability: uint32(n)}
	}
	if op > netfilter.IsNot {
		return nil
	}
	not := op == netfilter.IsNot
	switch f {
	case netfilter.MetaMark:
		return &netfilter.Mark{Not: not, Value: uint32(n), Mask: uint32(e.And)}
	case netfilter.CTMark:
		return &netfilter.ConnMark{Not: not, Value: uint32(n), Mask: uint32(e.And)}
	case netfilter.TCPFlagBits:
		return &netfilter.Transport{Protocol: netfilter.TCP, Flags: &netfilter.TCPFlags{Not: not, Mask: uint8(e.And), Comp: uint8(n)}}
	}
	return nil
}

func addrType(e *netfilter.FIB, not bool, types netfilter.AddrTypes) netfilter.Match {
	m := &netfilter.AddrType{LimitIn: e.Iif, LimitOut: e.Oif}
	if e.Side == netfilter.Destination {
		m.Dst, m.DstNot = types, not
	} else {
		m.Src, m.SrcNot = types, not
	}
	return m
}

// transport is a test of one port. Like nft, it holds for no packet of another
// protocol.
func transport(f netfilter.Field, not bool, c netfilter.Constant) netfilter.Match {
	m := &netfilter.Transport{}
	side := netfilter.Destination
	switch f {
	case netfilter.TCPSport, netfilter.UDPSport, netfilter.SCTPSport, netfilter.DCCPSport, netfilter.UDPLiteSport:
		side = netfilter.Source
	}
	switch f {
	case netfilter.TCPSport, netfilter.TCPDport:
		m.Protocol = netfilter.TCP
	case netfilter.UDPSport, netfilter.UDPDport:
		m.Protocol = netfilter.UDP
	case netfilter.SCTPSport, netfilter.SCTPDport:
		m.Protocol = netfilter.SCTP
	case netfilter.DCCPSport, netfilter.DCCPDport:
		m.Protocol = netfilter.DCCP
	case netfilter.UDPLiteSport, netfilter.UDPLiteDport:
		m.Protocol = netfilter.UDPLite
	default:
		return nil
	}
	test := portTest(not, c)
	if side == netfilter.Source {
		m.SrcPort = test
	} else {
		m.DstPort = test
	}
	return m
}

func portTest(not bool, c netfilter.Constant) netfilter.PortTest {
	return netfilter.PortTest{Set: true, Not: not, Range: netfilter.PortRange{First: uint16(c.First.Uint()), Last: uint16(c.Last.Uint())}}
}

// original is a test of the connection's first packet as it came.
func original(f netfilter.Field, not bool, c netfilter.Constant) netfilter.Match {
	m := &netfilter.Conntrack{}
	switch f {
	case netfilter.CTOriginalSport:
		m.OrigSrcPort = portTest(not, c)
		return m
	case netfilter.CTOriginalDport:
		m.OrigDstPort = portTest(not, c)
		return m
	}
	prefix, ok := netfilter.RangePrefix(c.First, c.Last)
	if !ok {
		return nil
	}
	test := &netfilter.AddrTest{Not: not, Net: netfilter.Network{Prefix: prefix}}
	switch f {
	case netfilter.CTOriginalSaddr, netfilter.CTOriginalSaddr6:
		m.OrigSrc = test
	case netfilter.CTOriginalDaddr, netfilter.CTOriginalDaddr6:
		m.OrigDst = test
	default:
		return nil
	}
	return m
}

// setField is the statement that sets a field: that of iptables for what
// constants do to the marks.
func setField(f netfilter.Field, value netfilter.Expr) netfilter.Statement {
	const full = 1<<32 - 1
	var from netfilter.Field
	and, xor := uint64(full), uint64(0)
	switch e := value.(type) {
	case *netfilter.Constant:
		if e.First == e.Last {
			and, xor = 0, e.First.Uint()
			from = f
		}
	case netfilter.Field:
		from = e
	case *netfilter.Masked:
		if of, ok := e.Of.(netfilter.Field); ok {
			from, and, xor = of, e.And, e.Xor
		}
	}
	switch {
	case f == netfilter.MetaMark && from == f:
		return &netfilter.SetMark{Value: uint32(xor), Mask: ^uint32(and)}
	case f == netfilter.CTMark && from == f:
		return &netfilter.SetConnMark{Value: uint32(xor), Mask: ^uint32(and)}
	case f == netfilter.CTMark && from == netfilter.MetaMark && xor == 0:
		return &netfilter.SaveMark{PacketMask: uint32(and), ConnMask: full}
	case f == netfilter.MetaMark && from == netfilter.CTMark && xor == 0:
		return &netfilter.RestoreMark{PacketMask: full, ConnMask: uint32(and)}
	}
	return &netfilter.Assign{To: f, Value: value}
}
