package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// mostWarmed is the longest chain that warm looks ahead of.
const mostWarmed = 32

// warm reads a little of all chains that a chain jumps to before the walk goes
// through them one by one. On a large node the chains of a service's endpoints
// lie far apart in memory: followed one after another, each step waits for the
// one before to be fetched; asked for together, they are fetched together.
// Nothing depends on what is read.
func (w *walk) warm(chain *netfilter.Chain) {
	if n := chain.NumRules(); n < 3 || n > mostWarmed {
		return
	}
	var chains [mostWarmed]*netfilter.Chain
	var rules [2 * mostWarmed]*netfilter.Rule
	numChains, numRules, sum := 0, 0, 0
	for i := range chain.NumRules() {
		if j, ok := chain.Rule(i).Jump(); ok && j.Chain != nil {
			chains[numChains] = j.Chain
			numChains++
		}
	}
	for _, c := range chains[:numChains] {
		sum += c.NumRules()
	}
	for _, c := range chains[:numChains] {
		for i := range min(c.NumRules(), 2) {
			rules[numRules] = c.Rule(i)
			numRules++
		}
	}
	for _, r := range rules[:numRules] {
		sum += r.Number()
	}
	for _, r := range rules[:numRules] {
		if m := r.Matches(); len(m) > 0 {
			if a, ok := m[0].(*netfilter.Addr); ok {
				sum += int(a.Side)
			}
		}
		if d, ok := r.Target().(*netfilter.DNAT); ok && d.To().HasPorts {
			sum++
		}
	}
	w.warmed += sum
}
