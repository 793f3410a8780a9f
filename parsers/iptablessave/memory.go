package iptablessave

import (
	"hash/maphash"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A memory holds what was made of texts that many rules have alike, so that it
// is made once. A text has few places, which the newest ones take: what is
// forgotten is made again, and no dump can make a memory large or slow.
type memory struct {
	sets []memorySet // a power of two
	made int
}

// A memorySet has the places of some texts, the newest first. With four of them
// it does not happen that texts of every other rule drive one another out.
type memorySet [4]remembered

// remembered is what was made of a text. It depends on nothing but the text,
// and on the dump's family. The zero remembered is of no text.
type remembered struct {
	text      string
	match     netfilter.Match
	statement netfilter.Statement

	// list is the last list of matches that ended with this one.
	list  netfilter.MatchList
	table *netfilter.Table // that keeps it
}

const (
	leastSets = 4
	mostSets  = 256
)

var seed = maphash.MakeSeed()

func (m *memory) set(text string) *memorySet {
	return &m.sets[maphash.String(seed, text)&uint64(len(m.sets)-1)]
}

// find gives what is remembered of a text, nil if nothing is.
func (m *memory) find(text string) *remembered {
	if len(m.sets) == 0 {
		return nil
	}
	set := m.set(text)
	for i := range set {
		if set[i].text == text {
			return &set[i]
		}
	}
	return nil
}

// keep remembers what was made of a text, and gives its place.
func (m *memory) keep(r remembered) *remembered {
	if m.made++; m.made > 2*len(m.sets) && len(m.sets) < mostSets {
		old := m.sets
		m.sets = make([]memorySet, max(2*len(old), leastSets))
		for _, set := range old {
			for i := len(set) - 1; i >= 0; i-- {
				if set[i].text != "" {
					m.put(set[i])
				}
			}
		}
	}
	return m.put(r)
}

func (m *memory) put(r remembered) *remembered {
	set := m.set(r.text)
	copy(set[1:], set[:])
	set[0] = r
	return &set[0]
}
