package trace

import (
	"net/netip"
	"sync"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A fellow is a packet that went through a base chain as one. Behind the
// translation of destinations, packets to all endpoints of a service come to the
// same chains, the rules of which seldom know anything of endpoints: then what
// became of the first of them becomes of all, in the same way.
type fellow struct {
	alike likeness
	exit  exit
	left  kind // as it left by the exit
}

// A likeness is all that a chain's rules may find different in fellows.
type likeness struct {
	kind    kind // but for what IPVS did
	answers restAnswers
	// Of what IPVS did with the packet all but which real server it is for.
	service *ipvs.VirtualServer
	method  ipvs.Forwarding
	dialled netip.AddrPort
}

// maxFellows is how many different packets are compared with others.
const maxFellows = 8

// gatherFellows begins a base chain for so many packets. It gives back what the
// chain's rules ask of destinations, nil if each packet goes by itself.
func (w *walk) gatherFellows(chain *netfilter.Chain, packets int) *restRules {
	if w.fellows = w.fellows[:0]; w.all || packets < w.tracer.fellows.from {
		return nil
	}
	if rules := w.tracer.fellowRules(chain); !rules.untold {
		return rules
	}
	return nil
}

// runAsFellow is run for one packet of several, who are followed once if they
// are alike in all that the rules ask.
func (w *walk) runAsFellow(chain *netfilter.Chain, rules *restRules, number int32) []exit {
	if rules == nil {
		return w.run(chain, number)
	}
	alike, ok := w.likeness(rules, w.packet(number))
	if !ok {
		return w.run(chain, number)
	}
	for i := range w.fellows {
		if f := &w.fellows[i]; f.alike == alike {
			w.oneExit[0] = f.exit
			w.oneExit[0].packet = number
			if f.left != alike.kind {
				w.oneExit[0].packet = w.changed(number, func(p *packet) {
					by := p.balanced
					p.kind = f.left
					p.balanced = by
				})
			}
			return w.oneExit[:]
		}
	}
	questions, remarks := len(w.questions), len(w.remarks)
	exits := w.run(chain, number)
	if len(exits) == 1 && len(w.fellows) < maxFellows && len(w.questions) == questions && len(w.remarks) == remarks {
		left := w.packet(exits[0].packet).kind
		left.balanced = 0
		w.fellows = append(w.fellows, fellow{alike, exits[0], left})
	}
	return exits
}

// likeness is what fellows of a packet are known by; ok is false if it has none.
func (w *walk) likeness(rules *restRules, p *packet) (alike likeness, ok bool) {
	if p.balanced != 0 {
		s := w.scheduled(p)
		if s.server.Method == ipvs.UnknownForwarding {
			return alike, false
		}
		alike.service, alike.method, alike.dialled = s.service, s.server.Method, s.to
	}
	alike.kind = p.kind
	alike.kind.balanced = 0
	alike.answers, ok = w.askRest(rules, p)
	return alike, ok
}

// fellowRules is what the rules ask of destinations that packets may come to from
// each base chain. They are looked through when several packets first come there.
type fellowRules struct {
	made sync.Map // of *restRules by *netfilter.Chain
	from int      // fewer packets go by themselves
}

// fewestFellows is how many packets make it worth while to compare them.
const fewestFellows = 3

func (t *Tracer) fellowRules(chain *netfilter.Chain) *restRules {
	known, ok := t.fellows.made.Load(chain)
	if !ok {
		known, _ = t.fellows.made.LoadOrStore(chain, new(restRules))
	}
	rules := known.(*restRules)
	rules.once.Do(func() { rules.untold = !rules.gather([]*netfilter.Chain{chain}, t.asksOfFellows) })
	return rules
}

// asksOfFellows is asksOf in a single base chain: until the packet leaves it, no
// rule changes its source.
func (t *Tracer) asksOfFellows(m netfilter.Match) asked {
	switch m := m.(type) {
	case *netfilter.IPVS:
		return otherThings // that are part of a likeness
	case *netfilter.InSet:
		if set := t.ipsets.find(m.Set.Name); set != nil && asksEndsOnly(set) {
			return destinationOnly
		}
	}
	return asksOf(m)
}

// asksEndsOnly reports whether a set asks a packet for nothing but addresses,
// ports and what never changes on its way.
func asksEndsOnly(set *netfilter.IPSet) bool {
	for _, part := range set.Parts() {
		switch part {
		case netfilter.PartIP, netfilter.PartNet, netfilter.PartPort:
		default:
			return false
		}
	}
	return set.Type != netfilter.ListSet
}
