package trace

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A rest is the last part of a packet's way: behind the routing decision that
// follows the translation of its destination. Of most destinations no rule there
// knows anything, and then packets that differ in nothing else have the same end.
// So the packets to a service's endpoints, and those of all flows of one file,
// are taken there once, and the others are only asked whether they are such.
type rest uint8

const (
	arriveHere  rest = iota // input
	arriveThere             // forward, postrouting
	departHere              // postrouting, by lo to prerouting, input
	departThere             // postrouting
	numRests
)

// hooksOf are the hooks that a packet still comes to.
var hooksOf = [numRests][]netfilter.Hook{
	arriveHere:  {netfilter.Input},
	arriveThere: {netfilter.Forward, netfilter.Postrouting, netfilter.Egress},
	departHere:  {netfilter.Postrouting, netfilter.Egress, netfilter.Ingress, netfilter.Prerouting, netfilter.Input},
	departThere: {netfilter.Postrouting, netfilter.Egress},
}

// take takes packets to their ends.
func (w *walk) take(r rest, ps []particle) {
	switch r {
	case arriveHere:
		w.arrive(ps, nil)
	case arriveThere:
		w.arrive(nil, ps)
	case departHere:
		w.depart(ps, nil)
	case departThere:
		w.depart(nil, ps)
	}
}

// endKnown ends the particles whose end is known, and gives back the others. Those
// that have paths are a matter of endExplained; those that ask questions must do
// so in their turn.
func (w *walk) endKnown(r rest, ps []particle) []particle {
	if w.paths || w.learns || len(ps) == 0 {
		return ps
	}
	left := ps[:0]
	for _, p := range ps {
		end, ok := w.knownEnd(r, w.packet(p.packet))
		if !ok {
			left = append(left, p)
			continue
		}
		w.endAs(p, end.verdict, end.with, end.local, end.masqueraded)
	}
	return left
}

// endEither ends a particle that came in by a link, if nobody knows whether its
// destination is the node's, and its end is known in both cases. If it is the
// same, the question need not be asked.
func (w *walk) endEither(p particle) bool {
	at, node := w.packet(p.packet), &w.tracer.node
	if at.has(toSocket|toNode) || !at.dst.IsValid() || at.dst.IsMulticast() || isBroadcast(at) || strictlyRouted(at) {
		return false
	}
	if _, isKnown := node.isLocal(at.dst); isKnown {
		return false
	}
	hop := node.route(at.dst)
	if hop.missing || hop.refused != "" || at.ttl == 0 || at.ttl == 1 {
		return false
	}
	there, ok := w.knownEnd(arriveThere, w.sentBy(at, hop.link))
	if !ok {
		return false
	}
	here, ok := w.knownEnd(arriveHere, at)
	if !ok {
		return false
	}
	if here.verdict == there.verdict && here.with == there.with && (here.masqueraded == there.masqueraded || w.anySource) {
		w.endAs(p, here.verdict, here.with, false, here.masqueraded)
		return true
	}
	local, remote := w.whose(p)
	if len(local.mass) > 0 {
		w.endAs(local, here.verdict, here.with, here.local, here.masqueraded)
	}
	if len(remote.mass) > 0 {
		w.endAs(remote, there.verdict, there.with, there.local, there.masqueraded)
	}
	return true
}

// sentBy is a packet that was routed to a link, until the next one is changed.
func (w *walk) sentBy(p *packet, l link) *packet {
	w.draft = *p
	w.draft.out = l
	if w.draft.ttl > 0 {
		w.draft.ttl--
	}
	return &w.draft
}

// knownEnd is the end of a packet, if it is known.
func (w *walk) knownEnd(r rest, p *packet) (end restEnd, ok bool) {
	rules := w.tracer.restRules(familyIndex(w.flow.Destination), r)
	if rules.untold {
		return end, false
	}
	answers, ok := w.askRest(rules, p)
	if !ok {
		return end, false
	}
	end = w.restEnd(r, p, answers)
	return end, end.simple
}

// A restEnd is what becomes of packets in the rest of their way.
type restEnd struct {
	simple      bool // it is one thing, whatever the input does not tell
	verdict     Verdict
	with        string
	local       bool
	masqueraded bool
	explained   *explainedEnd // nil without paths
}

// A restKey is all that the end of a packet depends on. Of where its flow comes
// from rules see only whether that is the node: then it departs, else it arrives.
type restKey struct {
	rest     rest
	paths    bool
	protocol uint8
	state    netfilter.ConnStates
	is4      bool
	kind     kind
	answers  restAnswers
}

// restAnswers are what depends on a packet's destination.
type restAnswers struct {
	tests      uint32     // what rules find when they test for it, two bits each
	masquerade netip.Addr // the address that MASQUERADE would take
}

func (k *restKey) hash() uint32 {
	return uint32(mixed(k.kind.hash(), uint64(k.answers.tests)<<8|uint64(k.rest)))
}

// maxRests bounds how many ends are remembered.
const maxRests = 1 << 12

// restEnds are the ends that a walk, and those before it in its room, found.
type restEnds struct {
	keys numbering[restKey]
	ends []restEnd
	last [numRests]int32 // the one that was asked for last
}

// askRest is what depends on a packet's destination; ok is false if a rule may
// know it.
func (w *walk) askRest(rules *restRules, p *packet) (answers restAnswers, ok bool) {
	if rules.name(p) {
		return answers, false
	}
	if rules.masquerade {
		answers.masquerade = w.masqueradeAddress(p)
	}
	answers.tests, ok = w.answersTo(rules, p)
	return answers, ok
}

// answersTo is what the tests find that a packet's destination is put to, two
// bits each; ok is false if that is not known.
func (w *walk) answersTo(rules *restRules, p *packet) (answers uint32, ok bool) {
	q := asking{walk: w, packet: p}
	for i, test := range rules.tests {
		q.rule, q.native = test.rule, isNative(test.rule)
		answer := q.match(test.match)
		if answer == maybe {
			return 0, false
		}
		answers |= uint32(answer) << (2 * i)
	}
	return answers, true
}

// restEnd is the end of packets like this one: it is taken there if none was
// before.
func (w *walk) restEnd(r rest, p *packet, answers restAnswers) restEnd {
	known := &w.rests
	if n := known.last[r]; int(n) < len(known.ends) {
		if k := &known.keys.things[n]; k.rest == r && k.answers == answers && k.kind == p.kind && w.asksFor(k) {
			return known.ends[n]
		}
	}
	if len(known.ends) == maxRests {
		known.keys.reset()
		known.ends = known.ends[:0]
	}
	f := &w.flow
	key := restKey{r, w.paths, f.Protocol, f.State, f.Destination.Is4(), p.kind, answers}
	n, isNew := known.keys.number(&key, key.hash())
	if isNew {
		known.ends = append(known.ends, w.learnRest(r, *p))
	}
	known.last[r] = n
	return known.ends[n]
}

// asksFor reports whether a key is of packets of the flow.
func (w *walk) asksFor(k *restKey) bool {
	f := &w.flow
	return k.paths == w.paths && k.protocol == f.Protocol && k.state == f.State && k.is4 == f.Destination.Is4()
}

// learnRest takes a packet to its end in a walk of its own.
func (w *walk) learnRest(r rest, p packet) (end restEnd) {
	if w.learner == nil {
		w.learner = newRoom(w.tracer)
		w.learner.learns = true
	}
	own := w.learner
	defer func() {
		if own.isKept() {
			own.clear()
		} else {
			w.learner = nil
		}
	}()
	steps := noSteps
	if w.paths {
		steps = decidingSteps
	}
	own.begin(w.flow, steps)
	own.origin = w.origin
	p.facts = 0
	own.take(r, []particle{{packet: own.number(&p), mass: wholeMass}})
	if own.spent || len(own.questions) > 0 || len(own.remarks) > len(own.family.remarks) || len(own.endings) != 1 {
		return end
	}
	e := &own.endings[0]
	end = restEnd{simple: true, verdict: e.verdict, with: e.with, local: e.local, masqueraded: e.masquerade}
	if end.verdict == DNAT {
		end.verdict = Accept
	}
	if own.paths {
		end.explained = &explainedEnd{steps: slices.Clone(own.path(e.trail)), kind: own.packet(e.packet).kind}
	}
	return end
}

// restRules is what the rules in a rest ask of destinations.
type restRules struct {
	once sync.Once
	// untold says that they ask more than is told here.
	untold bool
	// addresses and ports are those that a rule names by themselves. Only
	// packets that have none of them are told apart by tests.
	addresses map[netip.Addr]struct{}
	hashes    []uint64 // a bit for those of the addresses: most others have none
	ports     []uint64 // a bit each
	// tests are all other tests for destinations.
	tests []restTest
	// masquerade says that there is a MASQUERADE.
	masquerade bool
}

type restTest struct {
	rule  *netfilter.Rule
	match netfilter.Match
}

// The limits of what is looked through, and of what is told apart.
const (
	maxRestRules = 1 << 16
	maxRestTests = 16
)

// name reports whether a rule names the packet's destination, or may do so.
func (r *restRules) name(p *packet) bool {
	if !p.dst.IsValid() || !p.dstPort.known || hasBit(r.ports, p.dstPort.number) {
		return true
	}
	if !hasBit(r.hashes, uint16(hashOfAddr(p.dst))) {
		return false
	}
	_, named := r.addresses[p.dst]
	return named
}

// Sets of 16-bit numbers.
func newBits() []uint64                  { return make([]uint64, 1<<16/64) }
func hasBit(set []uint64, n uint16) bool { return set[n/64]&(1<<(n%64)) != 0 }
func setBit(set []uint64, n uint16)      { set[n/64] |= 1 << (n % 64) }

// restRules are those of one family's rest. They are looked through when they
// are first asked for.
func (t *Tracer) restRules(family int, r rest) *restRules {
	rules := &t.rests[family][r]
	rules.once.Do(func() {
		rules.untold = t.balancer.table != nil || t.balancer.likely || !rules.gather(t.families[family].chainsOf(r), asksOf)
	})
	return rules
}

// chainsOf are the base chains of a rest.
func (f *family) chainsOf(r rest) (chains []*netfilter.Chain) {
	for _, hook := range hooksOf[r] {
		for _, s := range f.hooks[hook] {
			if s.what == natStage && hook == netfilter.Prerouting {
				continue // for output's nat has run, and bound the connection
			}
			chains = append(chains, s.chains...)
		}
	}
	return chains
}

// gather looks through all rules that a packet may come to from base chains
// unless a rule names it. asks says what a match looks at. ok is false if they ask
// more of its destination than is told apart.
func (r *restRules) gather(from []*netfilter.Chain, asks func(netfilter.Match) asked) (ok bool) {
	r.addresses, r.hashes, r.ports = map[netip.Addr]struct{}{}, newBits(), newBits()
	var todo []*netfilter.Chain
	seen := map[*netfilter.Chain]bool{}
	add := func(c *netfilter.Chain) {
		if !seen[c] {
			seen[c] = true
			todo = append(todo, c)
		}
	}
	for _, c := range from {
		add(c)
	}
	rules := 0
	for len(todo) > 0 {
		c := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if rules += c.NumRules(); rules > maxRestRules {
			return false
		}
		for rule := range c.Rules() {
			switch d := dialOf(rule); {
			case d.address.IsValid():
				r.addresses[d.address] = struct{}{}
				setBit(r.hashes, uint16(hashOfAddr(d.address)))
				continue
			case d.port != 0 || d.protocol != 0:
				setBit(r.ports, d.port)
				continue
			}
			for _, m := range rule.Matches() {
				switch asks(m) {
				case destinationToo:
					return false
				case destinationOnly:
					if len(r.tests) == maxRestTests {
						return false
					}
					r.tests = append(r.tests, restTest{rule, m})
				}
			}
			for _, s := range rule.Statements() {
				switch s := s.(type) {
				case *netfilter.Jump:
					if s.Chain != nil {
						add(s.Chain)
					}
				case *netfilter.Masquerade:
					r.masquerade = true
				case netfilter.Verdict, *netfilter.Reject, *netfilter.SNAT, *netfilter.Track,
					*netfilter.SetMark, *netfilter.SetConnMark, *netfilter.SaveMark, *netfilter.RestoreMark:
				default:
					if !goesPast(s) {
						return false
					}
				}
			}
		}
	}
	return true
}

// asked says what a match looks at.
type asked uint8

const (
	destinationToo  asked = iota // also at the destination, or nobody says
	destinationOnly              // at nothing else that changes on the way
	otherThings
)

// asksOf says what a match looks at, of what a kind leaves out.
func asksOf(m netfilter.Match) asked {
	side := func(destination bool) asked {
		if destination {
			return destinationOnly
		}
		return otherThings
	}
	switch m := m.(type) {
	case *netfilter.Comment, *netfilter.NFAcct, *netfilter.Protocol, *netfilter.Interface, *netfilter.Fragment, *netfilter.ICMPType,
		*netfilter.Mark, *netfilter.ConnMark, *netfilter.State, *netfilter.Statistic, *netfilter.Limit,
		*netfilter.Opaque: // which is an open question whatever it looks at
		return otherThings
	case *netfilter.Addr:
		return side(m.Side == netfilter.Destination)
	case *netfilter.Transport:
		switch {
		case !m.DstPort.Set:
			return otherThings
		case !m.SrcPort.Set:
			return destinationOnly
		}
	case *netfilter.MultiPort:
		if m.Side == netfilter.Source || m.Side == netfilter.Destination {
			return side(m.Side == netfilter.Destination)
		}
	case *netfilter.AddrType:
		if !m.LimitIn && !m.LimitOut && (m.Src == 0 || m.Dst == 0) {
			return side(m.Dst != 0)
		}
	case *netfilter.Conntrack:
		if *m == (netfilter.Conntrack{States: m.States, StatesNot: m.StatesNot}) {
			return otherThings
		}
	}
	return destinationToo
}
