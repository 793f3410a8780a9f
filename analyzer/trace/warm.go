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
	if n := chain.NumRules(); n < 3 || n > mostWarmed || chain == w.lastWarmed {
		return
	}
	w.lastWarmed = chain
	// One thing of each is read at a time, in short loops: the processor
	// looks ahead a few hundred instructions.
	var jumps [mostWarmed]*netfilter.Jump
	var rules [2 * mostWarmed]*netfilter.Rule
	var sources [2 * mostWarmed]*netfilter.Addr
	var translations [2 * mostWarmed]*netfilter.DNAT
	numJumps, numRules, numSources, numTranslations, sum := 0, 0, 0, 0, 0
	for i := range chain.NumRules() {
		if j, ok := chain.Rule(i).Jump(); ok {
			jumps[numJumps] = j
			numJumps++
		}
	}
	for _, j := range jumps[:numJumps] {
		if j.Chain != nil {
			sum += j.Chain.NumRules()
		}
	}
	for _, j := range jumps[:numJumps] {
		if j.Chain != nil {
			for i := range min(j.Chain.NumRules(), 2) {
				rules[numRules] = j.Chain.Rule(i)
				numRules++
			}
		}
	}
	for _, r := range rules[:numRules] {
		sum += r.Number()
	}
	for _, r := range rules[:numRules] {
		if m := r.Matches(); len(m) > 0 {
			if a, ok := m[0].(*netfilter.Addr); ok {
				sources[numSources] = a
				numSources++
			}
		}
		if d, ok := r.Target().(*netfilter.DNAT); ok {
			translations[numTranslations] = d
			numTranslations++
		}
	}
	for i := range chain.NumRules() {
		if m := chain.Rule(i).Matches(); len(m) > 0 && m[0] != nil {
			sum++
		}
	}
	for _, a := range sources[:numSources] {
		sum += int(a.Side)
	}
	for _, d := range translations[:numTranslations] {
		if d.Flags().Random {
			sum++
		}
	}
	w.warmed += sum
}
