package chaingraph

import "github.com/svcpath/svcpath/analyzer/netfilter"

// A Subgraph is the part of a graph that concerns some chains: what they lead
// to, and the ways from the base chains to them.
type Subgraph struct {
	Graph  *Graph
	chains []uint8 // bits by chain
	rules  map[*netfilter.Rule]bool
}

const (
	named   uint8 = 1 << iota // a rule that was asked for leads there
	reached                   // the chains that were asked for lead there
	onWay                     // leads to them, or is one of them
)

// Subgraph selects the chains that the roots lead to and those that lead to
// the roots; of the latter, only the rules on the way. rules are single rules
// to select as well, with the ways to their chains.
func (g *Graph) Subgraph(roots []*netfilter.Chain, rules []*netfilter.Rule) *Subgraph {
	s := &Subgraph{Graph: g, chains: make([]uint8, len(g.called)), rules: map[*netfilter.Rule]bool{}}
	var down, up []int32
	mark := func(queue *[]int32, i int32, bit uint8) {
		if s.chains[i]&bit == 0 {
			s.chains[i] |= bit
			*queue = append(*queue, i)
		}
	}
	for _, c := range roots {
		if i, ok := g.index(c); ok {
			mark(&down, i, reached)
			mark(&up, i, onWay)
		}
	}
	for _, r := range rules {
		i, ok := g.index(r.Chain())
		if !ok {
			continue
		}
		s.rules[r] = true
		mark(&up, i, onWay)
		if j, ok := r.Jump(); ok && j.Chain != nil { // a map leads to all services' chains
			s.chains[j.Chain.Index()] |= named
		}
	}
	for n := 0; n < len(down); n++ {
		for _, e := range g.out(down[n]) {
			if e.to != nowhere {
				mark(&down, e.to, reached)
			}
		}
	}
	for n := 0; n < len(up); n++ {
		for _, jump := range g.in(up[n]) {
			mark(&up, g.from(jump), onWay)
		}
	}
	return s
}

// Has reports whether the chain is selected.
func (s *Subgraph) Has(c *netfilter.Chain) bool {
	i, ok := s.Graph.index(c)
	return ok && s.chains[i] != 0
}

// HasRule reports whether the rule is selected: all rules of the chains that
// the roots lead to, of the other chains those that lead on to the roots.
func (s *Subgraph) HasRule(r *netfilter.Rule) bool {
	i, ok := s.Graph.index(r.Chain())
	if !ok || s.chains[i] == 0 {
		return false
	}
	if s.chains[i]&reached != 0 || s.rules[r] {
		return true
	}
	if s.chains[i]&onWay == 0 || s.Graph.LeavesOut(r) {
		return false
	}
	for j := range r.Jumps() {
		if s.leadsOn(j.Chain) {
			return true
		}
	}
	return false
}

// leadsOn reports whether a chain is on the way to those asked for.
func (s *Subgraph) leadsOn(c *netfilter.Chain) bool {
	return c != nil && s.chains[c.Index()]&onWay != 0
}

// Empty reports whether nothing is selected.
func (s *Subgraph) Empty() bool {
	for _, bits := range s.chains {
		if bits != 0 {
			return false
		}
	}
	return true
}
