package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// IPVS runs behind the rules of a hook: for packets that came in and are for the
// node itself just before nat for sources, for packets of the node just behind
// nat for destinations (net/netfilter/ipvs/ip_vs_core.c, ip_vs_ops4). At forward
// it looks at ICMP errors and at answers only, and no flow is one.
const (
	priorityIPVSInput  = netfilter.PriorityNATSource - 1
	priorityIPVSOutput = netfilter.PriorityNATDestination + 2
)

// balancer is what is known of the node's IPVS.
type balancer struct {
	table *ipvs.Table // nil when it was not captured
	// likely says that the capture shows that there is one all the same.
	likely bool
	remark source.Diagnostic
}

func newBalancer(s *snapshot.Snapshot) balancer {
	b := balancer{table: s.IPVS}
	if b.table != nil {
		return b
	}
	pos, what := traceOfIPVS(s)
	if b.likely = what != ""; b.likely {
		b.remark = source.Diagnostic{
			Severity: source.Warning, Pos: pos, Code: "ipvs-not-captured",
			Message: what + " is of a node that balances with IPVS, whose table was not captured: where packets for the node itself go is not known; run ipvsadm-save -n, or cat /proc/net/ip_vs, on the node",
		}
	}
	return b
}

// traceOfIPVS finds what only a node that balances with IPVS has: chains and the
// interface of kube-proxy's IPVS mode (pkg/proxy/ipvs/proxier.go).
func traceOfIPVS(s *snapshot.Snapshot) (source.Position, string) {
	for _, t := range s.Tables {
		for _, name := range [...]string{"KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-IPVS-FILTER"} {
			if c := t.Chain(name); c != nil {
				return c.Pos(), "chain " + name
			}
		}
	}
	for _, a := range s.Addresses {
		if a.Interface == "kube-ipvs0" {
			return source.Position{}, "interface kube-ipvs0"
		}
	}
	return source.Position{}, ""
}

// A scheduling is a real server that IPVS chose for the packet; without one it
// refused the packet for this virtual server.
type scheduling struct {
	service *ipvs.VirtualServer
	server  *ipvs.RealServer
	to      netip.AddrPort // the packet's destination at the time
}

// servers are the real servers of a virtual server, the same ones for the whole
// walk: they are told apart by where they lie in memory.
func (w *walk) servers(v *ipvs.VirtualServer) []ipvs.RealServer {
	list, ok := w.serversOf[v]
	if !ok {
		if w.serversOf == nil {
			w.serversOf = map[*ipvs.VirtualServer][]ipvs.RealServer{}
		}
		list = v.Servers()
		w.serversOf[v] = list
	}
	return list
}

// balance has IPVS look at packets, at input and at output. It gives back those
// that go on to the hook's other rules; those that it sends to a real server
// wait until the hook is done (ip_vs_core.c, ip_vs_in_hook).
func (w *walk) balance(ps []particle) []particle {
	out := w.particles.take(0)
	for _, p := range ps {
		if !w.mayBeScheduled(w.packet(p.packet)) {
			out = append(out, p)
			continue
		}
		found, left := w.virtualServers(p)
		if len(left.mass) > 0 {
			out = append(out, left)
		}
		for _, f := range found {
			out = append(out, w.schedule(f.service, f.particle)...)
		}
	}
	return out
}

// mayBeScheduled reports whether IPVS looks for a packet's virtual server.
func (w *walk) mayBeScheduled(p *packet) bool {
	switch w.flow.Protocol {
	case netfilter.TCP, netfilter.UDP, netfilter.SCTP:
	default:
		return false // ip_vs_core.c, ip_vs_proto_data_get: it knows no other protocols with connections
	}
	q := asking{walk: w, packet: p}
	switch {
	case p.balanced != 0: // skb->ipvs_property: it came by already
		return false
	case p.hook == netfilter.Input && q.pktType() != "unicast": // skb->pkt_type
		return false
	case p.srcPort.known && p.srcPort.number == ftpData: // ip_vs_core.c, ip_vs_schedule
		return false
	}
	return true
}

const ftpData = 20

// served is a part of a packet's chance that a virtual server gets.
type served struct {
	particle
	service *ipvs.VirtualServer
}

// virtualServers finds the virtual servers that a packet may be for, more than
// one where the capture does not tell. left is for none.
func (w *walk) virtualServers(p particle) (found []served, left particle) {
	b, at := &w.tracer.balancer, w.packet(p.packet)
	to := netip.AddrPortFrom(at.dst, at.dstPort.number)
	if b.table == nil {
		return nil, w.unlisted(p, ", whose table was not captured (run ipvsadm-save -n),", "")
	}
	left = p
	if len(b.table.Marked()) > 0 {
		if found, left = w.byMark(p); len(left.mass) == 0 {
			return found, left
		}
	}
	if !at.dst.IsValid() || !at.dstPort.known {
		return found, w.unlisted(left, "", "")
	}
	if v := b.table.Find(0, w.flow.Protocol, to); v != nil {
		if isControlOnly(v, to.Port()) {
			return found, left
		}
		this := left
		left.mass = nil
		return append(found, served{this, v}), left
	}
	switch {
	case b.table.HasNames():
		left = w.unlisted(left, "", " under a name that is not resolved")
	case !b.table.Complete:
		left = w.unlisted(left, ", a part of whose table was captured,", "")
	}
	return found, left
}

// isControlOnly reports whether a virtual server of FTP's control connections
// leaves the packet alone, which may be of a data connection: only with
// persistence it takes those (ip_vs_core.c, ip_vs_schedule and ip_vs_leave).
func isControlOnly(v *ipvs.VirtualServer, port uint16) bool {
	return v.Mark == 0 && v.Port != 0 && v.Port != port && v.Persistence == nil
}

// byMark finds the virtual servers that go by the packet's mark.
func (w *walk) byMark(p particle) (found []served, left particle) {
	at := w.packet(p.packet)
	family := ipvs.FamilyOf(w.flow.Destination)
	left = p
	for _, v := range w.tracer.balancer.table.Marked() {
		if v.Family != netfilter.AnyFamily && v.Family != family || len(left.mass) == 0 {
			continue
		}
		this := left
		switch at.mark.equals(v.Mark, 1<<32-1) {
		case no:
			continue
		case yes:
			left.mass = nil
		default:
			text := fmt.Sprintf("the packet's mark, %d", v.Mark)
			this, left = w.fork(left, fmt.Sprintf("\x00fwmark %d %d", p.packet, v.Mark), question{
				yes: text + ", is a virtual server's", no: text + ", is not what the packet has",
			})
		}
		if len(this.mass) > 0 {
			found = append(found, served{this, v})
		}
	}
	return found, left
}

// unlisted asks whether IPVS has a virtual server that the capture does not
// show, for what is known of it. What goes to one is lost to view; the rest is
// given back.
func (w *walk) unlisted(p particle, known, how string) particle {
	if len(p.mass) == 0 {
		return p
	}
	if d := w.tracer.balancer.remark; d.Message != "" {
		w.remark(d.Severity, d.Code, d.Pos, "%s", d.Message)
	}
	to := w.dialled(w.packet(p.packet)) + how
	has, hasNot := w.fork(p, "\x00unlisted "+to, question{
		yes: "IPVS" + known + " has a virtual server for " + to,
		no:  "IPVS" + known + " has no virtual server for " + to,
	})
	if len(has.mass) > 0 {
		has.trail = w.note(has.trail, has.packet, "taken by IPVS, which sends it to a real server that is not known")
		w.end(has, Unknown, "", false)
	}
	return hasNot
}

// dialled is the packet's destination in words.
func (w *walk) dialled(p *packet) string {
	return w.words.endpoint("", p.dst, p.dstPort, w.flow.Protocol) + "/" + netfilter.ProtocolName(w.flow.Protocol)
}
