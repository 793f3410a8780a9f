package trace

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// maxServers is how many real servers of one virtual server are told apart
// where the choice among them is open.
const maxServers = 512

// schedule has a virtual server choose for a new connection. It gives back what
// goes on at the hook, which is what a process of the node gets.
func (w *walk) schedule(v *ipvs.VirtualServer, p particle) (on []particle) {
	if w.flow.State == netfilter.StateEstablished || w.flow.State == netfilter.StateInvalid && w.flow.Protocol == netfilter.TCP {
		// ip_vs_proto_tcp.c, tcp_conn_schedule: only a SYN is scheduled.
		p.trail = w.note(p.trail, p.packet, fmt.Sprintf("IPVS %s: goes where IPVS sent the connection's first packet, which is not known", v))
		w.end(p, Unknown, "", false)
		return nil
	}
	p = w.grantAhead(v, p)
	if v.Persistence != nil {
		p = w.remembered(v, p, &on)
	}
	if len(p.mass) == 0 {
		return on
	}
	shares, certain := v.Shares()
	if certain {
		some := false
		for i, s := range shares {
			if s.Num > 0 {
				some = true
				this := p
				this.mass = w.share(p.mass, ratioChance(s.Num, s.Den))
				on = w.sendTo(v, &w.servers(v)[i], this, on)
			}
		}
		if !some {
			w.refused(v, p)
		}
		return on
	}
	return w.choose(v, p, on)
}

// choose is the choice of a scheduler that rests on what no capture tells: one
// branch a real server, and no chances.
func (w *walk) choose(v *ipvs.VirtualServer, p particle, on []particle) []particle {
	c := openChoice{key: fmt.Sprintf("\x00scheduler %p ", v), who: "scheduler " + string(v.Scheduler)}
	switch how := v.Scheduler.Sharing(); {
	case v.Scheduler == "":
		c.who = "the scheduler, which was not captured,"
	case how != ipvs.UnknownSharing:
		c.how = " (" + how.String() + ")"
	}
	servers := w.servers(v)
	for i := range servers {
		if takes, _ := servers[i].Takes(); takes {
			c.servers = append(c.servers, &servers[i])
		}
	}
	c.others = v.Partial
	c.nobody = w.mayRefuse(v)
	return w.branch(v, &c, p, on)
}

// mayRefuse reports whether a scheduler may find no real server although some
// take connections.
func (w *walk) mayRefuse(v *ipvs.VirtualServer) bool {
	bounded, idle := 0, 0
	servers := w.servers(v)
	for i := range servers {
		r := &servers[i]
		switch takes, certain := r.Takes(); {
		case !takes:
			idle++
		case !certain && r.WeightKnown:
			bounded++ // by a threshold
		}
	}
	switch v.Scheduler {
	case ipvs.Overflow:
		return true // ip_vs_ovf.c, ip_vs_ovf_schedule: all have as many connections as their weight
	case ipvs.SourceHashing, ipvs.DestinationHashing:
		// The table of hashes has real servers with weight 0 as well
		// (ip_vs_sh.c, ip_vs_sh_reassign; ip_vs_dh.c).
		return bounded > 0 || idle > 0 && (v.Scheduler == ipvs.DestinationHashing || v.Flags&ipvs.HashFallback == 0)
	case ipvs.MaglevHashing:
		return bounded > 0 // ip_vs_mh.c, ip_vs_mh_populate, passes over weight 0
	}
	return bounded > 0 && bounded+idle == v.NumServers()
}

// remembered is the part of a particle whose client a persistent virtual server
// knows: it goes to the real server that it went to before, whatever its weight
// is now (ip_vs_core.c, ip_vs_sched_persist). The rest is given back. Whether a
// client was here is a matter of the past, and so an open question.
func (w *walk) remembered(v *ipvs.VirtualServer, p particle, on *[]particle) (rest particle) {
	client := w.clientOf(v, w.packet(p.packet).src)
	c := openChoice{
		key: fmt.Sprintf("\x00persistent %p %s ", v, client), who: "persistence of IPVS " + v.String(), how: " for " + client + within(v.Persistence),
		verb: "remembers", isRest: true,
	}
	servers := w.servers(v)
	for i := range servers {
		c.servers = append(c.servers, &servers[i])
	}
	if len(c.servers) > maxServers {
		return w.granted(p, fmt.Sprintf("persistence of IPVS %s remembers no real server for %s%s", v, client, within(v.Persistence)))
	}
	c.group = &group{
		size: len(c.servers),
		none: fmt.Sprintf("persistence of IPVS %s remembers no real server for %s%s", v, client, within(v.Persistence)),
	}
	*on = w.branch(v, &c, p, *on)
	return c.rest
}

func within(p *ipvs.Persistence) string {
	if p.Timeout == 0 {
		return ""
	}
	return fmt.Sprintf(" within the last %d s", p.Timeout/time.Second)
}

// clientOf is what a persistent virtual server remembers of a client.
func (w *walk) clientOf(v *ipvs.VirtualServer, client netip.Addr) string {
	if !client.IsValid() {
		return "the client"
	}
	bits := client.BitLen()
	if v.Persistence.PrefixLen != 0 {
		bits = int(v.Persistence.PrefixLen)
	}
	if mask := v.Persistence.Mask; mask.IsValid() {
		return maskedBy(client, mask.String()).String()
	}
	if prefix, err := client.Prefix(bits); err == nil && bits < client.BitLen() {
		return prefix.String()
	}
	return client.String()
}

// An openChoice is a choice among real servers that no capture tells.
type openChoice struct {
	key, who, how string
	verb          string // "chooses" if empty
	servers       []*ipvs.RealServer
	others        bool // there may be more than these
	nobody        bool // it may be none of them
	isRest        bool // what chooses none of them is kept in rest
	rest          particle
	group         *group
}

// A group is of questions at most one of which is answered with yes.
type group struct {
	size int
	none string // what it means that all are answered with no
}

// branch sends a particle to each of the real servers, under the assumption that
// it is the one.
func (w *walk) branch(v *ipvs.VirtualServer, c *openChoice, p particle, on []particle) []particle {
	verb := c.verb
	if verb == "" {
		verb = "chooses"
	}
	servers := c.servers
	if len(servers) > maxServers {
		p.trail = w.note(p.trail, p.packet, fmt.Sprintf("IPVS %s: %s %s one of %d real servers%s", v, c.who, verb, len(servers), c.how))
		w.end(p, Unknown, "", false)
		return on
	}
	open := c.others || c.nobody || c.isRest
	if len(servers) == 0 && !open {
		w.refused(v, p)
		return on
	}
	asked := len(servers)
	if !open {
		asked-- // the last is what none of the others is
	}
	g := c.group
	if g == nil {
		g = &group{size: asked}
		switch {
		case !open:
			g.none = fmt.Sprintf("%s %s %s%s", c.who, verb, servers[asked], c.how)
		case c.nobody && !c.others:
			g.none = fmt.Sprintf("%s finds no real server that takes a connection%s", c.who, c.how)
		case c.others:
			g.none = fmt.Sprintf("%s %s a real server that was not captured%s", c.who, verb, c.how)
		}
	}
	for i, r := range servers {
		if i == asked {
			on = w.sendTo(v, r, p, on)
			return on
		}
		var this particle
		this, p = w.fork(p, fmt.Sprint(c.key, i), question{
			yes:   fmt.Sprintf("%s %s %s%s", c.who, verb, r, c.how),
			no:    fmt.Sprintf("%s does not %s %s%s", c.who, bare(verb), r, c.how),
			group: g,
		})
		if len(this.mass) > 0 {
			on = w.sendTo(v, r, this, on)
		}
		if len(p.mass) == 0 {
			return on
		}
	}
	switch {
	case c.isRest:
		c.rest = p
	case c.others && c.nobody:
		p.trail = w.note(p.trail, p.packet, fmt.Sprintf("IPVS %s: goes to a real server that is not known, or is refused", v))
		w.end(p, Unknown, "", false)
	case c.others:
		p.trail = w.note(p.trail, p.packet, fmt.Sprintf("IPVS %s: goes to a real server that was not captured", v))
		w.end(p, Unknown, "", false)
	default:
		w.refused(v, p)
	}
	return on
}

func bare(verb string) string { return verb[:len(verb)-1] }

// refused ends a packet that a virtual server has no real server for
// (ip_vs_core.c, ip_vs_leave).
func (w *walk) refused(v *ipvs.VirtualServer, p particle) {
	p.packet = w.assigned(p.packet, v, nil)
	p.trail = w.balancedStep(p.trail, p.packet, refusedByIPVS)
	with := "icmp-port-unreachable"
	if w.flow.Destination.Is6() {
		with = "icmp6-port-unreachable"
	}
	w.end(p, Reject, with, false)
}
