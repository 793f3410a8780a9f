package report

import (
	"iter"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// GraphOptions say which part of the chain graph GraphDOT, GraphMermaid and
// GraphJSON write.
type GraphOptions struct {
	// Service is "namespace/name": all ports of that service in all families,
	// what their chains lead to and the ways to them. "" is everything.
	Service string
}

// graphPart is what is written of one table.
type graphPart struct {
	*chaingraph.Graph
	only *chaingraph.Subgraph // nil for the whole table
	// Of a part: the service's chains, and the elements of maps that prove its
	// entries.
	own      map[*netfilter.Chain]bool
	elements map[graphElement]bool
}

// A graphElement is an element of a verdict map.
type graphElement struct {
	set    *netfilter.Set
	number int
}

func (p graphPart) has(c *netfilter.Chain) bool    { return p.only == nil || p.only.Has(c) }
func (p graphPart) hasRule(r *netfilter.Rule) bool { return p.only == nil || p.only.HasRule(r) }

// hasJump reports whether a jump is in the part. A map leads to all services'
// chains; only its elements for the service are.
func (p graphPart) hasJump(j chaingraph.Jump) bool {
	if j.Map == nil || p.only == nil {
		return p.hasRule(j.Rule)
	}
	return p.has(j.From) && p.hasElement(j.Map, j.Element, j.To)
}

// hasElement reports whether an element of a map that leads to the chain, nil
// for none, is in the part.
func (p graphPart) hasElement(set *netfilter.Set, number int, to *netfilter.Chain) bool {
	return p.only == nil || p.own[to] || p.elements[graphElement{set, number}]
}

// selectGraph finds the tables, and of each the part, that the options ask for.
func selectGraph(a *analyzer.Analysis, o GraphOptions) ([]graphPart, error) {
	var parts []graphPart
	if o.Service == "" {
		for _, g := range a.Graphs {
			parts = append(parts, graphPart{Graph: g})
		}
		return parts, nil
	}
	// What the inventory says of the service: its chains, and the rules that
	// prove its entries; a service without endpoints has only the latter.
	chains := map[*netfilter.Table][]*netfilter.Chain{}
	rules := map[*netfilter.Table][]*netfilter.Rule{}
	own, elements := map[*netfilter.Chain]bool{}, map[graphElement]bool{}
	known := false
	for _, s := range a.Inventory.Services {
		if s.NamespacedName() != o.Service {
			continue
		}
		known = true
		for c := range serviceChains(s) {
			chains[c.Table] = append(chains[c.Table], c)
			own[c] = true
		}
		for _, e := range s.Entries {
			for _, r := range e.Path {
				table := r.Chain().Table
				rules[table] = append(rules[table], r)
			}
			for _, m := range e.Mapped {
				elements[graphElement{m.Set, m.Number}] = true
			}
		}
	}
	if !known {
		return nil, unknownService(a.Inventory, o.Service)
	}
	for _, g := range a.Graphs {
		if len(chains[g.Table])+len(rules[g.Table]) > 0 {
			parts = append(parts, graphPart{Graph: g, only: g.Subgraph(chains[g.Table], rules[g.Table]), own: own, elements: elements})
		}
	}
	return parts, nil
}

// serviceChains runs over the service's own chains and those of its
// endpoints, with the class that they are drawn in.
func serviceChains(s *inventory.Service) iter.Seq2[*netfilter.Chain, graphClass] {
	return func(yield func(*netfilter.Chain, graphClass) bool) {
		for _, c := range []*netfilter.Chain{s.Chains.Service, s.Chains.External, s.Chains.Local, s.Chains.Firewall} {
			if c != nil && !yield(c, classService) {
				return
			}
		}
		endpoints := []inventory.Endpoints{s.Endpoints}
		for _, e := range s.Entries {
			endpoints = append(endpoints, e.Endpoints)
		}
		for _, list := range endpoints {
			for _, e := range list.All() {
				if e.Chain != nil && !yield(e.Chain, classEndpoint) {
					return
				}
			}
		}
	}
}
