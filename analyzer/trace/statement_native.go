package trace

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// applyNative is apply for the statements of nft that iptables has no like of.
func (w *walk) applyNative(rule *netfilter.Rule, statement netfilter.Statement, p particle, out []exit) []exit {
	switch s := statement.(type) {
	case *netfilter.Provided:
		return w.provided(rule, s.Match, p, out)
	case *netfilter.Assign:
		return w.assign(rule, s, p, out)
	case *netfilter.MapNAT:
		return w.mapNAT(rule, s, p, out)
	case *netfilter.ChangeSet:
		return w.changeSet(rule, s, p, out)
	case *netfilter.Divert:
		return w.divert(rule, s, p, out)
	}
	return w.uncertain(rule, p, netfilter.NFTStatement(rule.Chain().Table.Family, statement), out)
}

// provided goes on with the part of a particle that a match holds for; for the
// rest the rule ends.
func (w *walk) provided(rule *netfilter.Rule, m netfilter.Match, p particle, out []exit) []exit {
	q := asking{walk: w, rule: rule, native: true, packet: w.packet(p.packet)}
	switch q.match(m) {
	case yes:
		return append(out, exit{particle: p})
	case no:
		return w.endsRule(rule, p, out)
	}
	hits, misses := w.split(rule, m, p, nil, nil)
	for _, hit := range hits {
		out = append(out, exit{particle: hit})
	}
	for _, miss := range misses {
		out = w.endsRule(rule, miss, out)
	}
	return out
}

// A finding is a part of a particle with a value.
type finding struct {
	particle
	first, last netfilter.Key // "" if not known
	gone        bool          // there is no value: the rule ends
	picked      picked
}

// findings are the values that an expression comes to for a particle.
func (w *walk) findings(rule *netfilter.Rule, e netfilter.Expr, p particle) []finding {
	if m, ok := e.(*netfilter.MapValue); ok {
		w.values = w.picks(rule, m.Key, m.Map, p, w.values[:0])
		out := make([]finding, 0, len(w.values))
		for _, at := range w.values {
			f := finding{particle: at.particle}
			switch {
			case at.element == notThere:
				f.gone = true
			case at.element >= 0:
				f.first, f.last = m.Map.Value(at.element)
				f.picked = picked{set: m.Map, element: at.element, chance: at.chance}
			}
			out = append(out, f)
		}
		return out
	}
	if d, ok := diceOf(e); ok && d.mod <= maxCandidates {
		out := make([]finding, 0, d.mod)
		for n := d.offset; n < d.offset+d.mod; n++ {
			f := finding{particle: p, first: netfilter.UintKey(netfilter.TypeInteger, n)}
			f.last = f.first
			f.mass = w.share(p.mass, d.chance(d.hits(n, n)))
			out = append(out, f)
		}
		return out
	}
	if c, ok := e.(*netfilter.Constant); ok {
		return []finding{{particle: p, first: c.First, last: c.Last}}
	}
	q := asking{walk: w, rule: rule, native: true, packet: w.packet(p.packet)}
	key, have := q.appendKey(nil, e)
	switch have {
	case absent:
		return []finding{{particle: p, gone: true}}
	case known:
		return []finding{{particle: p, first: netfilter.Key(key), last: netfilter.Key(key)}}
	}
	return []finding{{particle: p}}
}

// assign sets a field (net/netfilter/nft_meta.c, nft_meta_set_eval; nft_ct.c,
// nft_ct_set_eval; nft_payload.c, nft_payload_set_eval).
func (w *walk) assign(rule *netfilter.Rule, s *netfilter.Assign, p particle, out []exit) []exit {
	at := w.packet(p.packet)
	if s.To == netfilter.MetaMark || s.To == netfilter.CTMark {
		return w.assignMark(rule, s, p, out)
	}
	for _, f := range w.findings(rule, s.Value, p) {
		if f.gone {
			out = w.endsRule(rule, f.particle, out)
			continue
		}
		sure := f.first != "" && f.first == f.last
		n := f.first.Uint()
		is4 := w.flow.Destination.Is4()
		wrong := false // the packet has no such field
		switch s.To {
		case netfilter.IPTTL, netfilter.IP6HopLimit, netfilter.IPDSCP, netfilter.IP6DSCP:
			wrong = is4 != (s.To == netfilter.IPTTL || s.To == netfilter.IPDSCP)
		}
		switch {
		case wrong:
			out = w.endsRule(rule, f.particle, out)
		case s.To == netfilter.IPTTL || s.To == netfilter.IP6HopLimit:
			out = w.change(rule, f.particle, edited, out, func(p *packet) {
				if sure {
					p.ttl = int16(n)
				} else {
					p.ttl = w.unknownTTL(ttlChange{from: p.ttl, hop: w.hasHopped(p), change: netfilter.TTLSet})
				}
			})
		case s.To == netfilter.IPDSCP || s.To == netfilter.IP6DSCP:
			out = w.change(rule, f.particle, edited, out, func(p *packet) {
				if p.tos.known &^= 0xfc; sure {
					p.tos = p.tos.set(uint32(n)<<2, 0xfc)
				}
				p.tos.value &= p.tos.known
			})
		case s.To == netfilter.CTZone:
			if at.tracking != notYet || at.has(templated) {
				out = append(out, exit{particle: w.passed(rule, f.particle)})
			} else {
				out = w.change(rule, f.particle, passes, out, func(p *packet) { p.done |= templated })
			}
		case leavesAlone(s):
			out = w.change(rule, f.particle, edited, out, changedSomehow)
		default:
			out = w.unknowable(rule, f.particle, "changed in a way that is not followed", out)
		}
	}
	return out
}

// leavesAlone reports whether what is set decides nothing about the packet's
// way here.
func leavesAlone(s *netfilter.Assign) bool {
	switch s.To {
	case netfilter.MetaPriority, netfilter.MetaNFTrace, netfilter.CTHelper:
		return true
	case netfilter.NoField:
		return strings.HasPrefix(s.ToRaw, "tcp option ") || strings.HasPrefix(s.ToRaw, "ct ")
	}
	switch name := s.To.String(); name {
	case "meta secmark", "ct secmark", "ct label", "ct event", "ip ecn", "ip6 ecn", "ip6 flowlabel", "ip id":
		return true
	}
	return false
}

func (w *walk) assignMark(rule *netfilter.Rule, s *netfilter.Assign, p particle, out []exit) []exit {
	set := func(p particle, n number, out []exit) []exit {
		b := bits{uint32(n.value & n.known), uint32(n.known)}
		if s.To == netfilter.CTMark {
			if !w.packet(p.packet).connected() {
				return append(out, exit{particle: w.passed(rule, p)})
			}
			return w.change(rule, p, marked, out, func(p *packet) { p.connMark = b })
		}
		return w.change(rule, p, marked, out, func(p *packet) { p.mark = b })
	}
	_, isMap := s.Value.(*netfilter.MapValue)
	if _, isDice := diceOf(s.Value); !isMap && !isDice {
		q := asking{walk: w, rule: rule, native: true, packet: w.packet(p.packet)}
		n, have := q.number(s.Value)
		if have == absent {
			return w.endsRule(rule, p, out)
		}
		return set(p, n, out)
	}
	for _, f := range w.findings(rule, s.Value, p) {
		w.picked = f.picked
		switch {
		case f.gone:
			out = w.endsRule(rule, f.particle, out)
		case f.first != "" && f.first == f.last:
			out = set(f.particle, number{f.first.Uint(), 1<<32 - 1}, out)
		default:
			out = set(f.particle, number{}, out)
		}
	}
	w.picked = picked{}
	return out
}

// changeSet adds the packet's key to a set or takes it away. Where the set is
// full, the rule ends (net/netfilter/nft_dynset.c, nft_dynset_eval). One that
// holds fewer elements than it may is taken not to be.
func (w *walk) changeSet(rule *netfilter.Rule, s *netfilter.ChangeSet, p particle, out []exit) []exit {
	q := w.asks(rule, w.packet(p.packet))
	key, have := q.appendKey(nil, s.Key)
	if have == absent {
		return w.endsRule(rule, p, out)
	}
	if have == open {
		return w.change(rule, p, edited, out, changedSomehow)
	}
	if s.Op != netfilter.DeleteElement && s.Set.Size > 0 && s.Set.Len() >= int(s.Set.Size) && s.Set.Find(netfilter.Key(key)) < 0 {
		var full particle
		full, p = w.fork(p, fmt.Sprintf("\x00full %p", s.Set), question{
			rule: rule, yes: "set " + s.Set.Name + " is full", no: "set " + s.Set.Name + " is not full",
		})
		if len(full.mass) > 0 {
			out = w.endsRule(rule, full, out)
		}
		if len(p.mass) == 0 {
			return out
		}
	}
	p.packet = w.notedInSet(p.packet, s.Set, key, s.Op == netfilter.DeleteElement)
	p.trail = w.step(p.trail, rule, p.packet, edited)
	parts := []exit{{particle: p}}
	for _, with := range s.With {
		if provided, ok := with.(*netfilter.Provided); ok { // a limit of the element's own
			var next []exit
			for _, e := range parts {
				if e.way == goesOn {
					next = w.provided(rule, provided.Match, e.particle, next)
				} else {
					next = append(next, e)
				}
			}
			parts = next
		}
	}
	return append(out, parts...)
}

// divert gives the packet to a transparent socket. Where there is none, the
// rule ends.
func (w *walk) divert(rule *netfilter.Rule, s *netfilter.Divert, p particle, out []exit) []exit {
	if w.flow.Protocol != netfilter.TCP && w.flow.Protocol != netfilter.UDP || s.Addr.IsValid() && s.Addr.Is4() != w.flow.Destination.Is4() {
		return w.endsRule(rule, p, out)
	}
	found, none := w.fork(p, fmt.Sprintf("\x00%p %d", rule, w.itself(p.packet)), question{
		rule: rule,
		yes:  fmt.Sprintf("a transparent socket listens for %s", s),
		no:   fmt.Sprintf("no transparent socket listens for %s", s),
	})
	if len(found.mass) > 0 {
		out = w.change(rule, found, diverted, out, func(p *packet) { p.done |= toSocket })
	}
	if len(none.mass) > 0 {
		out = w.endsRule(rule, none, out)
	}
	return out
}

// mapNAT translates to what an expression comes to (net/netfilter/nft_nat.c,
// nft_nat_eval).
func (w *walk) mapNAT(rule *netfilter.Rule, s *netfilter.MapNAT, p particle, out []exit) []exit {
	is4 := w.flow.Destination.Is4()
	if s.Family == netfilter.IPv4 && !is4 || s.Family == netfilter.IPv6 && is4 {
		return append(out, exit{particle: w.passed(rule, p)}) // nft_nat_inet_eval
	}
	addresses := []finding{{particle: p}}
	if s.Addr != nil {
		addresses = w.findings(rule, s.Addr, p)
	}
	for _, f := range addresses {
		if f.gone {
			out = w.endsRule(rule, f.particle, out)
			continue
		}
		ports := []finding{{particle: f.particle}}
		if s.Port != nil {
			ports = w.findings(rule, s.Port, f.particle)
		}
		for _, g := range ports {
			if g.gone {
				out = w.endsRule(rule, g.particle, out)
				continue
			}
			if w.picked = f.picked; s.Port != nil && f.picked.set == nil {
				w.picked = g.picked
			}
			out = w.natTo(rule, s, f, g, out)
		}
	}
	w.picked = picked{}
	return out
}

// natTo translates to an address and a port that were found.
func (w *walk) natTo(rule *netfilter.Rule, s *netfilter.MapNAT, addr, port finding, out []exit) []exit {
	var to netfilter.NATRange
	p := port.particle
	unknown := false
	if s.Addr != nil {
		width := 4
		if !w.flow.Destination.Is4() {
			width = 16
		}
		if unknown = len(addr.first) < width; !unknown {
			to.First, _ = netip.AddrFromSlice([]byte(addr.first[:width]))
			to.Last, _ = netip.AddrFromSlice([]byte(addr.last[:width]))
			if first, last := addr.first[width:], addr.last[width:]; len(first) == 2 {
				to.HasPorts, to.Ports = true, netfilter.PortRange{First: uint16(first.Uint()), Last: uint16(last.Uint())}
			}
		}
	}
	if s.Port != nil {
		switch {
		case len(port.first) > 0 && port.first.Uint() < 1<<16:
			to.HasPorts, to.Ports = true, netfilter.PortRange{First: uint16(port.first.Uint()), Last: uint16(port.last.Uint())}
		default:
			unknown = true
		}
	}
	if unknown {
		return w.unknowable(rule, p, "translated to what the input does not show", out)
	}
	if s.Prefix && to.First.IsValid() {
		prefix, ok := netfilter.RangePrefix(netfilter.AddrKey(to.First), netfilter.AddrKey(to.Last))
		if !ok {
			return w.unknowable(rule, p, "translated to what is no network", out)
		}
		at := w.packet(p.packet)
		a := at.dst
		if s.Kind == netfilter.ToSource {
			a = at.src
		}
		to.First = mapped(a, netfilter.Network{Prefix: prefix})
		to.Last = to.First
	}
	var statement netfilter.Statement
	switch s.Kind {
	case netfilter.ToDestination:
		statement = new(netfilter.NewDNAT(to, s.Flags))
	case netfilter.ToSource:
		statement = &netfilter.SNAT{To: to, Flags: s.Flags}
	case netfilter.ToSelf:
		statement = &netfilter.Redirect{Ports: to.Ports, HasPorts: to.HasPorts, Flags: s.Flags}
	default:
		statement = &netfilter.Masquerade{Ports: to.Ports, HasPorts: to.HasPorts, Flags: s.Flags}
	}
	return w.translate(rule, statement, p, out)
}

// rejection is what a rule of nftables refuses a packet with; "" where the
// packet is none that it is for: then the rule ends.
func (w *walk) rejection(with string) string {
	is4 := w.flow.Destination.Is4()
	if code, ok := strings.CutPrefix(with, "icmpx-"); ok {
		// net/netfilter/nft_reject.c, icmp_code_v4 and icmp_code_v6.
		names, found := icmpxNames[code]
		switch {
		case !found:
			return with
		case is4:
			return names[0]
		}
		return names[1]
	}
	switch {
	case with == "tcp-reset" && w.flow.Protocol != netfilter.TCP,
		strings.HasPrefix(with, "icmp-") && !is4,
		strings.HasPrefix(with, "icmp6-") && is4:
		return ""
	}
	if name, ok := rejectNames[with]; ok {
		return name
	}
	return with
}

// rejectNames are iptables' words for answers that nft names otherwise.
var rejectNames = map[string]string{
	"icmp6-admin-prohibited": "icmp6-adm-prohibited",
	"icmp-prot-unreachable":  "icmp-proto-unreachable",
}

var icmpxNames = map[string][2]string{
	"no-route":         {"icmp-net-unreachable", "icmp6-no-route"},
	"port-unreachable": {"icmp-port-unreachable", "icmp6-port-unreachable"},
	"host-unreachable": {"icmp-host-unreachable", "icmp6-addr-unreachable"},
	"admin-prohibited": {"icmp-admin-prohibited", "icmp6-adm-prohibited"},
}

// changedSomehow makes open questions about the packet other ones than before.
func changedSomehow(p *packet) {
	if p.sets < 1<<16-1 {
		p.sets++
	}
}
