package trace

// A mass is how much of the packet's chance is at some place: a probability
// for each set of answers to the open questions. An open question is no
// chance, so the answers are never weighed; for each way to answer them all,
// the masses of all places sum to 1.
//
// It is kept as the conditions under which the probability has one value. They
// exclude each other, and where none of them holds, it is 0. Nearly always
// there is one term. A mass that is made does not change.
type mass []term

type term struct {
	when   condition
	chance Chance
}

var wholeMass = mass{{always, Certain}}

// isWhole reports whether the mass is that of a whole packet. Others may be
// equal to it.
func (m mass) isWhole() bool { return len(m) == 1 && m[0] == wholeMass[0] }

// masses makes masses, of conditions that it holds as well. Masses that were made
// since it is full say nothing.
type masses struct {
	diagrams
	products
	terms    slab[term]
	compared int // terms with others
}

// maxCompared bounds the time for sums of masses with many terms: twenty
// questions, each with a chance of its own, make a million of them.
const maxCompared = 1 << 22

// full reports whether there is too much to tell apart.
func (d *masses) full() bool { return d.diagrams.full() || d.compared > maxCompared }

// only is the part of the mass for which the condition holds.
func (d *masses) only(m mass, c condition) mass {
	if c == always {
		return m
	}
	out := mass(d.terms.take(len(m)))[:0]
	for _, t := range m {
		if t.when = d.and(t.when, c); t.when != never {
			out = append(out, t)
		}
	}
	return out
}

// share is the mass times a chance.
func (d *masses) share(m mass, c Chance) mass {
	if c.IsCertain() {
		return m
	}
	if c.IsZero() {
		return nil
	}
	out := mass(d.terms.take(len(m)))
	for i, t := range m {
		out[i] = term{t.when, d.times(t.chance, c)}
	}
	return out
}

// through is the mass m that meets a place, when the mass n of a whole packet
// gets from that place to another.
func (d *masses) through(m, n mass) mass {
	switch {
	case m.isWhole():
		return n
	case len(n) == 1:
		return d.share(d.only(m, n[0].when), n[0].chance)
	}
	if d.compared += len(m) * len(n); d.full() {
		return m
	}
	var out mass
	for _, x := range m {
		for _, y := range n {
			if when := d.and(x.when, y.when); when != never {
				out = d.insert(out, term{when, d.times(x.chance, y.chance)})
			}
		}
	}
	return out
}

// insert adds a term that excludes all others.
func (d *masses) insert(m mass, t term) mass {
	d.compared += len(m)
	for i := range m {
		if m[i].chance.Equal(t.chance) {
			m[i].when = d.or(m[i].when, t.when)
			return m
		}
	}
	if len(m) == cap(m) {
		m = append(mass(d.terms.take(2*len(m) + 2))[:0], m...)
	}
	return append(m, t)
}

// plus is the sum of two masses.
func (d *masses) plus(m, n mass) mass {
	switch {
	case len(m) == 0:
		return n
	case len(n) == 0:
		return m
	}
	if d.compared += len(m) * len(n); d.full() {
		return m
	}
	meet := false
	var out mass
	for _, x := range m {
		for _, y := range n {
			if !d.exclude(x.when, y.when) {
				meet = true
				out = d.insert(out, term{d.and(x.when, y.when), x.chance.plus(y.chance)})
			}
		}
	}
	if !meet { // as mostly
		out = mass(d.terms.take(len(m) + len(n)))[:0]
		for _, t := range m {
			out = d.insert(out, t)
		}
		for _, t := range n {
			out = d.insert(out, t)
		}
		return out
	}
	out = d.outside(out, m, n)
	return d.outside(out, n, m)
}

// outside adds to out what m holds where n is 0.
func (d *masses) outside(out, m, n mass) mass {
	for _, x := range m {
		for _, y := range n {
			if !d.exclude(x.when, y.when) {
				x.when = d.and(x.when, d.not(y.when))
			}
		}
		if x.when != never {
			out = d.insert(out, x)
		}
	}
	return out
}
