package drift

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A node is what was captured of this node, by service ports and by what
// clients dial.
type node struct {
	services map[name]*inventory.Service
	entries  map[dial]*inventory.Entry
	sides    map[netfilter.Family]*side
}

// A side is one family of the node's rules.
type side struct {
	captured bool
	// whole says that what the text lacks the node lacks as well.
	whole bool
	// refusals says so of the rules that refuse what has no endpoints.
	refusals bool
	// lossy says that the text does not show all of a rule.
	lossy bool
	// empty says that the text holds the family's table, and kube-proxy's
	// chains are not in it.
	empty bool
	// nodePorts says that node ports are to be had at some address.
	nodePorts bool
	filter    *netfilter.Table // nil for none; in iptables mode
	at        source.Position  // where its services stand
}

func (n *node) side(f netfilter.Family) *side { return n.sides[f] }

func readNode(s *snapshot.Snapshot, inv *inventory.Inventory) *node {
	n := &node{
		services: make(map[name]*inventory.Service, len(inv.Services)),
		entries:  make(map[dial]*inventory.Entry, 2*len(inv.Services)),
		sides:    map[netfilter.Family]*side{},
	}
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		switch inv.Mode {
		case kubeproxy.IPVS:
			n.sides[family] = ipvsSide(s)
		case kubeproxy.NFTables:
			n.sides[family] = nftablesSide(s, family)
		default:
			n.sides[family] = iptablesSide(s, family)
		}
	}
	for _, svc := range inv.Services {
		onNode := false
		for _, e := range svc.Entries {
			if !isOnNode(inv.Mode, e) {
				continue
			}
			onNode = true
			d := dialOf(e)
			if n.entries[d] == nil {
				n.entries[d] = e
			}
			if e.Kind == inventory.NodePort {
				n.sides[svc.Family].nodePorts = true
			}
		}
		if svc.Name != "" && (onNode || len(svc.Entries) == 0) {
			key := nameOf(svc)
			if n.services[key] == nil {
				n.services[key] = svc
			}
		}
	}
	return n
}

// isOnNode reports whether the node has an entry: in IPVS mode the inventory
// also holds those that only objects ask for.
func isOnNode(mode kubeproxy.Mode, e *inventory.Entry) bool {
	return mode != kubeproxy.IPVS || len(e.Virtual) > 0 || len(e.Elements) > 0
}

func nameOf(svc *inventory.Service) name {
	return name{svc.Namespace, svc.Name, svc.PortName, svc.Protocol, svc.Family}
}

func dialOf(e *inventory.Entry) dial {
	d := dial{protocol: e.Service.Protocol, port: e.Port, family: e.Service.Family}
	if e.Kind != inventory.NodePort && len(e.Addresses) > 0 {
		d.address = e.Addresses[0].Addr()
	}
	return d
}

func ipvsSide(s *snapshot.Snapshot) *side {
	if s.IPVS == nil {
		return &side{}
	}
	return &side{captured: true, whole: s.IPVS.IsWhole(), refusals: s.IPVS.IsWhole(), at: s.IPVS.Pos}
}

func nftablesSide(s *snapshot.Snapshot, family netfilter.Family) *side {
	for _, t := range s.Tables {
		if t.Family == family && t.Name == kubeproxy.NFTablesTable && t.Backend == netfilter.Native {
			return &side{captured: true, whole: t.Complete, refusals: t.Complete, at: t.Pos}
		}
	}
	return &side{}
}

// iptablesSide finds the tables that the inventory reads services from: of
// several back ends, that with more of kube-proxy's rules.
func iptablesSide(s *snapshot.Snapshot, family netfilter.Family) *side {
	var nat, filter *netfilter.Table
	most := -1
	for _, t := range s.Tables {
		if t.Family != family || t.Name != "nat" || t.Backend == netfilter.Native {
			continue
		}
		n := 0
		for _, chain := range []string{kubeproxy.ServicesChain, kubeproxy.NodePortsChain} {
			if c := t.Chain(chain); c != nil {
				n += c.NumRules()
			}
		}
		if n > most {
			nat, most = t, n
		}
	}
	if nat == nil {
		return &side{}
	}
	for _, t := range s.Tables {
		if t.Family == family && t.Name == "filter" && t.Backend != netfilter.Native &&
			(filter == nil || filter.Backend != nat.Backend && t.Backend == nat.Backend) {
			filter = t
		}
	}
	chain := nat.Chain(kubeproxy.ServicesChain)
	d := &side{
		captured: true, whole: nat.Complete && chain != nil, lossy: nat.Omits != 0, filter: filter, at: nat.Pos,
		empty:    nat.Complete && chain == nil,
		refusals: filter != nil && filter.Complete,
	}
	if chain != nil {
		d.at = chain.Pos()
	}
	if d.lossy {
		d.whole, d.empty = false, false
	}
	return d
}

// checkFamilies says once of a family that the node has no rules of
// kube-proxy's for, how many service ports the objects have in it.
func (c *checker) checkFamilies() {
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		side := c.node.side(family)
		if !side.empty {
			continue
		}
		side.captured = false // nothing more is to be said of it
		i := slices.IndexFunc(c.objects.ports, func(p *servicePort) bool { return p.family == family })
		if i < 0 {
			continue
		}
		n := 0
		for _, p := range c.objects.ports {
			if p.family == family {
				n++
			}
		}
		c.reportFamily(side, family, n, c.objects.ports[i])
	}
}
