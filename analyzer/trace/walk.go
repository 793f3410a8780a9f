package trace

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A walk is one call of Trace. Its heart is run: what becomes of a packet in a
// chain is computed once for each packet and chain, without recursion, so that
// the work is bounded by their number whatever the jumps look like.
type walk struct {
	*diagrams
	tracer *Tracer
	family *family
	flow   Flow
	origin packet // as conntrack saw it first
	all    bool   // paths hold every rule that was looked at

	packets []packet // the different ones, by number
	numbers map[packet]int32
	facts   []fact
	places  map[fact]int32

	questions []question
	asked     map[string]int32

	known    map[visit]*gathered
	frames   []*frame
	inFrames map[*netfilter.Chain]bool

	effort  int
	spent   bool
	endings []ending
	remarks []source.Diagnostic
}

// The limits of a walk. A node's real rules come nowhere near; a walk that
// reaches one ends with the outcome that its fate is unknown.
const (
	maxPackets = 1 << 17
	maxEffort  = 1 << 26 // rules looked at
)

func newWalk(t *Tracer, f Flow, all bool) *walk {
	w := &walk{
		diagrams: newDiagrams(),
		tracer:   t,
		family:   &t.families[familyIndex(f.Destination)],
		flow:     f,
		all:      all,
		numbers:  map[packet]int32{},
		asked:    map[string]int32{},
		known:    map[visit]*gathered{},
		inFrames: map[*netfilter.Chain]bool{},
	}
	w.remarks = append(w.remarks, w.family.remarks...)
	return w
}

// A visit is a packet that enters a chain.
type visit struct {
	chain  *netfilter.Chain
	packet int32
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
	exits []exit
	place map[exitKey]int
}

type exitKey struct {
	packet int32
	way    way
	with   string
}

func (g *gathered) add(d *diagrams, e exit) {
	key := exitKey{e.packet, e.way, e.with}
	i, ok := -1, false
	if g.place != nil {
		i, ok = g.place[key]
	} else {
		for i = range g.exits {
			if x := &g.exits[i]; x.packet == key.packet && x.way == key.way && x.with == key.with {
				ok = true
				break
			}
		}
	}
	if ok {
		g.exits[i].mass = d.plus(g.exits[i].mass, e.mass)
		return
	}
	g.exits = append(g.exits, e)
	switch {
	case g.place != nil:
		g.place[key] = len(g.exits) - 1
	case len(g.exits) > 16:
		g.place = make(map[exitKey]int, 4*len(g.exits))
		for i, x := range g.exits {
			g.place[exitKey{x.packet, x.way, x.with}] = i
		}
	}
}

// A frame is a visit that is being computed.
type frame struct {
	visit visit
	rule  int // the next to look at
	live  []particle
	out   gathered
}

// run is what becomes of a packet in a chain: all its exits, the masses of
// which sum to 1.
func (w *walk) run(chain *netfilter.Chain, number int32) []exit {
	first := visit{chain, number}
	if done := w.known[first]; done != nil {
		return done.exits
	}
	w.enter(first)
	for len(w.frames) > 0 {
		f := w.frames[len(w.frames)-1]
		if next, needed := w.advance(f); needed {
			w.enter(next)
			continue
		}
		w.frames = w.frames[:len(w.frames)-1]
		delete(w.inFrames, f.visit.chain)
		w.known[f.visit] = &f.out
	}
	return w.known[first].exits
}

// enter begins a visit. A chain that is entered while it is being walked is
// part of a loop, which no kernel loads (ip_tables.c, mark_source_chains;
// nf_tables_api.c, nf_tables_check_loops): what a packet does there is unknown.
func (w *walk) enter(v visit) {
	f := &frame{visit: v}
	if w.inFrames[v.chain] {
		w.remark(source.Error, "loop", v.chain.Pos, "chain %s leads back to itself; no kernel loads such a table", v.chain.Name)
		f.out.add(w.diagrams, exit{
			particle: particle{packet: v.packet, mass: wholeMass, trail: w.note(nil, v.packet, "goes round in a loop through chain "+v.chain.Name)},
			way:      lost,
		})
		w.known[v] = &f.out
		return
	}
	f.live = []particle{{packet: v.packet, mass: wholeMass}}
	w.inFrames[v.chain] = true
	w.frames = append(w.frames, f)
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
func (w *walk) advance(f *frame) (next visit, needed bool) {
	chain := f.visit.chain
	for ; f.rule < chain.NumRules() && len(f.live) > 0; f.rule++ {
		if w.spent = w.spent || w.effort > maxEffort || len(w.packets) > maxPackets || w.full(); w.spent {
			f.live = nil
			break
		}
		if len(f.live) == 1 && !w.all {
			f.rule = w.nextCandidate(chain, f.rule, &w.packets[f.live[0].packet])
			if f.rule == chain.NumRules() {
				break
			}
		}
		if next, needed := w.try(f, chain.Rule(f.rule)); needed {
			return next, true
		}
	}
	for _, p := range f.live {
		f.out.add(w.diagrams, exit{particle: p, way: returns})
	}
	return visit{}, false
}

// nextCandidate is the first rule from the i-th on that the packet may match.
func (w *walk) nextCandidate(chain *netfilter.Chain, i int, p *packet) int {
	q := asking{walk: w, packet: p}
	to := dial{address: p.dst, protocol: w.flow.Protocol, port: p.dstPort.number}
	index := w.tracer.indexes.of(chain)
	if !p.dst.IsValid() || !p.dstPort.known {
		index = nil
	}
	for ; i < chain.NumRules(); i++ {
		if index != nil {
			if i = index.next(to, i, chain.NumRules()); i == chain.NumRules() {
				break
			}
		}
		w.effort++
		if q.test(chain.Rule(i)) != no {
			break
		}
	}
	return i
}

// try takes the frame's particles past one rule. When it needs to know what
// becomes of a packet in another chain, it says so and has changed nothing.
func (w *walk) try(f *frame, rule *netfilter.Rule) (next visit, needed bool) {
	var on gathered
	var out []exit
	for _, p := range f.live {
		w.effort++
		hits, misses := w.judge(rule, p)
		for _, miss := range misses {
			on.add(w.diagrams, exit{particle: miss})
		}
		for _, hit := range hits {
			exits, next, needed := w.act(rule, hit)
			if needed {
				return next, true
			}
			for _, e := range exits {
				if e.way == goesOn {
					on.add(w.diagrams, e)
				} else {
					out = append(out, e)
				}
			}
		}
	}
	f.live = f.live[:0]
	for _, e := range on.exits {
		f.live = append(f.live, e.particle)
	}
	for _, e := range out {
		f.out.add(w.diagrams, e)
	}
	return visit{}, false
}

// act has a rule's statements done to a packet that the rule matches.
func (w *walk) act(rule *netfilter.Rule, p particle) (out []exit, next visit, needed bool) {
	live := []exit{{particle: p}}
	for _, statement := range rule.Statements() {
		var on []exit
		for _, e := range live {
			var results []exit
			if jump, ok := statement.(*netfilter.Jump); ok {
				results, next, needed = w.jump(rule, jump, e.particle)
				if needed {
					return nil, next, true
				}
			} else {
				results = w.apply(rule, statement, e.particle)
			}
			for _, r := range results {
				if r.way == goesOn {
					on = append(on, r)
				} else {
					out = append(out, r)
				}
			}
		}
		live = on
	}
	return append(out, live...), visit{}, false
}

// jump sends a packet to another chain.
func (w *walk) jump(rule *netfilter.Rule, jump *netfilter.Jump, p particle) (out []exit, next visit, needed bool) {
	if jump.Chain == nil {
		return w.undeclared(rule, jump, p), visit{}, false
	}
	to := visit{jump.Chain, p.packet}
	done := w.known[to]
	if done == nil {
		return nil, to, true
	}
	for _, e := range done.exits {
		trail := p.trail
		if e.trail != nil || e.way != returns || w.all {
			trail = w.step(p.trail, rule, p.packet, jumped)
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
		if len(e.mass) > 0 {
			out = append(out, e)
		}
	}
	return out, visit{}, false
}

// number finds the number of a packet.
func (w *walk) number(p packet) int32 {
	n, ok := w.numbers[p]
	if !ok {
		n = int32(len(w.packets))
		w.packets = append(w.packets, p)
		w.numbers[p] = n
	}
	return n
}

// changed is the packet with a change made to it.
func (w *walk) changed(number int32, change func(*packet)) int32 {
	p := w.packets[number]
	change(&p)
	if p == w.packets[number] {
		return number
	}
	return w.number(p)
}
