package inventory

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// Build reads the services back from a snapshot's rules; graphs are those of
// its tables. A snapshot without rules of kube-proxy's iptables mode, without
// the lists of its IPVS mode and without the table of its nftables mode gives
// an inventory without services.
func Build(s *snapshot.Snapshot, graphs []*chaingraph.Graph) *Inventory {
	inv := &Inventory{}
	graphOf := func(t *netfilter.Table) *chaingraph.Graph {
		for _, g := range graphs {
			if g.Table == t {
				return g
			}
		}
		if t == nil {
			return nil
		}
		return chaingraph.Build(t)
	}
	inv.Mode, inv.Diagnostics = modeRemarks(s)
	remarkOnServers(s, inv)
	if hasIPVS(s, inv.Mode) {
		readIPVS(s, graphOf, inv)
	}
	balanced := inv.Services // sorted by family
	readNFTables(s, graphOf, inv)
	if inv.Mode == kubeproxy.IPVS || inv.Mode == kubeproxy.NFTables {
		if n := len(balanced); n < len(inv.Services) || n > 0 && balanced[0].Family != balanced[n-1].Family {
			slices.SortStableFunc(inv.Services, compareServices)
		}
		return inv
	}
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		nat, others := natOf(s, family)
		filter := filterOf(s, family, nat)
		if nat == nil && filter == nil {
			continue
		}
		for _, other := range others {
			inv.Diagnostics = append(inv.Diagnostics, source.Diagnostic{
				Severity: source.Warning, Code: "two-back-ends", Pos: other.Pos,
				Message: "table nat, " + family.String() + ", stands in two back ends (" + nat.Backend.String() + " and " + other.Backend.String() +
					"), and both hold kube-proxy's chains; services are read from the first only",
			})
		}
		if nat == nil {
			nat = netfilter.NewTable(family, "nat")
		}
		services, diagnostics := readIPTables(s, nat, filter, graphOf)
		inv.Services = append(inv.Services, services...)
		inv.Diagnostics = append(inv.Diagnostics, diagnostics...)
	}
	slices.SortStableFunc(inv.Services, compareServices)
	return inv
}

// natOf picks the nat table that kube-proxy writes: of several back ends the
// one with more rules of its chains. The others that hold such chains too are
// leftovers, or the node runs two.
func natOf(s *snapshot.Snapshot, family netfilter.Family) (nat *netfilter.Table, others []*netfilter.Table) {
	var all []*netfilter.Table
	for _, t := range s.Tables {
		if t.Family == family && t.Name == "nat" && t.Backend != netfilter.Native {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(all, func(a, b *netfilter.Table) int { return serviceRules(b) - serviceRules(a) })
	for _, t := range all[1:] {
		if serviceRules(t) > 0 {
			others = append(others, t)
		}
	}
	return all[0], others
}

func serviceRules(t *netfilter.Table) int {
	n := 0
	for _, name := range []string{kubeproxy.ServicesChain, kubeproxy.NodePortsChain} {
		if c := t.Chain(name); c != nil {
			n += c.NumRules()
		}
	}
	return n
}

// filterOf picks the filter table of nat's back end.
func filterOf(s *snapshot.Snapshot, family netfilter.Family, nat *netfilter.Table) *netfilter.Table {
	var best *netfilter.Table
	for _, t := range s.Tables {
		if t.Family != family || t.Name != "filter" || t.Backend == netfilter.Native {
			continue
		}
		if best == nil || nat != nil && best.Backend != nat.Backend && t.Backend == nat.Backend {
			best = t
		}
	}
	return best
}
