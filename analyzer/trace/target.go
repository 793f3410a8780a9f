package trace

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// goesPast reports whether a statement leaves the packet and its way alone.
func goesPast(s netfilter.Statement) bool {
	switch s := s.(type) {
	case *netfilter.Log, *netfilter.NFLog, *netfilter.Trace, *netfilter.Audit, *netfilter.Tee,
		*netfilter.Classify, *netfilter.FillChecksum, *netfilter.SetMSS, *netfilter.Count:
		return true
	case *netfilter.UseObject:
		return s.Kind != "synproxy" // which answers packets itself
	case *netfilter.OpaqueTarget:
		switch s.Name {
		// Targets of x_tables that return XT_CONTINUE and change nothing that
		// rules look at here.
		case "IDLETIMER", "LED", "RATEEST", "SECMARK", "CONNSECMARK", "TCPOPTSTRIP", "ULOG", "ECN":
			return true
		}
	}
	return false
}

// apply has a statement done to a particle and appends what it comes to; jumps
// are not among them.
func (w *walk) apply(rule *netfilter.Rule, statement netfilter.Statement, p particle, out []exit) []exit {
	if goesPast(statement) {
		return append(out, exit{particle: w.passed(rule, p)})
	}
	switch s := statement.(type) {
	case netfilter.Verdict:
		return w.verdict(rule, s, p, out)
	case *netfilter.Reject:
		with := s.With
		if isNative(rule) {
			if with = w.rejection(s.With); with == "" {
				return w.endsRule(rule, p, out)
			}
		}
		p.trail = w.step(p.trail, rule, p.packet, rejects)
		return append(out, exit{particle: p, way: rejected, with: with})

	case *netfilter.SetMark:
		return w.change(rule, p, marked, out, func(p *packet) { p.mark = p.mark.set(s.Value, s.Mask) })
	case *netfilter.SetConnMark, *netfilter.SaveMark, *netfilter.RestoreMark:
		if at := w.packet(p.packet); !at.connected() {
			if isNative(rule) && !at.isTemplate() && readsConnMark(s) {
				return w.endsRule(rule, p, out) // nft_ct.c, nft_ct_get_eval
			}
			return append(out, exit{particle: w.passed(rule, p)})
		}
		return w.connMark(rule, s, p, out)
	case *netfilter.SetDSCP:
		return w.change(rule, p, edited, out, func(p *packet) { p.tos = p.tos.set(uint32(s.Value)<<2, 0xfc) })
	case *netfilter.SetTOS:
		return w.change(rule, p, edited, out, func(p *packet) { p.tos = p.tos.set(uint32(s.Value), uint32(s.Mask)) })
	case *netfilter.SetTTL:
		return w.change(rule, p, edited, out, func(p *packet) { p.ttl = w.changedTTL(p, s) })
	case *netfilter.UpdateSet:
		return w.change(rule, p, edited, out, func(p *packet) {
			if (s.Add != nil || s.Del != nil) && p.sets < 1<<16-1 {
				p.sets++
			}
			if s.Map != nil && s.MapMark {
				p.mark = w.mapped(s, p)
			}
		})
	case *netfilter.Track:
		// xt_CT.c, xt_ct_target and notrack_tg: what has a connection, or a
		// template for one, keeps it.
		if packet := w.packet(p.packet); packet.tracking != notYet || packet.has(templated) {
			return append(out, exit{particle: w.passed(rule, p)})
		}
		if !s.NoTrack {
			return w.change(rule, p, passes, out, func(p *packet) { p.done |= templated })
		}
		return w.change(rule, p, notTracked, out, func(p *packet) { p.tracking = untracked })

	case *netfilter.DNAT, *netfilter.SNAT, *netfilter.Masquerade, *netfilter.Redirect, *netfilter.NetMap:
		return w.translate(rule, s, p, out)
	case *netfilter.TProxy:
		return w.tproxy(rule, s, p, out)
	case *netfilter.NFQueue:
		return w.queue(rule, fmt.Sprintf("queue %d", s.First), s.Bypass, p, out)
	case *netfilter.OpaqueTarget:
		return w.opaque(rule, s, p, out)
	}
	if isNative(rule) {
		return w.applyNative(rule, statement, p, out)
	}
	return w.uncertain(rule, p, statement.String(), out)
}

// passed is a particle that nothing became of.
func (w *walk) passed(rule *netfilter.Rule, p particle) particle {
	if w.all {
		p.trail = w.step(p.trail, rule, p.packet, passes)
	}
	return p
}

// change is a packet that goes on changed.
func (w *walk) change(rule *netfilter.Rule, p particle, what effect, out []exit, how func(*packet)) []exit {
	p.packet = w.changed(p.packet, how)
	p.trail = w.step(p.trail, rule, p.packet, what)
	return append(out, exit{particle: p})
}

func (w *walk) verdict(rule *netfilter.Rule, v netfilter.Verdict, p particle, out []exit) []exit {
	e := exit{particle: p}
	switch v {
	case netfilter.Accept:
		e.way, e.trail = accepted, w.step(p.trail, rule, p.packet, accepts)
	case netfilter.Drop:
		e.way, e.trail = dropped, w.step(p.trail, rule, p.packet, drops)
	case netfilter.Return:
		e.way, e.trail = returns, w.step(p.trail, rule, p.packet, comesBack)
	case netfilter.Queue:
		return w.queue(rule, "queue 0", false, p, out)
	default:
		e.particle = w.passed(rule, p)
	}
	return append(out, e)
}

// fork is a particle's two parts, by the answer to a question.
func (w *walk) fork(p particle, key string, q question) (if_, else_ particle) {
	c := w.question(key, q)
	if_, else_ = p, p
	if_.mass, else_.mass = w.only(p.mass, c), w.only(p.mass, w.not(c))
	return if_, else_
}

// possible appends the exits that have mass.
func possible(out []exit, exits ...exit) []exit {
	for _, e := range exits {
		if len(e.mass) > 0 {
			out = append(out, e)
		}
	}
	return out
}

// queue gives the packet to a program, which lets it pass or not. While none
// listens, a rule with bypass accepts the packet and one without drops it
// (net/netfilter/nf_queue.c, nf_queue), so that two rules with one queue need
// not do the same.
func (w *walk) queue(rule *netfilter.Rule, name string, bypass bool, p particle, out []exit) []exit {
	who := "the program that reads " + name
	if bypass {
		who += ", or its absence,"
	}
	q := question{rule: rule, yes: who + " accepts the packet", no: who + " drops the packet"}
	pass, stop := w.fork(p, fmt.Sprintf("\x00%s %t %d", name, bypass, w.itself(p.packet)), q)
	pass.trail, stop.trail = w.step(p.trail, rule, p.packet, queued), w.step(p.trail, rule, p.packet, queued)
	return possible(out, exit{particle: pass, way: accepted}, exit{particle: stop, way: dropped})
}

// tproxy gives the packet to a transparent socket, or drops it where there is
// none (xt_TPROXY.c, tproxy_tg4).
func (w *walk) tproxy(rule *netfilter.Rule, t *netfilter.TProxy, p particle, out []exit) []exit {
	found, none := w.fork(p, fmt.Sprintf("\x00%p %d", rule, w.itself(p.packet)), question{
		rule: rule,
		yes:  fmt.Sprintf("a transparent socket listens for %s", t),
		no:   fmt.Sprintf("no transparent socket listens for %s", t),
	})
	found.packet = w.changed(p.packet, func(p *packet) {
		p.mark = p.mark.set(t.Value, t.Mask)
		p.done |= toSocket
	})
	found.trail, none.trail = w.step(p.trail, rule, found.packet, diverted), w.step(p.trail, rule, p.packet, drops)
	return possible(out, exit{particle: found, way: accepted}, exit{particle: none, way: dropped})
}

// undeclared is a jump to a chain that the dump does not hold.
func (w *walk) undeclared(rule *netfilter.Rule, jump *netfilter.Jump, p particle, out []exit) []exit {
	before := len(out)
	out = w.uncertain(rule, p, "chain "+jump.Name+", which the input does not declare,", out)
	if jump.Goto {
		for i := before; i < len(out); i++ {
			if out[i].way == goesOn {
				out[i].way = returns
			}
		}
	}
	return out
}

// opaque is a target that is not modelled.
func (w *walk) opaque(rule *netfilter.Rule, t *netfilter.OpaqueTarget, p particle, out []exit) []exit {
	name := t.Text
	if name == "" {
		name = "a target that the input breaks off before"
	}
	return w.uncertain(rule, p, name, out)
}

// uncertain is a particle that goes on unchanged, or nobody can tell.
func (w *walk) uncertain(rule *netfilter.Rule, p particle, who string, out []exit) []exit {
	on, ends := w.fork(p, fmt.Sprintf("\x00%s %p %d", who, rule, w.itself(p.packet)), question{
		rule: rule,
		yes:  who + " lets the packet go on unchanged",
		no:   who + " does something else with the packet",
	})
	on.trail, ends.trail = w.step(p.trail, rule, p.packet, unknownTarget), w.step(p.trail, rule, p.packet, unknownTarget)
	return possible(out, exit{particle: on}, exit{particle: ends, way: lost})
}

// readsConnMark reports whether a statement of nft asks for the connection's
// mark before it sets a mark.
func readsConnMark(s netfilter.Statement) bool {
	switch s := s.(type) {
	case *netfilter.SetConnMark:
		return s.Mask != 1<<32-1
	case *netfilter.SaveMark:
		return s.ConnMask != 1<<32-1
	}
	return true
}

// connMark does the three things of xt_connmark.c, connmark_tg_shift.
func (w *walk) connMark(rule *netfilter.Rule, statement netfilter.Statement, p particle, out []exit) []exit {
	return w.change(rule, p, marked, out, func(p *packet) {
		switch s := statement.(type) {
		case *netfilter.SetConnMark:
			p.connMark = p.connMark.set(s.Value, s.Mask).shifted(s.LeftShift)
		case *netfilter.SaveMark:
			p.connMark = p.connMark.copied(p.mark.masked(s.PacketMask).shifted(s.LeftShift), s.ConnMask)
		case *netfilter.RestoreMark:
			p.mark = p.mark.copied(p.connMark.masked(s.ConnMask).shifted(s.LeftShift), s.PacketMask)
		}
	})
}
