package iptablessave

import "github.com/svcpath/svcpath/analyzer/netfilter"

// inserts remembers for chains with "-I" rules at which place each rule was
// put, so that the chain's order can be made at the end, at once.
type inserts struct {
	chains []*netfilter.Chain
	// places are those of the rules in the order of the text, from 0; -1 for
	// a rule that was appended.
	places map[*netfilter.Chain][]int32
}

// add notes the rule that is gathered last, behind those the chain has.
func (in *inserts) add(c *netfilter.Chain, gathered int, insert bool, place int) {
	if !insert {
		return
	}
	if in.places == nil {
		in.places = map[*netfilter.Chain][]int32{}
	}
	places, known := in.places[c]
	if !known {
		in.chains = append(in.chains, c)
	}
	for len(places) < c.NumRules()+gathered-1 {
		places = append(places, -1)
	}
	in.places[c] = append(places, int32(max(place-1, 0)))
}

// apply puts the rules in order.
func (in *inserts) apply() {
	for _, c := range in.chains {
		places := in.places[c]
		for len(places) < c.NumRules() {
			places = append(places, -1)
		}
		c.Arrange(settlePlaces(places))
	}
}

// settlePlaces turns the place of each rule at the moment when it was inserted
// into its place in the end. The last rule's place is final; the one before it
// has the place that is left for it, and so on. A tree of counts finds the n-th
// place that is free.
func settlePlaces(places []int32) []int32 {
	n := len(places)
	free := make([]int32, n+1) // a Fenwick tree over the places
	for i := 1; i <= n; i++ {
		free[i] = int32(i & -i)
	}
	top := 1
	for top*2 <= n {
		top *= 2
	}
	final := make([]int32, n)
	for k := n - 1; k >= 0; k-- {
		rank := places[k]
		if rank < 0 || rank > int32(k) {
			rank = int32(k)
		}
		at := 0
		for step := top; step > 0; step /= 2 {
			if at+step <= n && free[at+step] <= rank {
				at += step
				rank -= free[at]
			}
		}
		final[k] = int32(at)
		for i := at + 1; i <= n; i += i & -i {
			free[i]--
		}
	}
	return final
}
