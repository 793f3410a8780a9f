package kubeproxy

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// NFTablesTable is the name of kube-proxy's own tables in nftables mode
// (pkg/proxy/nftables/proxier.go, kubeProxyTable).
const NFTablesTable = "kube-proxy"

// NFTablesServicesChain is the chain of such a table that sends packets to the
// chains of services (pkg/proxy/nftables/proxier.go, servicesChain).
const NFTablesServicesChain = "services"

// Evidence is a sign of a mode in a snapshot.
type Evidence struct {
	Mode Mode
	// Why names the sign: "chain KUBE-SVC-… in table nat, IPv4".
	Why string
	Pos source.Position
}

// Detect tells from what was captured how the node's kube-proxy works. Signs
// of several modes side by side are what a switch of modes leaves behind; then
// the mode is Mixed. Canary and hint chains are kubelet's and are no sign, and
// neither is KUBE-SERVICES alone, which several modes have.
func Detect(s *snapshot.Snapshot) (Mode, []Evidence) {
	var signs []Evidence
	seen := map[Mode]bool{}
	note := func(m Mode, why string, pos source.Position) {
		if !seen[m] {
			seen[m] = true
			signs = append(signs, Evidence{m, why, pos})
		}
	}
	for _, t := range s.Tables {
		if t.Backend == netfilter.Native {
			if t.Name == NFTablesTable {
				note(NFTables, "table "+t.Name+", "+t.Family.String(), t.Pos)
			}
			continue
		}
		for _, sign := range tableSigns(t) {
			if !seen[sign.mode] {
				note(sign.mode, "chain "+sign.chain.Name+" in table "+t.Name+", "+t.Family.String(), sign.chain.Pos())
			}
		}
	}
	for _, set := range s.IPSets {
		if IsIPVSSet(set.Name) && set.NumElements() > 0 {
			note(IPVS, "ipset "+set.Name, set.Pos)
		}
	}
	// Virtual servers alone can be somebody else's: where the rules show another
	// mode, they are no sign.
	if s.IPVS != nil && len(s.IPVS.Services()) > 0 && len(seen) == 0 {
		note(IPVS, "IPVS table", s.IPVS.Pos)
	}
	for _, src := range s.Sources {
		switch src.Format {
		case snapshot.NFTList, snapshot.NFTJSON:
			if slices.Contains(src.Tables, NFTablesTable) {
				note(NFTables, "table "+NFTablesTable, src.Pos)
			}
		}
	}
	switch len(seen) {
	case 0:
		if natIsWhole(s) {
			return NoMode, nil
		}
		return UnknownMode, nil
	case 1:
		return signs[0].Mode, signs
	}
	return Mixed, signs
}

// natIsWhole reports whether the snapshot holds the nat tables, and nothing that
// could hold kube-proxy's rules and is not read.
func natIsWhole(s *snapshot.Snapshot) bool {
	for _, src := range s.Sources {
		if src.Unbuilt && src.Format != snapshot.Manifests && src.Format != snapshot.Conntrack {
			return false
		}
	}
	found := false
	for _, t := range s.Tables {
		if t.Name == "nat" {
			found = true
			if !t.Complete {
				return false
			}
		}
	}
	return found
}

// modeChains are the chains without a hash in their names that one mode only
// writes.
var modeChains = map[string]Mode{
	// pkg/proxy/userspace/proxier.go
	"KUBE-PORTALS-CONTAINER": Userspace, "KUBE-PORTALS-HOST": Userspace,
	"KUBE-NODEPORT-CONTAINER": Userspace, "KUBE-NODEPORT-HOST": Userspace, "KUBE-NODEPORT-NON-LOCAL": Userspace,
	// pkg/proxy/ipvs/proxier.go
	"KUBE-NODE-PORT": IPVS, "KUBE-LOAD-BALANCER": IPVS, "KUBE-IPVS-FILTER": IPVS,
	"KUBE-LOAD-BALANCER-SOURCE-RANGE": IPVS, "KUBE-LOAD-BALANCER-FW": IPVS,
	// pkg/proxy/iptables/proxier.go
	NodePortsChain: IPTables, ExternalServicesChain: IPTables,
}

// A chainSign is a chain that a mode can be told by.
type chainSign struct {
	mode  Mode
	chain *netfilter.Chain
}

// tableSigns are the chains of a table that a mode can be told by, in the order
// of the input. Of those with a hash in their names, of which a large node has
// 100,000, the first is sign enough.
func tableSigns(t *netfilter.Table) []chainSign {
	var signs []chainSign
	for name, mode := range modeChains {
		if c := t.Chain(name); c != nil {
			signs = append(signs, chainSign{mode, c})
		}
	}
	if c := t.Chain(ServicesChain); c != nil {
		if mode, ok := modeOfServices(c); ok {
			signs = append(signs, chainSign{mode, c})
		}
	}
	for _, c := range t.Chains() {
		if kind, _ := ParseChainName(c.Name); kind != OtherChain {
			signs = append(signs, chainSign{IPTables, c})
			break
		}
	}
	slices.SortFunc(signs, func(a, b chainSign) int { return a.chain.Index() - b.chain.Index() })
	return signs
}

// modeOfServices tells the mode by what KUBE-SERVICES leads to. In iptables mode
// its rules in nat jump on to service chains or to KUBE-NODEPORTS; IPVS mode's
// match sets.
func modeOfServices(c *netfilter.Chain) (Mode, bool) {
	for r := range c.Rules() {
		if j, ok := r.Jump(); ok {
			if mode, ok := modeOfJump(j.Name); ok {
				return mode, true
			}
		}
	}
	return "", false
}

func modeOfJump(name string) (Mode, bool) {
	if kind, _ := ParseChainName(name); kind != OtherChain || name == NodePortsChain {
		return IPTables, true
	}
	if name == "KUBE-NODE-PORT" || name == "KUBE-LOAD-BALANCER" {
		return IPVS, true
	}
	return "", false
}
