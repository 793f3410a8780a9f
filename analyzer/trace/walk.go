package trace

import (
	"fmt"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A walk is one call of Trace. Its heart is run: what becomes of a packet in a
// chain is computed once for each packet and chain, without recursion, so that
// the work is bounded by their number whatever the jumps look like.
type walk struct {
	masses
	tracer *Tracer
	family *family
	flow   Flow
	origin packet // as conntrack saw it first
	detail detail
	begun  uint64 // how often the walk began
	all    bool   // paths hold every rule that was looked at
	paths  bool   // outcomes have paths
	// anySource says, where only ends are asked for, that nobody asks whether
	// they are masqueraded.
	anySource bool

	rests   restEnds
	learner *walk // of rests; nil if none was needed

	unrouted    bool // the packet passes output as one, whatever link it leaves by
	routedFirst bool // it does not, for a rule looks at the link or asks whose its destination is
	byTwoLinks  bool // those of both links pass output

	learns bool // is the learner of another

	packets numbering[packet] // the different ones
	draft   packet            // the one that is being changed
	facts   numbering[fact]   // packets count them from 1
	ttls    map[ttlChange]int16

	questions []question
	asked     keys
	askedOwn  map[netip.Addr]int32
	key       []byte // of the question that is asked, to be used again

	schedulings []scheduling // that IPVS made
	scheduledAt map[scheduling]int32
	serversOf   map[*ipvs.VirtualServer][]ipvs.RealServer // that were asked for
	sentByIPVS  []particle                                // that wait for the end of a hook

	visits numbering[visit]
	fates  []visited // of the visits, by number
	frames []frame
	depth  int // frames in use
	// The visit that was computed last.
	lastKnown int32
	// Where the visits begin that did not go straight to their end.
	ahead    [maxStraightDepth]rulesAhead
	numAhead int

	effort  int
	spent   bool
	endings []ending
	remarks []source.Diagnostic

	room
}

// The limits of a walk. A node's real rules come nowhere near; a walk that
// reaches one ends with the outcome that its fate is unknown.
const (
	maxPackets = 1 << 17
	maxEffort  = 1 << 26 // rules looked at
)

// newWalk is a walk, with the room of one that is over if there is one.
func newWalk(t *Tracer, f Flow, d detail) *walk {
	w, _ := t.walks.Get().(*walk)
	if w == nil {
		w = newRoom(t)
	}
	w.begin(f, d)
	return w
}

// newRoom is a walk that did not begin.
func newRoom(t *Tracer) *walk {
	w := &walk{tracer: t, masses: masses{diagrams: newDiagrams()}}
	w.askedOwn = map[netip.Addr]int32{}
	return w
}

func (w *walk) begin(f Flow, d detail) {
	w.family, w.flow = &w.tracer.families[familyIndex(f.Destination)], f
	w.begun++
	w.detail, w.all, w.paths = d, d == allSteps, d == decidingSteps || d == allSteps
	w.remarks = append(w.remarks, w.family.remarks...)
}

// A visit is a packet that enters a chain.
type visit struct {
	chain  *netfilter.Chain
	packet int32 // anyPacket for what is noted of the chain alone
}

const anyPacket = -1

func (v visit) hash() uint32 { return uint32(mixed(uint64(v.chain.Index()), uint64(v.packet))) }

// visited is what is known of a visit.
type visited struct {
	exits []exit
	done  bool
	// walked says, of a chain and anyPacket, that a visit to the chain is
	// being computed, in a frame that is marked.
	walked bool
}

// A particle is a part of the packet's chance, on its way.
type particle struct {
	packet int32
	mass   mass
	trail  *trail
}

// A way is how a packet leaves a rule or a chain.
type way uint8

const (
	goesOn   way = iota // to the next rule
	breaks              // there as well, past the statements of this one
	returns             // to the chain that jumped here, or to the policy
	accepted            // out of the base chain
	dropped
	rejected
	lost // nobody can tell what becomes of it
)

// An exit is one way in which a packet leaves a chain. Its mass and trail
// count from where it entered.
type exit struct {
	particle
	way way
	// with is what the packet is rejected with.
	with string
}

// gathered are exits, equal ones added up.
type gathered struct {
	exits  []exit
	places *numbering[exitKey] // of the exits, when there are many
}

type exitKey struct {
	packet int32
	way    way
	with   string
}

func (k exitKey) hash() uint32 { return uint32(mixed(uint64(k.packet), uint64(k.way))) }

// fewExits are looked through one by one.
const fewExits = 16

func (g *gathered) add(d *masses, e exit) {
	if i := g.find(e); i < len(g.exits) {
		g.exits[i].mass = d.plus(g.exits[i].mass, e.mass)
		return
	}
	g.exits = append(g.exits, e)
}

// find is the place of the exit that is equal to this one, or the next place
// that is free, which the exit must be put to.
func (g *gathered) find(e exit) int {
	if len(g.exits) < fewExits {
		for i := range g.exits {
			if x := &g.exits[i]; x.packet == e.packet && x.way == e.way && x.with == e.with {
				return i
			}
		}
		return len(g.exits)
	}
	if g.places == nil {
		g.places = new(numbering[exitKey])
	}
	for _, x := range g.exits[len(g.places.things):] {
		key := exitKey{x.packet, x.way, x.with}
		g.places.number(&key, key.hash())
	}
	key := exitKey{e.packet, e.way, e.with}
	i, _ := g.places.number(&key, key.hash())
	return int(i)
}

// appendTo appends the particles of the exits.
func (g *gathered) appendTo(ps []particle) []particle {
	for i := range g.exits {
		ps = append(ps, g.exits[i].particle)
	}
	return ps
}

func (g *gathered) reset() {
	g.exits = g.exits[:0]
	if g.places != nil && len(g.places.things) > 0 {
		g.places.reset()
	}
}

// A frame is a visit that is being computed. It stops where it needs to know
// another visit first, and goes on there.
type frame struct {
	visit
	number int32 // of the visit
	marker int32 // of the visit that stands for the chain, or unmarked
	rule   int   // the one that is looked at
	live   []particle
	out    gathered
	rules  candidates

	// How far the rule is. If it is tested, holds is whether it matches the
	// only particle.
	tested bool
	holds  ternary
	begun  bool
	turn   int        // which of the live particles
	hits   []particle // the parts of it that the rule matches
	hit    int        // which of them
	on     gathered   // what goes on to the next rule
	lookup mapLookup  // of the hit in a verdict map
}

// run is what becomes of a packet in a chain: all its exits, the masses of
// which sum to 1.
func (w *walk) run(chain *netfilter.Chain, number int32) []exit {
	exits, first, known := w.fate(chain, number)
	if known {
		return exits
	}
	w.enter(first)
	for w.depth > 0 {
		f := &w.frames[w.depth-1]
		if next, needed := w.advance(f); needed {
			w.enter(next)
			continue
		}
		w.depth--
		if f.marker != unmarked {
			w.fates[f.marker].walked = false
		}
		w.know(f.number, f.out.exits)
	}
	return w.fates[first].exits
}

// fate is what becomes of a packet in a chain, if that is known or easily told;
// if not, number is that of the visit which must be computed first.
func (w *walk) fate(chain *netfilter.Chain, packet int32) (exits []exit, number int32, known bool) {
	v := visit{chain, packet}
	if n := w.lastKnown; n < int32(len(w.fates)) && w.fates[n].done && w.visits.things[n] == v {
		return w.fates[n].exits, n, true
	}
	if n, ok := w.visits.find(&v, v.hash()); ok && w.fates[n].done {
		return w.fates[n].exits, n, true
	}
	if e, ok := w.straight(chain, packet); ok {
		w.oneExit[0] = e
		return w.oneExit[:], 0, true
	}
	number = w.visit(v)
	return w.fates[number].exits, number, w.fates[number].done
}

// visit finds the number of a visit.
func (w *walk) visit(v visit) int32 {
	n, isNew := w.visits.number(&v, v.hash())
	if isNew {
		w.fates = append(w.fates, visited{})
	}
	return n
}

// know keeps what becomes of a packet in a chain.
func (w *walk) know(number int32, exits []exit) {
	kept := w.exits.take(len(exits))
	copy(kept, exits)
	w.fates[number].exits, w.fates[number].done = kept, true
	w.lastKnown = number
}

// next finds the next rule of a chain that a packet may match, holds being no
// if there is none.
func (w *walk) next(chain *netfilter.Chain, i int, rules *candidates, number int32) (rule int, holds ternary) {
	q := asking{walk: w, packet: w.packet(number)}
	rules.choose(q.packet, w.flow.Protocol)
	past := chain.NumRules()
	for i = rules.next(i, past); i < past; i = rules.next(i+1, past) {
		w.effort++
		q.rule = chain.Rule(i)
		if holds = q.test(q.rule); holds != no {
			return i, holds
		}
	}
	return past, no
}

// fewFrames are looked through one by one; chains further down are marked.
const fewFrames = 16

// unmarked is the marker of the first frames.
const unmarked = -1

// isWalked reports whether a visit to the chain is being computed.
func (w *walk) isWalked(chain *netfilter.Chain) bool {
	for i := range w.frames[:min(w.depth, fewFrames)] {
		if w.frames[i].chain == chain {
			return true
		}
	}
	return w.depth > fewFrames && w.fates[w.visit(visit{chain, anyPacket})].walked
}

// enter begins a visit. A chain that is entered while it is being walked is
// part of a loop, which no kernel loads (ip_tables.c, mark_source_chains;
// nf_tables_api.c, nf_tables_check_loops): what a packet does there is unknown.
func (w *walk) enter(number int32) {
	v := w.visits.things[number]
	if w.isWalked(v.chain) {
		w.remark(source.Error, "loop", v.chain.Pos(), "chain %s leads back to itself; no kernel loads such a table", v.chain.Name)
		w.know(number, []exit{{
			particle: particle{packet: v.packet, mass: wholeMass, trail: w.note(nil, v.packet, "goes round in a loop through chain "+v.chain.Name)},
			way:      lost,
		}})
		return
	}
	marker := int32(unmarked)
	if w.depth >= fewFrames {
		marker = w.visit(visit{v.chain, anyPacket})
		w.fates[marker].walked = true
	}
	if w.depth == len(w.frames) {
		w.frames = append(w.frames, frame{})
	}
	f := &w.frames[w.depth]
	w.depth++
	f.visit, f.number, f.marker, f.begun = v, number, marker, false
	if a := w.findAhead(v.chain, v.packet); a != nil {
		f.rule, f.rules, f.tested, f.holds = a.rule, a.rules, true, a.holds
		f.live = append(f.live[:0], a.at)
	} else {
		w.warm(v.chain)
		f.rule, f.rules, f.tested = 0, candidates{in: w.tracer.indexes.of(v.chain)}, false
		f.live = append(f.live[:0], particle{packet: v.packet, mass: wholeMass})
	}
	f.lookup.of = nil
	f.out.reset()
}

// remark adds a diagnostic, once.
func (w *walk) remark(severity source.Severity, code string, pos source.Position, format string, args ...any) {
	d := source.Diagnostic{Severity: severity, Code: code, Pos: pos, Message: fmt.Sprintf(format, args...)}
	for _, old := range w.remarks {
		if old == d {
			return
		}
	}
	w.remarks = append(w.remarks, d)
}

// advance takes a frame to its end, or to a visit that it needs to know first.
func (w *walk) advance(f *frame) (next int32, needed bool) {
	for ; f.rule < f.chain.NumRules() && len(f.live) > 0; f.rule++ {
		if w.spent = w.spent || w.effort > maxEffort || len(w.packets.things) > maxPackets || w.full(); w.spent {
			f.live = f.live[:0]
			break
		}
		if !f.begun && len(f.live) == 1 && !w.paths {
			if w.deal(f); len(f.live) == 0 || f.rule == f.chain.NumRules() {
				break
			}
		}
		if !f.begun && !f.tested && len(f.live) == 1 && !w.all {
			// To the next rule that its only particle may match.
			if f.rule, f.holds = w.next(f.chain, f.rule, &f.rules, f.live[0].packet); f.holds == no {
				break
			}
			f.tested = true
		}
		if next, needed := w.try(f); needed {
			return next, true
		}
	}
	for _, p := range f.live {
		f.out.add(&w.masses, exit{particle: p, way: returns})
	}
	return 0, false
}

// try takes the frame's particles past its rule, as far as it can without
// knowing what becomes of a packet in another chain.
func (w *walk) try(f *frame) (next int32, needed bool) {
	rule := f.chain.Rule(f.rule)
	if !f.begun {
		f.begun, f.turn, f.hit, f.hits = true, -1, 0, f.hits[:0]
		f.on.reset()
	}
	for {
		for ; f.hit < len(f.hits); f.hit++ {
			w.acted, next, needed = w.act(rule, f.hits[f.hit], w.acted[:0])
			if needed {
				return next, true
			}
			for _, e := range w.acted {
				if e.way == goesOn || e.way == breaks {
					e.way = goesOn
					f.on.add(&w.masses, e)
				} else {
					f.out.add(&w.masses, e)
				}
			}
		}
		if f.turn++; f.turn == len(f.live) {
			break
		}
		w.effort++
		f.hit = 0
		q := asking{walk: w, rule: rule, packet: w.packet(f.live[f.turn].packet)}
		if !f.tested {
			f.holds = q.test(rule)
		}
		f.tested = false
		f.hits, w.misses = w.judge(&q, f.live[f.turn], f.holds, f.hits[:0], w.misses[:0])
		for _, miss := range w.misses {
			f.on.add(&w.masses, exit{particle: miss})
		}
	}
	f.live = f.on.appendTo(f.live[:0])
	f.begun = false
	return 0, false
}

// act has a rule's statements done to a packet that the rule matches. It
// appends the exits, those that go on to the next rule among them.
func (w *walk) act(rule *netfilter.Rule, p particle, out []exit) (_ []exit, next int32, needed bool) {
	switch statements := rule.Statements(); len(statements) {
	case 0:
		return append(out, exit{particle: p}), 0, false
	case 1:
		if jump, ok := rule.Jump(); ok {
			w.doing = jump
			return w.jump(rule, jump, p, out)
		}
		return w.do(rule, statements[0], p, out)
	}
	out = append(out, exit{particle: p})
	for _, statement := range rule.Statements() {
		before := len(out)
		for i := range before {
			if out[i].way != goesOn {
				out = append(out, out[i])
			}
		}
		for i := range before {
			if out[i].way == goesOn {
				if out, next, needed = w.do(rule, statement, out[i].particle, out); needed {
					return out, next, true
				}
			}
		}
		out = append(out[:0], out[before:]...)
	}
	return out, 0, false
}

// do is act for one statement.
func (w *walk) do(rule *netfilter.Rule, statement netfilter.Statement, p particle, out []exit) (_ []exit, next int32, needed bool) {
	w.doing = statement
	switch s := statement.(type) {
	case *netfilter.Jump:
		return w.jump(rule, s, p, out)
	case *netfilter.VerdictMap:
		return w.verdictMap(rule, s, p, out)
	}
	return w.apply(rule, statement, p, out), 0, false
}

// jump sends a packet to another chain.
func (w *walk) jump(rule *netfilter.Rule, jump *netfilter.Jump, p particle, out []exit) (_ []exit, next int32, needed bool) {
	if jump.Chain == nil {
		return w.undeclared(rule, jump, p, out), 0, false
	}
	exits, next, known := w.fate(jump.Chain, p.packet)
	if !known {
		return out, next, true
	}
	var by *event
	for _, e := range exits {
		if e = w.comeBack(rule, jump, &by, p, e); len(e.mass) > 0 {
			out = append(out, e)
		}
	}
	return out, 0, false
}

// comeBack is a packet that jumped, once it left the other chain by an exit. The
// jump itself is one event for all exits, and made for the first that tells of it.
func (w *walk) comeBack(rule *netfilter.Rule, jump *netfilter.Jump, by **event, p particle, e exit) exit {
	trail := p.trail
	if w.paths && (e.trail != nil || e.way != returns || w.all) {
		if *by == nil {
			w.doing = jump
			*by = w.event(rule, p.packet, jumped)
		}
		trail = w.behind(p.trail, *by)
		trail.inner = e.trail
	}
	e.mass = w.through(p.mass, e.mass)
	e.trail = trail
	if e.way == returns && !jump.Goto {
		// After a goto there is no coming back to this chain; it ends
		// here as well (ip_tables.c, ipt_do_table: no entry on the
		// stack of jumps).
		e.way = goesOn
	}
	return e
}

// number finds the number of a packet.
func (w *walk) number(p *packet) int32 {
	n, _ := w.packets.number(p, p.hash())
	return n
}

// packet is the packet with the number. It does not change.
func (w *walk) packet(number int32) *packet { return &w.packets.things[number] }

// changed is the packet with a change made to it.
func (w *walk) changed(number int32, change func(*packet)) int32 {
	w.draft = *w.packet(number)
	change(&w.draft)
	if w.draft == *w.packet(number) {
		return number
	}
	return w.number(&w.draft)
}
