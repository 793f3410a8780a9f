package trace

import (
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// balancedBy tests what IPVS did with the packet (xt_ipvs.c, ipvs_mt). A test
// of more than whether it came by IPVS holds only where IPVS finds the
// connection by the packet's addresses: masqueraded to, or left to the node
// itself, and not of one-packet scheduling, which keeps none.
func (q *asking) balancedBy(m *netfilter.IPVS) ternary {
	b := &q.tracer.balancer
	if b.table == nil && (b.likely || q.packet.hook != netfilter.Prerouting) {
		return q.unsure(false, byPacket, m.String)
	}
	if *m == (netfilter.IPVS{Any: true, Not: m.Not}) {
		return ternaryOf(q.packet.balanced != 0).xor(m.Not)
	}
	s := q.scheduled(q.packet)
	if s.server == nil || s.service.OnePacket && q.flow.Protocol == netfilter.UDP {
		return no
	}
	switch s.server.Method {
	case ipvs.UnknownForwarding:
		return q.unsure(false, byPacket, m.String)
	case ipvs.DirectRouting, ipvs.ViaTunnel:
		return no // ip_vs_conn.c, ip_vs_conn_out_get: by the real server's address
	}
	holds := yes
	test := func(is, negated bool) { holds = min(holds, ternaryOf(is).xor(negated)) }
	if m.HasProtocol {
		test(m.Protocol == q.flow.Protocol, m.ProtocolNot)
	}
	if m.HasPort {
		test(m.Port == s.to.Port(), m.PortNot)
	}
	if m.HasControl {
		holds = min(holds, ternaryOf(s.service.Persistence != nil && m.ControlPort == controlPort(s.service, s.to.Port())).xor(m.ControlNot))
	}
	if m.Direction != netfilter.AnyDirection {
		if !q.packet.connected() {
			return no
		}
		test(m.Direction == netfilter.OriginalDirection, false)
	}
	if m.Method != "" {
		method := "MASQ"
		if s.server.Method == ipvs.LocalNode {
			method = "" // none of the three
		}
		test(m.Method == method, m.MethodNot)
	}
	if m.Address != nil {
		holds = min(holds, q.address(s.to.Addr(), m.Address.Net, m.Address.Not, m.String))
	}
	return holds
}

// controlPort is the port of the connection that controls those of a persistent
// virtual server, its template's (ip_vs_core.c, ip_vs_sched_persist).
func controlPort(v *ipvs.VirtualServer, dialled uint16) uint16 {
	if v.Mark != 0 || v.Port != dialled || v.Port == ftpControl {
		return 0
	}
	return dialled
}

const ftpControl = 21
