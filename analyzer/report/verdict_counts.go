package report

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/inventory"
)

// verdictCounts are numbers of entries by verdict, in the order of verdicts.
type verdictCounts [len(verdicts)]int

// verdicts are all verdicts in the order in which text counts them.
var verdicts = [...]inventory.Verdict{
	inventory.JoinsClusterIP, inventory.SameBackends, inventory.Filtered, inventory.LocalEndpoints,
	inventory.NoEndpoints, inventory.DifferentBackends, inventory.Broken, inventory.Unknown, inventory.IsClusterIP,
}

// countVerdicts counts the verdicts of the cluster IPs, and of the others.
func countVerdicts(inv *inventory.Inventory) (clusterIPs, external verdictCounts) {
	for _, s := range inv.Services {
		for _, e := range s.Entries {
			if isExternal(e) {
				external.add(e.Verdict)
			} else {
				clusterIPs.add(e.Verdict)
			}
		}
	}
	return clusterIPs, external
}

func (c *verdictCounts) add(v inventory.Verdict) { c[slices.Index(verdicts[:], v)]++ }

func (c verdictCounts) of(v inventory.Verdict) int { return c[slices.Index(verdicts[:], v)] }

func (c verdictCounts) without(v inventory.Verdict) verdictCounts {
	c[slices.Index(verdicts[:], v)] = 0
	return c
}

func (c verdictCounts) total() int {
	total := 0
	for _, n := range c {
		total += n
	}
	return total
}
