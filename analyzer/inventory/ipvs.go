package inventory

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A balancer reads the services of one family back as kube-proxy's IPVS mode
// leaves them: virtual servers, the sets that its rules ask, and the few rules
// that all services share. None of them names a service; the cluster's objects
// do where they are given.
type balancer struct {
	*builder
	table *ipvs.Table // nil when it was not captured
	// virtual is how many virtual servers of the family go by an address.
	virtual int
	sets    map[string]*netfilter.IPSet
	// loopBack and kinds are the sets of the family that are asked most.
	loopBack *netfilter.IPSet
	kinds    []*kindSet
	// addresses are those of the node, and of services, in the family. hasOwn
	// says that some are the node's, nodeAddressesKnown that all of its are
	// there but those of kube-ipvs0.
	addresses          addressUses
	hasOwn             bool
	nodeAddressesKnown bool

	// marking is KUBE-SERVICES, which entered leads to; refusing is
	// KUBE-IPVS-FILTER, and refusingFrom the rule of INPUT that leads there. nil
	// for none.
	marking, refusing *netfilter.Chain
	refusingFrom      *netfilter.Rule
	firewallRule      *firewallRule // nil until it is asked for
	walks             walks

	// alone says that the node shows no other mode: what the objects ask for is
	// to be found here, or nowhere.
	alone  bool
	claims map[dial][]claim
	// nodeName is what the objects call this node, nodeOf where they place
	// endpoints; "" and nil when they do not tell.
	nodeName string
	nodeOf   map[netip.Addr]string

	drafts ipvsDrafts
	order  []*ipvsDraft
	ranges map[dial][]netip.Prefix // of KUBE-LOAD-BALANCER-SOURCE-CIDR
	pools  *pools

	mismatches []Mismatch
	results    []*ipvsService
	places     []servicePlace // of results
	ports      []*ipvsDraft   // those of node ports that have virtual servers and are known to be such

	memory balancerMemory
}

// An addressUse is what an address is for.
type addressUse uint8

const (
	ownAddress     addressUse = 1 << iota // of an interface of the node
	nodeAddress                           // of one that is not kube-ipvs0
	serviceAddress                        // of kube-ipvs0, or of the set that lists services' addresses
	virtualAddress                        // of a virtual server; noted of the node's own
)

// addressUses are the uses of addresses: those of the node's by their numbers,
// which most are.
type addressUses struct {
	index  *snapshot.Addresses
	own    []addressUse // by number
	others map[netip.Addr]addressUse
}

func newAddressUses(s *snapshot.Snapshot) addressUses {
	return addressUses{index: s.AddressIndex(), own: make([]addressUse, len(s.Addresses)), others: map[netip.Addr]addressUse{}}
}

// of is 0 for an address that nobody uses.
func (u *addressUses) of(a netip.Addr) addressUse {
	if n := u.index.Number(a); n >= 0 {
		return u.own[n]
	}
	return u.others[a]
}

// ofVirtual is of, for the address of a virtual server. It notes that one has it.
func (u *addressUses) ofVirtual(a netip.Addr) addressUse {
	n := u.index.Number(a)
	if n < 0 {
		return u.others[a]
	}
	u.own[n] |= virtualAddress
	return u.own[n]
}

func (u *addressUses) add(a netip.Addr, use addressUse) {
	if n := u.index.Number(a); n >= 0 {
		u.own[n] |= use
	} else {
		u.others[a] |= use
	}
}

// balancerMemory is where what a balancer makes lies, and room for what it makes
// over and over.
type balancerMemory struct {
	drafts    room[ipvsDraft]
	services  room[ipvsService]
	members   room[*ipvsDraft]
	listed    room[*Entry]
	addresses room[netip.Prefix]
	elements  room[SetElement]
	paths     ipvsPaths

	client              client
	except              [4]netip.Prefix // for what its tests note
	masquerade, refusal ruleWalk
	path                []*netfilter.Rule
	found               []SetElement
}

// hasIPVS reports whether there is something to read.
func hasIPVS(s *snapshot.Snapshot, mode kubeproxy.Mode) bool {
	if mode == kubeproxy.IPVS {
		return true
	}
	return mode == kubeproxy.Mixed && (s.IPVS != nil || slices.ContainsFunc(s.IPSets, func(set *netfilter.IPSet) bool {
		return kubeproxy.IsIPVSSet(set.Name)
	}))
}

// remarkOnServers says which virtual servers are no entry of kube-proxy's.
func remarkOnServers(s *snapshot.Snapshot, inv *Inventory) {
	if s.IPVS == nil {
		return
	}
	others := []struct {
		is      func(*ipvs.VirtualServer) bool
		code    string
		message string
		first   *ipvs.VirtualServer
		n       int
	}{
		{is: func(v *ipvs.VirtualServer) bool { return v.Mark != 0 }, code: "virtual-server-by-mark",
			message: "virtual servers that go by a firewall mark are not kube-proxy's, and no entries are made of them"},
		{is: func(v *ipvs.VirtualServer) bool { _, ok := v.Key(); return !ok }, code: "virtual-server-by-name",
			message: "virtual servers whose address or port is a name, or cut off, cannot be told: ipvsadm -L -n prints numbers"},
	}
	if !hasIPVS(s, inv.Mode) {
		others = others[:1]
		others[0].is = func(*ipvs.VirtualServer) bool { return true }
		others[0].code = "virtual-servers-beside"
		others[0].message = "virtual servers stand beside rules of " + string(inv.Mode) + " mode: left behind by another mode, or somebody else's; " +
			"they take what comes to their addresses at INPUT, if the node has those"
	}
	for _, v := range s.IPVS.Services() {
		for i := range others {
			if o := &others[i]; o.is(v) {
				if o.n++; o.first == nil {
					o.first = v
				}
				break
			}
		}
	}
	for _, o := range others {
		if o.n > 0 {
			inv.Diagnostics = append(inv.Diagnostics, source.Diagnostic{
				Severity: source.Warning, Code: o.code, Pos: o.first.Pos(),
				Message: fmt.Sprintf("%s (%d, first %s)", o.message, o.n, o.first),
			})
		}
	}
}

// readIPVS adds the services of both families to the inventory.
func readIPVS(s *snapshot.Snapshot, graphOf func(*netfilter.Table) *chaingraph.Graph, inv *Inventory) {
	sets := make(map[string]*netfilter.IPSet, len(s.IPSets))
	for _, set := range s.IPSets {
		sets[set.Name] = set
	}
	for _, family := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		nat, _ := natOf(s, family)
		filter := filterOf(s, family, nat)
		b := newBalancer(s, family, nat, filter, graphOf, sets)
		b.alone = inv.Mode == kubeproxy.IPVS
		b.readNodes()
		b.claims = claimsOf(s, family)
		b.gather()
		b.group()
		b.judge()
		b.crossCheck()
		inv.Services = append(inv.Services, b.sorted()...)
		inv.Mismatches = append(inv.Mismatches, b.mismatches...)
		inv.Diagnostics = append(inv.Diagnostics, b.diagnostics...)
	}
}

func newBalancer(s *snapshot.Snapshot, family netfilter.Family, nat, filter *netfilter.Table, graphOf func(*netfilter.Table) *chaingraph.Graph, sets map[string]*netfilter.IPSet) *balancer {
	if nat == nil {
		nat = netfilter.NewTable(family, "nat")
	}
	b := &balancer{
		builder: &builder{snapshot: s, family: family, nat: nat, filter: filter, natGraph: graphOf(nat), filterGraph: graphOf(filter)},
		table:   s.IPVS, sets: sets,
		claims: map[dial][]claim{}, ranges: map[dial][]netip.Prefix{},
	}
	b.readMarks()
	b.readRules()
	b.loopBack = b.set(kubeproxy.LoopBackSet)
	if b.table != nil {
		for _, v := range b.table.Services() {
			if isEntry(v, family) {
				b.virtual++
			}
		}
	}
	b.pools = newPools(b.table, b.virtual/2) // an entry often has another's
	b.drafts = newIPVSDrafts(b.table, family)
	for _, k := range kindSets {
		b.kinds = append(b.kinds, newKindSet(b.set(k.name), k.kind, &b.drafts))
	}
	listed := b.set(kubeproxy.IPVSAddressesSet)
	b.addresses = newAddressUses(s)
	loopback := false
	for _, a := range s.Addresses {
		addr := a.Prefix.Addr()
		loopback = loopback || addr.IsLoopback()
		if ipvs.FamilyOf(addr) != family {
			continue
		}
		use := nodeAddress
		if a.Interface == kubeproxy.IPVSInterface {
			use = serviceAddress
		}
		b.addresses.add(addr, ownAddress|use)
		b.hasOwn = true
	}
	// "ip addr show eth0" leaves others out, loopback among them.
	b.nodeAddressesKnown = s.AddressesFrom == snapshot.FromIPAddr && !s.AddressesCut && loopback && b.hasOwn
	if listed != nil {
		for i := range listed.NumElements() {
			b.addresses.add(listed.ElementNet(i).Addr(), serviceAddress)
		}
	}
	if set := b.set(kubeproxy.SourceCIDRSet); set != nil {
		for _, e := range set.Elements() {
			d := dial{e.Nets[0].Addr(), e.Protocol, e.Ports.First}
			b.ranges[d] = append(b.ranges[d], e.Nets[1])
		}
	}
	return b
}

// set is one of kube-proxy's sets of the family, nil when it was not captured.
func (b *balancer) set(name string) *netfilter.IPSet {
	return b.sets[kubeproxy.SetName(name, b.family)]
}

// holds looks for a dial in one of kube-proxy's sets.
func (b *balancer) holds(name string, d dial) ternary {
	return has(b.set(name), d)
}

// has is holds, of which nobody asks for the elements.
func has(set *netfilter.IPSet, d dial) ternary {
	var room [4]SetElement
	_, answer := holds(set, d, room[:0])
	return answer
}

// holds looks for a dial in a set, and appends the elements that it finds:
// maybe when the set was not captured whole.
func holds(set *netfilter.IPSet, d dial, found []SetElement) (elements []SetElement, answer ternary) {
	if set == nil {
		return found, maybe
	}
	before := len(found)
	found = find(set, d, found)
	switch {
	case len(found) > before:
		return found, yes
	case set.Complete:
		return found, no
	}
	return found, maybe
}

// isLocal is Snapshot.IsLocal for the family, of an address with this use.
func (b *balancer) isLocal(a netip.Addr, use addressUse) (local, known bool) {
	local = use&ownAddress != 0 || a.IsLoopback()
	return local, b.hasOwn && (local || !b.snapshot.AddressesCut)
}

// onNode tells whether an address with this use is one of the node's own, those
// of kube-ipvs0 aside.
func (b *balancer) onNode(use addressUse) ternary {
	switch {
	case use&nodeAddress != 0:
		return yes
	case b.nodeAddressesKnown, use&serviceAddress != 0:
		return no
	}
	return maybe
}
