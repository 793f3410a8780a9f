package kubeproxy

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// The signs of a table are those that a look at each of its chains finds: all
// chains of one mode only, and the first with a hash in its name.
func TestTableSigns(t *testing.T) {
	names := []string{"PREROUTING", "KUBE-FORWARD", "KUBE-SERVICES", "KUBE-SVC-FTMM2BQ6UZQ57VVJ", "KUBE-SEP-3YCNM7JYA3GRNSDC", "KUBE-SVC-short"}
	for name := range modeChains {
		names = append(names, name)
	}
	slices.Sort(names)
	rapid.Check(t, func(t *rapid.T) {
		table := netfilter.NewTable(netfilter.IPv4, "nat")
		var want []chainSign
		services, hashed := rapid.SampledFrom([]string{"", "KUBE-NODEPORTS", "KUBE-NODE-PORT", "KUBE-SEP-3YCNM7JYA3GRNSDC"}).Draw(t, "KUBE-SERVICES leads to"), false
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, len(names), rapid.ID).Draw(t, "chains") {
			c, _ := table.AddChain(name, source.Position{})
			if name == ServicesChain && services != "" {
				c.AddRule(netfilter.NewRule(source.Position{}, "", nil, []netfilter.Statement{table.Jump(services)}))
			}
			kind, _ := ParseChainName(name)
			switch mode, own := modeChains[name]; {
			case own:
				want = append(want, chainSign{mode, c})
			case name == ServicesChain && services == "KUBE-NODE-PORT":
				want = append(want, chainSign{IPVS, c})
			case name == ServicesChain && services != "":
				want = append(want, chainSign{IPTables, c})
			case kind != OtherChain && !hashed:
				hashed = true
				want = append(want, chainSign{IPTables, c})
			}
		}
		if got := tableSigns(table); !slices.Equal(got, want) {
			t.Errorf("signs %v, want %v", got, want)
		}
	})
}
