package iptablessave

import (
	"hash/maphash"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A memory holds what was made of texts that many rules have alike, so that it
// is made once. Every text has one place, and the newest text takes it: what is
// forgotten is made again, and no dump can make a memory large or slow.
type memory struct {
	places []remembered // a power of two
	made   int
}

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
	leastPlaces = 16
	mostPlaces  = 1024
)

var seed = maphash.MakeSeed()

// find gives the text's place: what is remembered there may be of another text.
func (m *memory) find(text string) *remembered {
	if len(m.places) == 0 {
		m.places = make([]remembered, leastPlaces)
	}
	return &m.places[maphash.String(seed, text)&uint64(len(m.places)-1)]
}

// keep remembers what was made of a text, and gives its place.
func (m *memory) keep(r remembered) *remembered {
	if m.made++; m.made > len(m.places) && len(m.places) < mostPlaces {
		old := m.places
		m.places = make([]remembered, 2*len(old))
		for _, o := range old {
			if o.text != "" {
				*m.find(o.text) = o
			}
		}
	}
	place := m.find(r.text)
	*place = r
	return place
}
