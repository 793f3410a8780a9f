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
	hashes := false // a chain's name has a hash
	for _, t := range s.Tables {
		if t.Backend == netfilter.Native {
			if t.Name == NFTablesTable {
				note(NFTables, "table "+t.Name+", "+t.Family.String(), t.Pos)
			}
			continue
		}
		for _, c := range t.Chains() {
			mode, ok := modeOfChain(c)
			if !ok && !hashes {
				// One such name is sign enough, and a large node has 100,000.
				kind, _ := ParseChainName(c.Name)
				hashes = kind != OtherChain
				mode, ok = IPTables, hashes
			}
			if ok && !seen[mode] {
				note(mode, "chain "+c.Name+" in table "+t.Name+", "+t.Family.String(), c.Pos())
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

// modeOfChain tells the mode that only writes such a chain, one without a hash
// in its name.
func modeOfChain(c *netfilter.Chain) (Mode, bool) {
	switch c.Name {
	case "KUBE-PORTALS-CONTAINER", "KUBE-PORTALS-HOST", "KUBE-NODEPORT-CONTAINER", "KUBE-NODEPORT-HOST", "KUBE-NODEPORT-NON-LOCAL":
		return Userspace, true // pkg/proxy/userspace/proxier.go
	case "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-IPVS-FILTER", "KUBE-LOAD-BALANCER-SOURCE-RANGE", "KUBE-LOAD-BALANCER-FW":
		return IPVS, true // pkg/proxy/ipvs/proxier.go
	case NodePortsChain, ExternalServicesChain:
		return IPTables, true
	case ServicesChain:
		// Both modes have it. In iptables mode its rules in nat jump on to
		// service chains or to KUBE-NODEPORTS; IPVS mode's match sets.
		for r := range c.Rules() {
			if j, ok := r.Jump(); ok {
				if mode, ok := modeOfJump(j.Name); ok {
					return mode, true
				}
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
