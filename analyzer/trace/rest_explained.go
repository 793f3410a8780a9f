package trace

// An explainedEnd is how packets come to an end that is known.
type explainedEnd struct {
	steps []*Step
	kind  kind // of the packet at the end
	// trail is of the steps, in the walk that began as the number says.
	trail *trail
	begun uint64
}

// endExplained is endKnown for packets that have paths: it ends those of two
// rests, if it is known of all of them that they come to the end of their way.
// They end in the order in which they would come there, for outcomes have the
// first path that leads to them; and where two packets become one on the way,
// they have one path as well, and are taken there. ok is false if nothing was
// done.
func (w *walk) endExplained(first rest, ps []particle, second rest, qs []particle) (ok bool) {
	if !w.paths || w.all || w.learns {
		return false
	}
	w.merging.reset()
	if !w.explain(first, ps) || !w.explain(second, qs) {
		return false
	}
	for i, e := range w.merging.exits {
		r := first
		if i >= len(ps) {
			r = second
		}
		w.end(e.particle, Accept, "", r == arriveHere || r == departHere)
	}
	return true
}

// explain adds particles to w.merging as they are at their ends. It reports
// whether those are known, and no two the same.
func (w *walk) explain(r rest, ps []particle) bool {
	for _, p := range ps {
		known, ok := w.knownEnd(r, w.packet(p.packet))
		if !ok || known.verdict != Accept {
			return false
		}
		end := known.explained
		p.trail = w.joined(p.trail, w.trailOf(end))
		p.packet = w.changed(p.packet, func(p *packet) {
			p.kind = end.kind
		})
		e := exit{particle: p}
		if w.merging.find(e) < len(w.merging.exits) {
			return false
		}
		w.merging.exits = append(w.merging.exits, e)
	}
	return true
}

// trailOf is the trail of an end's steps, which are written already.
func (w *walk) trailOf(end *explainedEnd) *trail {
	if end.begun == w.begun {
		return end.trail
	}
	end.begun, end.trail = w.begun, nil
	for _, s := range end.steps {
		end.trail = w.happened(end.trail, event{effect: told, written: s})
	}
	return end.trail
}
