package analyzer

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// coverageOf says what a snapshot lacks. Only what the mode's answers rest on
// counts.
func coverageOf(s *snapshot.Snapshot, mode kubeproxy.Mode) Coverage {
	var missing []Missing
	lacks := func(family netfilter.Family, what, affects, command string) {
		missing = append(missing, Missing{What: what, Affects: affects, Command: command, Family: family})
	}
	for _, src := range s.Sources {
		if src.Unbuilt && holdsRules(src.Format) {
			lacks(src.Family, fmt.Sprintf("what %s says (%s)", src.Pos, src.Format), "what only it tells: this format is recognised but not read yet", "")
		}
	}
	families := familiesOf(s)
	if len(missing) == 0 && len(s.Tables) == 0 && s.IPVS == nil && mode != kubeproxy.IPVS {
		lacks(netfilter.AnyFamily, "the node's rules", "every answer: nothing in the input says what the node does with packets",
			"iptables-save -c; ip6tables-save -c; nft list ruleset")
	}
	switch mode {
	case kubeproxy.NFTables:
		missing = append(missing, missingNFTables(s)...)
		families = nil // services do not stand in iptables' tables
	case kubeproxy.Mixed:
		if s.Table(netfilter.IPv4, kubeproxy.NFTablesTable) != nil || s.Table(netfilter.IPv6, kubeproxy.NFTablesTable) != nil {
			missing = append(missing, missingNFTables(s)...)
		}
	}
	for _, family := range families {
		save := "iptables-save -c"
		if family == netfilter.IPv6 {
			save = "ip6tables-save -c"
		}
		for _, name := range []string{"nat", "filter"} {
			affects := "every entry and where it leads"
			if name == "filter" {
				affects = "REJECT and DROP for services without endpoints, source ranges of load balancers, FORWARD's policy"
			}
			t := s.Table(family, name)
			switch {
			case t == nil:
				lacks(family, fmt.Sprintf("table %s, %s", name, family), affects, save)
			case !t.Complete:
				lacks(family, fmt.Sprintf("the whole of table %s, %s (the text holds a part)", name, family), affects, save)
			case t.Omits >= netfilter.OmitsOptions && t.NumRules() > 0:
				lacks(family, fmt.Sprintf("what nft leaves out of table %s, %s", name, family), "names of services, and rules for which nft has no words", save)
			}
		}
	}
	if len(families) == 1 {
		other, save := netfilter.IPv6, "ip6tables-save -c"
		if families[0] == netfilter.IPv6 {
			other, save = netfilter.IPv4, "iptables-save -c"
		}
		lacks(other, other.String()+" rules", "the other half of dual-stack services", save)
	}
	if mode == kubeproxy.IPVS {
		missing = append(missing, missingIPVS(s)...)
	}
	if s.Addresses == nil && mode != kubeproxy.NoMode {
		lacks(netfilter.AnyFamily, "the node's addresses", "which addresses node ports answer on, and what is local to the node", "ip addr")
	}
	if s.AddressesCut {
		lacks(netfilter.AnyFamily, "all of the node's addresses (the text that lists them is cut off)", "what is local to the node", "ip addr")
	}
	return Coverage{Complete: len(missing) == 0, Missing: missing}
}

// missingNFTables says what of kube-proxy's own tables is missing, and when
// iptables' are known only as nft lists them.
func missingNFTables(s *snapshot.Snapshot) []Missing {
	var missing []Missing
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		var own *netfilter.Table
		for _, t := range s.Tables {
			if t.Family == family && t.Name == kubeproxy.NFTablesTable && t.Backend == netfilter.Native {
				own = t
			}
		}
		what, affects := "", "every entry and where it leads"
		switch {
		case own == nil:
			what, affects = fmt.Sprintf("table %s, %s", kubeproxy.NFTablesTable, family), "the other half of dual-stack services"
		case !own.Complete:
			what = fmt.Sprintf("the whole of table %s, %s (the text holds a part)", kubeproxy.NFTablesTable, family)
		default:
			continue
		}
		missing = append(missing, Missing{What: what, Affects: affects, Command: "nft list ruleset", Family: family})
	}
	return missing
}

// missingIPVS says what IPVS mode spreads over other lists than the rules.
func missingIPVS(s *snapshot.Snapshot) []Missing {
	var missing []Missing
	lacks := func(what, affects, command string) {
		missing = append(missing, Missing{What: what, Affects: affects, Command: command, Family: netfilter.AnyFamily})
	}
	switch {
	case s.IPVS == nil:
		lacks("the IPVS table", "every entry and where it leads: in IPVS mode the rules only mark and filter", "ipvsadm-save -n")
	case !s.IPVS.Complete:
		lacks("the whole IPVS table (the text holds a part)", "entries that are not in the text", "ipvsadm-save -n")
	case s.IPVS.HasNames():
		lacks("the numbers that names in the IPVS table stand for", "entries that are not in the text by number", "ipvsadm-save -n")
	}
	if len(familiesOf(s)) == 0 {
		lacks("tables nat and filter", "whose packets are masqueraded, what is refused before it comes to IPVS", "iptables-save -c; ip6tables-save -c")
	}
	sets := map[string]*netfilter.IPSet{}
	for _, set := range s.IPSets {
		sets[set.Name] = set
	}
	const affects = "what entries are for, their traffic policy, whose packets are masqueraded, source ranges: the rules ask the sets (-m set)"
	if len(sets) == 0 {
		lacks("the ipsets", affects, "ipset save")
	}
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		name := kubeproxy.SetName(kubeproxy.ClusterIPSet, family)
		switch set := sets[name]; {
		case set != nil && !set.Complete:
			lacks("all elements of the ipset "+name, affects, "ipset save")
		case set == nil && len(sets) > 0 && (asks(s, name) || family == netfilter.IPv4 && len(familiesOf(s)) == 0):
			lacks("the ipsets, "+family.String(), affects, "ipset save")
		}
	}
	if s.Cluster == nil || len(s.Cluster.Services) == 0 {
		lacks("the cluster's Services", "names of services, and which external entry belongs to which cluster IP: nothing in IPVS mode holds a name",
			"kubectl get services,endpointslices,nodes -A -o yaml")
	}
	return missing
}

// asks reports whether a rule asks a set.
func asks(s *snapshot.Snapshot, name string) bool {
	for _, t := range s.Tables {
		if c := t.Chain(kubeproxy.ServicesChain); c != nil {
			for r := range c.Rules() {
				for _, m := range r.Matches() {
					if in, ok := m.(*netfilter.InSet); ok && in.Set.Name == name {
						return true
					}
				}
			}
		}
	}
	return false
}

// familiesOf are the families of which the snapshot holds a table.
func familiesOf(s *snapshot.Snapshot) []netfilter.Family {
	var families []netfilter.Family
	for _, f := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		for _, t := range s.Tables {
			if t.Family == f {
				families = append(families, f)
				break
			}
		}
	}
	return families
}

// holdsRules reports whether a format says what the node does with packets.
// Cluster objects, routes and connections say other things, on which no answer
// about chains rests.
func holdsRules(f snapshot.Format) bool {
	switch f {
	case snapshot.Manifests, snapshot.IPRoute, snapshot.IPRouteJSON, snapshot.Conntrack:
		return false
	}
	return true
}
