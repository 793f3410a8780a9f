package trace

import (
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// ipsets are the snapshot's sets as rules see them.
type ipsets struct {
	snapshot *snapshot.Snapshot
	once     sync.Once
	byName   map[string]*netfilter.IPSet
	// updated are the sets that some rule adds elements to or takes them from,
	// the members of lists among them.
	updated map[string]bool
}

// prepare looks through the sets and rules, when a rule first asks for a set.
func (s *ipsets) prepare() {
	s.once.Do(func() {
		s.byName, s.updated = make(map[string]*netfilter.IPSet, len(s.snapshot.IPSets)), map[string]bool{}
		for _, set := range s.snapshot.IPSets {
			s.byName[set.Name] = set
		}
		for _, table := range s.snapshot.Tables {
			for rule := range table.Rules() {
				if u, ok := rule.Target().(*netfilter.UpdateSet); ok {
					s.update(u.Add)
					s.update(u.Del)
				}
			}
		}
	})
}

func (s *ipsets) update(ref *netfilter.SetRef) {
	if ref == nil || s.updated[ref.Name] {
		return
	}
	s.updated[ref.Name] = true
	if list := s.byName[ref.Name]; list != nil && list.Type == netfilter.ListSet {
		for _, e := range list.Elements() {
			s.updated[e.Member] = true
		}
	}
}

// find is the set of a name, nil if it was not captured.
func (s *ipsets) find(name string) *netfilter.IPSet {
	s.prepare()
	return s.byName[name]
}

// mayHaveChanged reports whether the packet may have changed a set on its way
// here.
func (s *ipsets) mayHaveChanged(set *netfilter.IPSet, p *packet) bool {
	return p.sets > 0 && s.updated[set.Name]
}
