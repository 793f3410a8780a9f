package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// routeIn decides for packets that came in whether a process of the node gets
// them, or another host.
func (w *walk) routeIn(ps []particle) (here, there []particle) {
	here, there = w.particles.take(len(ps))[:0], w.particles.take(len(ps))[:0]
	var source netip.Addr // mostly all have the same
	var own bool
	for _, p := range ps {
		at := w.packet(p.packet)
		if at.dst.Is4() && at.src.IsValid() {
			if at.src != source {
				source = at.src
				own, _ = w.tracer.node.isLocal(source)
			}
			if own && !at.src.IsLoopback() {
				// net/ipv4/fib_frontend.c, __fib_validate_source.
				p.trail = w.note(p.trail, p.packet, fmt.Sprintf("dropped by routing: %s is the node's own address, and came in by a link", at.src))
				w.end(p, Drop, "", false)
				continue
			}
		}
		if at.dst.Is4() && (at.dst.IsLoopback() || at.src.IsLoopback()) && !at.has(toSocket) {
			if p = w.martian(p); len(p.mass) == 0 {
				continue
			}
		}
		if w.detail == endsOnly && w.endEither(p) {
			continue
		}
		local, remote := w.whose(p)
		if len(local.mass) > 0 {
			local.trail = w.note(p.trail, p.packet, "routed to the node itself")
			here = append(here, local)
		}
		if len(remote.mass) > 0 {
			if remote, ok := w.forward(remote); ok {
				there = append(there, remote)
			}
		}
	}
	return here, there
}

// martian is the part of a particle that gets past the check of loopback
// addresses from a link (net/ipv4/route.c, ip_route_input_slow).
func (w *walk) martian(p particle) particle {
	const setting = "net.ipv4.conf.*.route_localnet"
	on, off := w.fork(p, setting, question{yes: setting + " is 1", no: setting + " is 0"})
	if len(off.mass) > 0 {
		off.trail = w.note(p.trail, p.packet, "dropped by routing: a loopback address came in by a link")
		w.end(off, Drop, "", false)
	}
	return on
}

// whose splits a particle into what the node itself gets and what others get.
func (w *walk) whose(p particle) (local, remote particle) {
	at := w.packet(p.packet)
	local, remote = p, p
	q := asking{walk: w, packet: at, want: true, holds: always}
	answer := yes
	switch {
	case at.has(toSocket):
	case strictlyRouted(at):
		answer = no
	case at.dst.IsValid() && (w.tracer.node.broadcast[at.dst] || isBroadcast(at)):
	case at.dst.IsMulticast():
		answer = q.fact(false, fmt.Sprintf("the node listens to %s", at.dst), fmt.Sprintf("the node does not listen to %s", at.dst))
	default:
		answer = q.local(false, netfilter.Destination)
	}
	switch answer {
	case yes:
		remote.mass = nil
	case no:
		local.mass = nil
	default:
		local.mass, remote.mass = w.only(p.mass, q.holds), w.only(p.mass, w.not(q.holds))
	}
	return local, remote
}

// strictlyRouted reports whether a packet that came in by a link is looked up
// among the routes of that link only: one to IPv6's loopback address, which
// therefore is never found to be the node's (net/ipv6/route.c, rt6_need_strict).
func strictlyRouted(p *packet) bool {
	return p.dst.Is6() && p.dst.IsLoopback() && p.in != noLink && p.in.name != "lo"
}

func isBroadcast(p *packet) bool { return p.dst.Is4() && p.dst.As4() == [4]byte{255, 255, 255, 255} }

// forward finds the link that a packet for another host leaves by.
func (w *walk) forward(p particle) (particle, bool) {
	at := w.packet(p.packet)
	hop := w.tracer.node.route(at.dst)
	if strictlyRouted(at) {
		hop = w.tracer.node.routeBy(at.in, at.dst)
	}
	p, ok := w.reached(p, hop)
	if !ok {
		return p, false
	}
	p.packet = w.changed(p.packet, func(p *packet) {
		p.out = hop.link
		if p.ttl > 0 {
			p.ttl--
		}
	})
	p.trail = w.note(p.trail, p.packet, routedTo(hop.link))
	if w.packet(p.packet).ttl == 0 {
		p.trail = w.note(p.trail, p.packet, "dropped by routing: its time to live is over")
		w.end(p, Drop, "", false)
		return p, false
	}
	return p, true
}

// reached deals with routes that do not lead on, and with those that nobody
// captured.
func (w *walk) reached(p particle, hop hop) (particle, bool) {
	dst := w.packet(p.packet).dst
	switch {
	case hop.missing:
		return w.granted(p, fmt.Sprintf("there is a route to %s, though none was captured", dst)), true
	case hop.refused == "":
		return p, true
	}
	p.trail = w.note(p.trail, p.packet, "refused by routing: the route is "+hop.refused)
	switch hop.refused {
	case "blackhole":
		w.end(p, Drop, "", false)
	case noRoute:
		w.end(p, Reject, "icmp6-no-route", false)
	default:
		w.end(p, Reject, "", false)
	}
	return p, false
}

func routedTo(l link) string {
	switch {
	case !l.known:
		return "routed to another host"
	case l.name == "lo":
		return "routed to the node itself"
	}
	return "routed to " + l.name
}

// routeOut finds the links that packets of the node leave by: lo for its own
// addresses. It is done before output, and again when output has changed
// something; the rules at output all see the first link
// (net/ipv4/netfilter.c, ip_route_me_harder, changes the packet's route and
// not the state that the hooks run with).
func (w *walk) routeOut(ps []particle, again bool) (here, there []particle) {
	here, there = w.particles.take(len(ps))[:0], w.particles.take(len(ps))[:0]
	for _, p := range ps {
		local, remote := w.whose(p)
		if len(local.mass) > 0 {
			local.packet = w.changed(local.packet, func(p *packet) { p.out = loopback })
			if again {
				local.trail = w.note(p.trail, local.packet, "routed to the node itself")
			}
			here = append(here, local)
		}
		if len(remote.mass) == 0 {
			continue
		}
		hop := w.tracer.node.route(w.packet(p.packet).dst)
		ok := true
		if again {
			if remote, ok = w.reached(remote, hop); !ok {
				continue
			}
		}
		remote.packet = w.changed(remote.packet, func(p *packet) { p.out = hop.link })
		if again {
			remote = w.loopbackOut(remote)
			remote.trail = w.note(remote.trail, remote.packet, routedTo(hop.link))
		}
		there = append(there, remote)
	}
	return here, there
}

// loopbackOut notes what a packet from a loopback address to another host
// rests on: net/ipv4/route.c, __mkroute_output, has no route for it unless
// route_localnet is set, which kube-proxy does for node ports on localhost.
func (w *walk) loopbackOut(p particle) particle {
	if src := w.packet(p.packet).src; src.Is4() && src.IsLoopback() {
		return w.granted(p, "net.ipv4.conf.*.route_localnet is 1")
	}
	return p
}
