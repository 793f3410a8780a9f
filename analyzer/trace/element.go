package trace

import (
	"fmt"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// find looks a key up in a set as it stands in the input, and tells whether the
// packet finds it: maybe where what the input shows may have changed since, and
// where it does not show all. i is the element that the input has, or -1.
func (q *asking) find(s *netfilter.Set, key []byte) (i int, found ternary) {
	if !s.Readable() || len(key) != netfilter.KeyWidth(s.Key) {
		return -1, maybe
	}
	i = s.Find(netfilter.Key(key))
	switch {
	case q.isMatterOfPast(s, i):
		if removed, ok := q.walk.setFact(q.packet, s, key); ok {
			if !removed && s.IsMap() && i < 0 {
				return -1, maybe // its value is not known
			}
			return i, ternaryOf(!removed)
		}
		return i, maybe
	case i >= 0:
		return i, yes
	case s.Vague():
		return -1, maybe
	}
	return -1, no
}

// isMatterOfPast reports whether packets before this one decide on the set
// having the element, or one that the input does not show if i is -1.
func (q *asking) isMatterOfPast(s *netfilter.Set, i int) bool {
	changes := q.tracer.changes.of(s)
	if i < 0 {
		return changes.grows && !s.Vague()
	}
	return changes.shrinks || s.Expires(i)
}

// member is the condition that the set has the key.
func (w *walk) member(rule *netfilter.Rule, s *netfilter.Set, key []byte) condition {
	w.key = fmt.Appendf(w.key[:0], "\x00set %p ", s)
	w.key = append(w.key, key...)
	if n, ok := w.asked.find(w.key); ok {
		return w.literal(n)
	}
	k := netfilter.Key(key)
	name := netfilter.FormatKeys(s.Key, k, k)
	return w.question(string(w.key), question{
		rule: rule,
		yes:  name + " is in set " + s.Name,
		no:   name + " is not in set " + s.Name,
		list: s.Name, client: name, isSet: true,
	})
}

// setFact is the last thing that a rule did to the key in the set.
func (w *walk) setFact(p *packet, s *netfilter.Set, key []byte) (removed, ok bool) {
	for at := p.facts; at != 0; at = w.facts.things[at-1].before {
		if f := &w.facts.things[at-1]; f.set == s && string(f.key) == string(key) {
			return f.removed, true
		}
	}
	return false, false
}

// notedInSet is the packet with what a rule did to a key of a set.
func (w *walk) notedInSet(number int32, s *netfilter.Set, key []byte, removed bool) int32 {
	p := w.packet(number)
	if gone, ok := w.setFact(p, s, key); ok && gone == removed {
		return number
	}
	return w.withFact(number, fact{before: p.facts, set: s, key: netfilter.Key(key), removed: removed})
}

// setChanges says what rules do to sets.
type setChanges struct {
	snapshot *snapshot.Snapshot
	once     sync.Once
	bySet    map[*netfilter.Set]changesOfSet
}

// changesOfSet says whether rules add elements, or take them away.
type changesOfSet struct {
	grows, shrinks bool
}

// of is what rules do to a set. The rules are looked through when it is first
// asked for.
func (c *setChanges) of(s *netfilter.Set) changesOfSet {
	if s.Name == "" {
		return changesOfSet{}
	}
	c.once.Do(func() {
		c.bySet = map[*netfilter.Set]changesOfSet{}
		for _, table := range c.snapshot.Tables {
			if table.Backend != netfilter.Native {
				continue
			}
			for rule := range table.Rules() {
				for _, statement := range rule.Statements() {
					if s, ok := statement.(*netfilter.ChangeSet); ok {
						change := c.bySet[s.Set]
						change.grows = change.grows || s.Op != netfilter.DeleteElement
						change.shrinks = change.shrinks || s.Op == netfilter.DeleteElement
						c.bySet[s.Set] = change
					}
				}
			}
			if table.Complete {
				continue
			}
			for _, s := range table.Sets() {
				if s.Flags&netfilter.DynamicSet != 0 { // by a rule that was not captured
					change := c.bySet[s]
					change.grows = true
					c.bySet[s] = change
				}
			}
		}
	})
	return c.bySet[s]
}

// withFact is the packet with a fact added.
func (w *walk) withFact(number int32, f fact) int32 {
	n, _ := w.facts.number(&f, f.hash())
	return w.changed(number, func(p *packet) { p.facts = n + 1 })
}
