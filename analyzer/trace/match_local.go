package trace

import (
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// addrType tests what routing says of the packet's addresses (xt_addrtype.c).
func (q *asking) addrType(m *netfilter.AddrType) ternary {
	device, limited := noLink, true
	switch {
	case m.LimitIn:
		device = q.packet.in
	case m.LimitOut:
		device = q.out()
	default:
		limited = false
	}
	if q.native && !q.flow.Destination.Is4() {
		side, types, negated := netfilter.Destination, m.Dst, m.DstNot
		if types == 0 {
			side, types, negated = netfilter.Source, m.Src, m.SrcNot
		}
		return q.fibType6(side, types, negated, device, limited, m)
	}
	holds := yes
	if m.Src != 0 {
		holds = q.kindOf(netfilter.Source, m.Src, m.SrcNot, device, limited, m)
	}
	if m.Dst != 0 && holds != no {
		holds = min(holds, q.kindOf(netfilter.Destination, m.Dst, m.DstNot, device, limited, m))
	}
	return holds
}

func (q *asking) kindOf(side netfilter.Side, types netfilter.AddrTypes, negated bool, device link, limited bool, m netfilter.Match) ternary {
	a := q.packet.dst
	if side == netfilter.Source {
		a = q.packet.src
	}
	if q.flow.Destination.Is6() {
		return q.kindOf6(a, side, types, negated, device, limited, m)
	}
	if limited && device.name != "" || limited && !device.known {
		return q.kindOn(a, types, negated, device, m)
	}
	if a.IsValid() {
		have, ok := q.tracer.node.addrTypes4(a)
		switch {
		case ok:
			return ternaryOf(have&types != 0).xor(negated)
		case have != 0 && have&types == 0:
			return ternaryOf(negated)
		case have != 0:
			return q.unsure(false, byHeaders, m.String)
		}
	}
	const likely = netfilter.AddrLocal | netfilter.AddrUnicast
	switch types & likely {
	case netfilter.AddrLocal:
		return q.local(negated, side)
	case netfilter.AddrUnicast:
		return q.local(!negated, side)
	case likely:
		return ternaryOf(!negated)
	}
	return ternaryOf(negated)
}

// kindOn is kindOf for addresses that count as local or broadcast only on one
// interface.
func (q *asking) kindOn(a netip.Addr, types netfilter.AddrTypes, negated bool, device link, m netfilter.Match) ternary {
	if !a.IsValid() || !device.known {
		return q.unsure(false, byHeaders, m.String)
	}
	have, ok := q.tracer.node.addrTypes4(a)
	switch {
	case !ok || have == netfilter.AddrBroadcast:
		return q.unsure(false, byHeaders, m.String)
	case have == netfilter.AddrLocal && !q.tracer.node.has(device.name, a):
		if !q.tracer.node.isOwn(a) {
			return q.unsure(false, byHeaders, m.String) // nobody says where it is
		}
		have = netfilter.AddrUnicast
	}
	return ternaryOf(have&types != 0).xor(negated)
}

// kindOf6 is kindOf for IPv6, where unicast and multicast are kinds of
// addresses whoever has them, and must hold before the rest is looked at
// (xt_addrtype.c, match_type6).
func (q *asking) kindOf6(a netip.Addr, side netfilter.Side, types netfilter.AddrTypes, negated bool, device link, limited bool, m netfilter.Match) ternary {
	if a.IsValid() && (types&netfilter.AddrMulticast != 0 && !a.IsMulticast() ||
		types&netfilter.AddrUnicast != 0 && (a.IsMulticast() || a.IsUnspecified()) ||
		types&netfilter.AddrUnspec != 0 && !a.IsUnspecified()) {
		return ternaryOf(negated)
	}
	looked := types & (netfilter.AddrLocal | netfilter.AddrAnycast | netfilter.AddrUnreachable)
	n := &q.tracer.node
	switch {
	case looked == 0 && a.IsValid():
		return ternaryOf(!negated)
	case looked == netfilter.AddrLocal && !limited:
		return q.local(negated, side)
	case looked == netfilter.AddrLocal && a.IsValid() && device.known:
		if local, ok := n.isLocal(a); ok && (!local || n.isOwn(a)) {
			return ternaryOf(n.has(device.name, a)).xor(negated)
		}
	case looked == netfilter.AddrAnycast && a.IsValid() && n.hasAddresses() && !n.edges[a]:
		return ternaryOf(negated)
	}
	return q.unsure(false, byHeaders, m.String)
}

// owner tests the socket that sent the packet; what is forwarded has none, and
// then only negated tests hold (xt_owner.c, owner_mt).
func (q *asking) owner(m *netfilter.Owner) ternary {
	if q.native {
		if _, have := q.appendField(nil, netfilter.MetaSkUID); have == absent {
			return no
		}
		return q.unsure(m.UID != nil && m.UID.Not || m.GID != nil && m.GID.Not, byText, m.String)
	}
	if q.flow.From != FromNode {
		holds := (m.UID == nil || m.UID.Not) && (m.GID == nil || m.GID.Not) && (!m.SocketExists || m.SocketNot)
		return ternaryOf(holds)
	}
	switch {
	case m.SocketExists && m.SocketNot:
		return no
	case m.UID == nil && m.GID == nil:
		return yes
	}
	return q.unsure(false, byText, m.String)
}

// physdev tests the bridge port of the packet. A packet that is routed has no
// port to leave by; one to come in by it has only when it came in by a bridge,
// and bridges show their packets to iptables (br_netfilter), which no capture
// tells. Without one only negated tests hold (xt_physdev.c, physdev_mt).
func (q *asking) physdev(m *netfilter.Physdev) ternary {
	without := (m.In == "" || m.InNot) && (m.Out == "" || m.OutNot) &&
		(!m.IsIn || m.IsInNot) && (!m.IsOut || m.IsOutNot) && (!m.IsBridged || m.IsBridgedNot)
	if !q.packet.in.known || mayBeBridge(q.packet.in.name) {
		with := (m.Out == "" || m.OutNot) && (!m.IsIn || !m.IsInNot) &&
			(!m.IsOut || m.IsOutNot) && (!m.IsBridged || m.IsBridgedNot)
		if without != with || m.In != "" && (with || without) {
			return q.unsure(false, byText, m.String)
		}
	}
	return ternaryOf(without)
}

// mayBeBridge tells by its name whether an interface may be a bridge: "cni0",
// "docker0", "br-1234", "virbr0".
func mayBeBridge(name string) bool {
	for _, prefix := range []string{"br", "cni", "cbr", "docker", "virbr", "lxc", "lxd", "vmbr", "podman", "kube-bridge", "nerdctl"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
