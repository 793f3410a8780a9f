package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// connected reports whether the packet belongs to a connection, which rules
// before conntrack do not know yet.
func (p *packet) connected() bool { return p.tracking == tracked }

// state tests the packet's connection state (xt_conntrack.c, conntrack_mt).
func (q *asking) state(states netfilter.ConnStates, negated bool) ternary {
	have := q.connStates()
	if q.packet.tracking == tracked {
		if q.packet.has(sourceChanged) {
			have |= netfilter.StateSNAT
		}
		if q.packet.has(destinationChanged) {
			have |= netfilter.StateDNAT
		}
	}
	return ternaryOf(states&have != 0).xor(negated)
}

// connStates is the one state of the packet's connection.
func (q *asking) connStates() netfilter.ConnStates {
	switch p := q.packet; {
	case p.tracking == tracked:
		return q.flow.State
	case p.tracking == untracked:
		return netfilter.StateUntracked
	case p.isTemplate():
		return netfilter.StateNew
	}
	return netfilter.StateInvalid // also before conntrack has seen it
}

func (q *asking) conntrack(m *netfilter.Conntrack) ternary {
	if q.native && !q.packet.connected() && !q.packet.isTemplate() && m.States&^(netfilter.StateSNAT|netfilter.StateDNAT) == 0 {
		return no // nft_ct.c, nft_ct_get_eval: there is a state only
	}
	holds := yes
	if m.States != 0 {
		if holds = q.state(m.States, m.StatesNot); holds == no {
			return no
		}
	}
	if q.packet.isTemplate() && *m != (netfilter.Conntrack{States: m.States, StatesNot: m.StatesNot}) {
		return q.unsure(false, byText, m.String) // of a template's other parts nothing is known here
	}
	if !q.packet.connected() {
		// Nothing else is tested then: the match holds if it tests the state.
		return min(holds, ternaryOf(m.States != 0))
	}
	if m.Direction != netfilter.AnyDirection {
		holds = min(holds, ternaryOf(m.Direction == netfilter.OriginalDirection))
	}
	if m.HasProtocol {
		holds = min(holds, ternaryOf(m.Protocol == q.flow.Protocol).xor(m.ProtocolNot))
	}
	p := q.packet
	for _, a := range [...]struct {
		test *netfilter.AddrTest
		now  bool // the reply is what the packet became, turned round
		src  bool
	}{
		{m.OrigSrc, false, true}, {m.OrigDst, false, false},
		{m.ReplSrc, true, false}, {m.ReplDst, true, true},
	} {
		if a.test == nil {
			continue
		}
		addr := q.origin.dst
		switch {
		case a.now && a.src:
			addr = p.src
		case a.now:
			addr = p.dst
		case a.src:
			addr = q.origin.src
		}
		holds = min(holds, q.address(addr, a.test.Net, a.test.Not, m.String))
	}
	if HasPorts(q.flow.Protocol) {
		holds = min(holds,
			q.portIs(m.OrigSrcPort, q.origin.srcPort, m), q.portIs(m.OrigDstPort, q.origin.dstPort, m),
			q.portIs(m.ReplSrcPort, p.dstPort, m), q.portIs(m.ReplDstPort, p.srcPort, m))
	} else if m.OrigSrcPort.Set || m.OrigDstPort.Set || m.ReplSrcPort.Set || m.ReplDstPort.Set {
		holds = min(holds, q.unsure(false, byHeaders, m.String))
	}
	if m.HasStatus {
		holds = min(holds, q.status(m))
	}
	if m.HasExpire && holds != no {
		holds = min(holds, q.unsure(false, byText, m.String))
	}
	return holds
}

// status tests the flags of the packet's connection. A new one has none until
// its first packet leaves the node or reaches a process.
func (q *asking) status(m *netfilter.Conntrack) ternary {
	if q.flow.State == netfilter.StateNew {
		var have netfilter.ConnStatus
		if q.packet.has(looping) {
			have = netfilter.StatusConfirmed
		}
		return ternaryOf(m.Status&have != 0).xor(m.StatusNot)
	}
	if m.Status&netfilter.StatusConfirmed != 0 && q.flow.State == netfilter.StateEstablished {
		return ternaryOf(!m.StatusNot)
	}
	if m.Status == 0 {
		return ternaryOf(m.StatusNot)
	}
	return q.unsure(false, byText, m.String)
}

// connMark tests the connection's mark; without a connection it does not
// match, negated or not (xt_connmark.c, connmark_mt).
func (q *asking) connMark(m *netfilter.ConnMark) ternary {
	if q.packet.isTemplate() {
		return ternaryOf(m.Value == 0).xor(m.Not) // a template's mark is 0
	}
	if !q.packet.connected() {
		return no
	}
	t := q.packet.connMark.equals(m.Value, m.Mask)
	if t == maybe {
		return q.unsure(m.Not, byHeaders, plain(m, m.Not))
	}
	return t.xor(m.Not)
}

// helper tests which helper announced the connection (xt_helper.c, helper_mt).
func (q *asking) helper(m *netfilter.Helper) ternary {
	if !q.packet.connected() || q.flow.State == netfilter.StateNew {
		return ternaryOf(m.Not)
	}
	return q.unsure(m.Not, byText, plain(m, m.Not))
}
