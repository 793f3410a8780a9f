package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// sendTo has IPVS send a packet to a real server. What a process of the node
// gets goes on at the hook; the rest leaves the hook and is sent out.
func (w *walk) sendTo(v *ipvs.VirtualServer, r *ipvs.RealServer, p particle, on []particle) []particle {
	if len(p.mass) == 0 {
		return on
	}
	before := *w.packet(p.packet)
	p.packet = w.assigned(p.packet, v, r)
	if r.Method == ipvs.LocalNode {
		p.trail = w.balancedStep(p.trail, p.packet, sentByIPVS)
		return append(on, p) // ip_vs_xmit.c, ip_vs_null_xmit
	}
	if r.Method == ipvs.Masquerading || r.Method == ipvs.UnknownForwarding {
		p.packet = w.redirected(p.packet, v, r)
	}
	p.trail = w.balancedStep(p.trail, p.packet, sentByIPVS)

	here, there := w.whoseServer(r, p)
	if len(here.mass) > 0 {
		if here, ok := w.toOwn(r, &before, here); ok {
			on = append(on, here)
		}
	}
	if len(there.mass) > 0 {
		w.sendOut(r, there)
	}
	return on
}

// assigned is the packet with the real server that IPVS chose for it.
func (w *walk) assigned(number int32, v *ipvs.VirtualServer, r *ipvs.RealServer) int32 {
	at := w.packet(number)
	s := scheduling{v, r, netip.AddrPortFrom(at.dst, at.dstPort.number)}
	place, ok := w.scheduledAt[s]
	if !ok {
		if w.scheduledAt == nil {
			w.scheduledAt = map[scheduling]int32{}
		}
		w.schedulings = append(w.schedulings, s)
		place = int32(len(w.schedulings))
		w.scheduledAt[s] = place
	}
	return w.changed(number, func(p *packet) { p.balanced = place })
}

// redirected is the packet with its destination rewritten (ip_vs_xmit.c,
// ip_vs_nat_xmit). To conntrack it stays the connection to the virtual server,
// which is answered from the real one (ip_vs_nfct.c, ip_vs_update_conntrack): no
// DNAT of its own, so that --ctstate DNAT does not hold.
func (w *walk) redirected(number int32, v *ipvs.VirtualServer, r *ipvs.RealServer) int32 {
	return w.changed(number, func(p *packet) {
		p.dst = r.Address
		p.dstPort = serverPort(v, r, p.dstPort)
		p.done |= translated
	})
}

// serverPort is the port that a real server gets packets at: its own, unless it
// has none, or the virtual server is persistent and takes other ports than the
// packet's (ip_vs_core.c, ip_vs_schedule and ip_vs_sched_persist).
func serverPort(v *ipvs.VirtualServer, r *ipvs.RealServer, dialled port) port {
	switch {
	case !r.PortKnown:
		return port{}
	case r.Port == 0, v.Persistence != nil && (v.Mark != 0 || dialled.known && v.Port != dialled.number):
		return dialled
	}
	return port{r.Port, true}
}

// whoseServer splits a particle into what goes to a real server that is the node
// itself and what goes to others.
func (w *walk) whoseServer(r *ipvs.RealServer, p particle) (here, there particle) {
	here, there = p, p
	here.mass = nil
	if !r.Address.IsValid() {
		return w.fork(p, fmt.Sprintf("\x00own %p", r), question{
			yes: fmt.Sprintf("real server %s is one of the node's addresses", r),
			no:  fmt.Sprintf("real server %s is none of the node's addresses", r),
		})
	}
	own, ok := w.tracer.node.isLocal(r.Address)
	switch {
	case !ok:
		c := w.ownAddress(r.Address)
		here.mass, there.mass = w.only(p.mass, c), w.only(p.mass, w.not(c))
	case own:
		here.mass, there.mass = p.mass, nil
	}
	return here, there
}

// toOwn is what becomes of a packet for a real server that is the node itself:
// its route stays as it was (ip_vs_xmit.c, __ip_vs_get_out_rt: skb to local
// stack).
func (w *walk) toOwn(r *ipvs.RealServer, before *packet, p particle) (particle, bool) {
	input := before.hook == netfilter.Input
	looped := before.has(looping)
	routedHere := input || before.out == loopback
	switch {
	case input && !looped && r.Address.IsLoopback() && r.Method == ipvs.Masquerading,
		// crosses_local_route_boundary: only what is masqueraded to may
		// turn from another host to the node.
		r.Method != ipvs.Masquerading && !routedHere:
		p.trail = w.note(p.trail, p.packet, "dropped by IPVS: the real server is the node itself, and is not sent there")
		w.end(p, Drop, "", false)
		return p, false
	case !routedHere:
		p.trail = w.note(p.trail, p.packet, "IPVS rewrites the destination to the node itself and leaves the route as it was, to another host")
		w.end(p, Unknown, "", false)
		return p, false
	}
	return p, true
}

// sendOut has a packet leave the hook for another host. It goes through output
// and postrouting once the hook is done.
func (w *walk) sendOut(r *ipvs.RealServer, p particle) {
	at := w.packet(p.packet)
	if at.src.IsValid() && at.src.IsLoopback() {
		// ip_vs_xmit.c, crosses_local_route_boundary.
		p.trail = w.note(p.trail, p.packet, "dropped by IPVS: a loopback address is not sent to another host")
		w.end(p, Drop, "", false)
		return
	}
	if r.Method == ipvs.ViaTunnel {
		// ip_vs_xmit.c, ip_vs_tunnel_xmit: what goes on is another packet,
		// without a connection (nf_reset_ct); the rules that see it are not
		// followed.
		p.trail = w.note(p.trail, p.packet, fmt.Sprintf("wrapped in another packet, for %s", r))
		w.end(p, Accept, "", false)
		return
	}
	hop := w.tracer.node.route(r.Address)
	p, ok := w.reached(p, hop)
	if !ok {
		return
	}
	p.packet = w.changed(p.packet, func(p *packet) {
		p.in, p.out = noLink, hop.link
		if p.ttl > 0 {
			p.ttl--
		}
	})
	p.trail = w.note(p.trail, p.packet, routedTo(hop.link))
	if w.packet(p.packet).ttl == 0 {
		p.trail = w.note(p.trail, p.packet, "dropped by IPVS: its time to live is over")
		w.end(p, Drop, "", false)
		return
	}
	w.sentByIPVS = append(w.sentByIPVS, p)
}

// IPVSConntrack is a setting of the kernel that is off unless somebody sets it,
// which kube-proxy does (pkg/proxy/ipvs/proxier.go, NewProxier).
const IPVSConntrack = "net.ipv4.vs.conntrack is 1, as kube-proxy sets it"

// grantAhead notes what is taken for granted of a virtual server's packets, before
// they are dealt out: what holds for some of them only would leave the others
// with shares that do not sum to 1.
func (w *walk) grantAhead(v *ipvs.VirtualServer, p particle) particle {
	remote, unknown, tunnelled := false, false, false
	servers := w.servers(v)
	for i := range servers {
		r := &servers[i]
		own, _ := w.tracer.node.isLocal(r.Address)
		switch {
		case r.Method == ipvs.ViaTunnel:
			tunnelled = tunnelled || !own
		case r.Method == ipvs.UnknownForwarding:
			unknown, remote = true, remote || !own
		case r.Method == ipvs.Masquerading:
			remote = remote || !own
		}
	}
	if unknown {
		p = w.granted(p, fmt.Sprintf("real servers of IPVS %s, the forwarding method of which was not captured, are masqueraded to", v))
	}
	if tunnelled {
		p = w.granted(p, "the packet that it is wrapped in gets to the real server")
	}
	if remote && w.packet(p.packet).tracking == tracked && w.family.translates {
		// ip_vs_conn.c, ip_vs_conn_new; ip_vs_xmit.c, ip_vs_nat_send_or_cont:
		// otherwise nat does not see the packet.
		p = w.granted(p, IPVSConntrack)
	}
	return p
}

// transmit takes what IPVS sent out through the hooks of packets that the node
// sends (ip_vs_xmit.c, ip_vs_nat_send_or_cont): output a second time for what a
// process of the node sent, and never forward.
func (w *walk) transmit() {
	if len(w.sentByIPVS) == 0 {
		return
	}
	ps := append(w.particles.take(0), w.sentByIPVS...)
	w.sentByIPVS = w.sentByIPVS[:0]
	w.leave(w.hook(netfilter.Postrouting, w.hook(netfilter.Output, ps)))
}

// scheduled is what IPVS did with a packet; the zero scheduling if nothing.
func (w *walk) scheduled(p *packet) scheduling {
	if p.balanced == 0 {
		return scheduling{}
	}
	return w.schedulings[p.balanced-1]
}

// balancedStep is a trail with what IPVS did.
func (w *walk) balancedStep(before *trail, packet int32, e effect) *trail {
	if !w.paths {
		return nil
	}
	return w.happened(before, event{hook: w.packet(packet).hook, effect: e, packet: packet})
}

// describeIPVS says in words what IPVS did.
func (w *walk) describeIPVS(e effect, p *packet) string {
	s := w.scheduled(p)
	if e == refusedByIPVS {
		if s.service.NumServers() == 0 {
			return fmt.Sprintf("IPVS %s: refused, for it has no real servers", s.service)
		}
		return fmt.Sprintf("IPVS %s: refused, for none of its real servers takes new connections", s.service)
	}
	what := "IPVS " + s.service.String()
	if s.service.Scheduler != "" {
		what += " " + string(s.service.Scheduler)
	}
	switch s.server.Method {
	case ipvs.DirectRouting:
		return fmt.Sprintf("%s: sent to %s as it is", what, s.server)
	case ipvs.ViaTunnel:
		return fmt.Sprintf("%s: sent to %s through a tunnel", what, s.server)
	case ipvs.LocalNode:
		return fmt.Sprintf("%s: left to the node itself", what)
	}
	return fmt.Sprintf("%s: destination rewritten to %s", what, string(appendEndpoint(nil, p.dst, p.dstPort, w.flow.Protocol)))
}
