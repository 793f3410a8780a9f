package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// routeTypes are the address types by number (include/uapi/linux/rtnetlink.h,
// RTN_UNSPEC and those after it).
var routeTypes = [...]netfilter.AddrTypes{
	netfilter.AddrUnspec, netfilter.AddrUnicast, netfilter.AddrLocal, netfilter.AddrBroadcast, netfilter.AddrAnycast,
	netfilter.AddrMulticast, netfilter.AddrBlackhole, netfilter.AddrUnreachable, netfilter.AddrProhibit, netfilter.AddrThrow,
}

// fibType tests what routing says of an address. For IPv4 that is what
// xt_addrtype.c asks too (net/ipv4/netfilter/nft_fib_ipv4.c,
// nft_fib4_eval_type).
func (q *asking) fibType(e *netfilter.FIB, want netfilter.Key, negated bool, m netfilter.Match) ternary {
	n := want.Uint()
	if n >= uint64(len(routeTypes)) || e.Mark {
		return q.unsure(false, byPacket, m.String)
	}
	device, limited := noLink, true
	switch {
	case e.Iif:
		device = q.packet.in
	case e.Oif:
		device = q.out()
	default:
		limited = false
	}
	if q.flow.Destination.Is6() {
		return q.fibType6(e.Side, routeTypes[n], negated, device, limited, m)
	}
	return q.kindOf(e.Side, routeTypes[n], negated, device, limited, m)
}

// fibType6 is fibType for IPv6, where an address has one type only
// (net/ipv6/netfilter/nft_fib_ipv6.c, __nft_fib6_eval_type).
func (q *asking) fibType6(side netfilter.Side, types netfilter.AddrTypes, negated bool, device link, limited bool, m netfilter.Match) ternary {
	a := q.packet.dst
	if side == netfilter.Source {
		a = q.packet.src
	}
	limited = limited && device != noLink
	const special = netfilter.AddrLocal | netfilter.AddrUnicast
	if !limited && (!a.IsValid() || !a.IsMulticast()) {
		// Whose the address is decides, unless the answer can be another.
		n := &q.tracer.node
		sure := !a.IsValid() || !n.edges[a] && !n.route(a).missing && n.route(a).refused == "" && !a.IsUnspecified()
		local, known := false, false
		if a.IsValid() {
			local, known = n.isLocal(a)
		}
		switch {
		case known && local && !n.edges[a]:
			return ternaryOf(types&netfilter.AddrLocal != 0).xor(negated)
		case known && !local && types&^netfilter.AddrLocal == 0:
			return ternaryOf(negated)
		case !sure:
			return q.unsure(false, byHeaders, m.String)
		}
		switch types & special {
		case netfilter.AddrLocal:
			return q.local(negated, side)
		case netfilter.AddrUnicast:
			return q.local(!negated, side)
		}
		return ternaryOf(types&special != 0).xor(negated)
	}
	switch {
	case !a.IsValid() || !device.known && limited:
		return q.unsure(false, byHeaders, m.String)
	case a.IsMulticast():
		return ternaryOf(types&netfilter.AddrMulticast != 0).xor(negated)
	}
	n := &q.tracer.node
	local, known := n.isLocal(a)
	switch {
	case !known || n.edges[a] || n.route(a).refused != "" || n.route(a).missing || local && !n.isOwn(a):
		return q.unsure(false, byHeaders, m.String)
	case local && n.has(device.name, a):
		return ternaryOf(types&netfilter.AddrLocal != 0).xor(negated)
	}
	return ternaryOf(types&netfilter.AddrUnicast != 0).xor(negated)
}

// appendFIB appends what a FIB expression gives, where that is sure.
func (q *asking) appendFIB(key []byte, e *netfilter.FIB) ([]byte, grasp) {
	switch {
	case e.Result != netfilter.FIBType:
		// What comes by lo is its own way back (nft_fib_ipv4.c, nft_fib4_eval).
		if e.Presence && q.packet.hook == netfilter.Prerouting && q.packet.has(looping) {
			return append(key, 1), known
		}
		return key, open
	case e.Presence:
		return key, open
	}
	sure := asking{walk: q.walk, rule: q.rule, native: true, packet: q.packet}
	for n := range routeTypes {
		// Of types that exclude each other one that holds is the one.
		if sure.fibType(e, netfilter.UintKey(netfilter.TypeAddrType, uint64(n)), false, noMatch) == yes {
			return appendNumber(key, netfilter.TypeAddrType, uint64(n)), known
		}
	}
	return key, open
}

var noMatch = &netfilter.Opaque{}
