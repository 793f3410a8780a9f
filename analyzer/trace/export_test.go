package trace

import "fmt"

// CheckSum follows a packet and holds the walk against its one promise about
// numbers: the chances of all ends sum to exactly 1, under every answer to
// every open question but those that are not followed both ways.
func (t *Tracer) CheckSum(f Flow) error {
	f, err := f.checked()
	if err != nil {
		return err
	}
	if f.From == "" {
		f.From = t.originOf(f)
	}
	w := newWalk(t, f, noSteps)
	w.journey()
	var sum mass
	for _, e := range w.endings {
		sum = w.plus(sum, e.mass)
	}
	if w.spent || w.full() {
		return nil
	}
	for _, s := range sum {
		if !s.chance.IsCertain() {
			return fmt.Errorf("under condition %d the chances sum to %s", s.when, s.chance)
		}
	}
	for i := range w.questions {
		q := &w.questions[i]
		if q.granted {
			continue
		}
		for _, s := range sum {
			if w.given(s.when, answer{int32(i), true}) != w.given(s.when, answer{int32(i), false}) {
				return fmt.Errorf("no outcomes for one answer to %q", w.words.answer(q, true))
			}
		}
	}
	if len(sum) != 1 {
		return fmt.Errorf("the chances sum to %d different numbers", len(sum))
	}
	return nil
}

// IndexFrom makes the tracer index chains with so many rules or more.
func (t *Tracer) IndexFrom(rules int) *Tracer {
	t.indexes.from = rules
	return t
}

// WithoutRests makes the tracer take every packet to its end by itself.
func (t *Tracer) WithoutRests() *Tracer {
	for f := range t.rests {
		for r := range t.rests[f] {
			rules := &t.rests[f][r]
			rules.once.Do(func() { rules.untold = true })
		}
	}
	return t
}

// RoutedFirst makes the tracer take packets of the node through output once for
// each link that they may leave by.
func (t *Tracer) RoutedFirst() *Tracer {
	for i := range t.linkMatters {
		t.linkMatters[i].Store(true)
	}
	return t
}

// FellowsFrom makes the tracer compare so many packets or more at a base chain.
func (t *Tracer) FellowsFrom(packets int) *Tracer {
	t.fellows.from = packets
	return t
}
