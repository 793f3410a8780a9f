package inventory

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An ipvsDraft is an entry in the making and, once its verdict is told, the Reason
// of it.
type ipvsDraft struct {
	dial
	entry   Entry
	claim   *claim // nil for none
	service *ipvsService
	alike   *ipvsDraft // the next of pool.clusterIPs
	// local tells whether the entry is under externalTrafficPolicy Local.
	local   ternary
	guessed bool
	reasons
}

// What the sets hold for kinds of entries. Of an entry that is in several, the
// first counts: kube-proxy asks the load balancers' set first.
var kindSets = []struct {
	name string
	kind Kind
}{
	{kubeproxy.LoadBalancerSet, LoadBalancerIP},
	{kubeproxy.LoadBalancerLocal, LoadBalancerIP},
	{kubeproxy.ClusterIPSet, ClusterIP},
	{kubeproxy.ExternalIPSet, ExternalIP},
	{kubeproxy.ExternalIPLocalSet, ExternalIP},
}

// A kindSet is a set of the family, nil when it was not captured, and the kind of
// entries that it holds.
type kindSet struct {
	set  *netfilter.IPSet
	kind Kind
	// entered are the elements that have an entry of this kind already, by their
	// numbers.
	entered []bool
}

func newKindSet(set *netfilter.IPSet, kind Kind) *kindSet {
	k := &kindSet{set: set, kind: kind}
	if set != nil {
		k.entered = make([]bool, set.NumElements())
	}
	return k
}

// tells reports whether the set tells that a dial is of its kind. The dial gets
// an entry for that.
func (k *kindSet) tells(d dial) bool {
	var room [4]SetElement
	found, in := holds(k.set, d, room[:0])
	for _, e := range found {
		if k.set.Type == netfilter.HashIPPort && k.set.IsExact(e.Number) || elementDial(k.set.Element(e.Number)) == d {
			k.entered[e.Number] = true
		}
	}
	return in == yes
}

// elementDial is an element of an address and a port.
func elementDial(e netfilter.IPSetElement) dial {
	return dial{e.Nets[0].Addr(), e.Protocol, e.Ports.First}
}

// gather collects entries: of virtual servers, of what the sets have besides,
// and of what the objects ask for besides.
func (b *balancer) gather() {
	if b.table != nil {
		b.order = make([]*ipvsDraft, 0, b.virtual)
		for _, v := range b.table.Services() {
			if v.Family == b.family && v.Mark == 0 && v.Address.IsValid() {
				b.addVirtual(v)
			}
		}
	}
	b.addFromSets()
	if b.alone {
		for _, d := range slices.SortedFunc(maps.Keys(b.claims), compareDials) {
			b.draft(d, b.claims[d][0].kind, false)
		}
	}
	for _, d := range b.order {
		b.addElements(d)
	}
}

func compareDials(x, y dial) int {
	if order := x.address.Compare(y.address); order != 0 {
		return order
	}
	if x.port != y.port {
		return int(x.port) - int(y.port)
	}
	return int(x.protocol) - int(y.protocol)
}

// draft is the entry of a dial, made when there is none. Once it is known what
// kind of entry it is, nobody's guess counts.
func (b *balancer) draft(d dial, kind Kind, assumed bool) *ipvsDraft {
	return b.draftAt(b.drafts.virtual(d), d, kind, assumed)
}

// draftOf is the entry of a virtual server.
func (b *balancer) draftOf(v *ipvs.VirtualServer, kind Kind, assumed bool) *ipvsDraft {
	d := dial{v.Address, v.Protocol, v.Port}
	if kind == NodePort {
		d.address = netip.Addr{}
	} else if _, hasKey := v.Key(); hasKey {
		return b.draftAt(v, d, kind, assumed)
	}
	return b.draft(d, kind, assumed)
}

// draftAt is draft, where the virtual server of the dial is known.
func (b *balancer) draftAt(v *ipvs.VirtualServer, d dial, kind Kind, assumed bool) *ipvsDraft {
	e := b.drafts.get(v, d)
	if e == nil {
		e = b.memory.drafts.one()
		e.dial, e.entry.Kind, e.entry.KindAssumed = d, kind, assumed
		e.claim = b.claimOf(d)
		b.drafts.put(v, e)
		b.order = append(b.order, e)
	} else if e.entry.KindAssumed && !assumed {
		e.entry.Kind, e.entry.KindAssumed = kind, false
	}
	return e
}

func (b *balancer) addVirtual(v *ipvs.VirtualServer) {
	kind, assumed := b.kindOf(dial{v.Address, v.Protocol, v.Port})
	e := b.draftOf(v, kind, assumed)
	if e.entry.Virtual == nil {
		n := v.Number() // most have one; it is the table's list
		e.entry.Virtual = b.table.Services()[n : n+1 : n+1]
		return
	}
	e.entry.Virtual = append(e.entry.Virtual, v)
}

// kindOf tells what a virtual server is for.
func (b *balancer) kindOf(d dial) (kind Kind, assumed bool) {
	if c := b.claimOf(d); c != nil {
		return c.kind, false
	}
	for _, k := range b.kinds {
		if k.tells(d) {
			return k.kind, false
		}
	}
	anywhere := dial{protocol: d.protocol, port: d.port}
	if b.onNode(d.address) != no {
		if b.claimOf(anywhere) != nil {
			return NodePort, false
		}
		if all, _ := kubeproxy.NodePortSets(d.protocol); all != "" {
			if b.holds(all, d) == yes {
				return NodePort, false
			}
		}
	}
	// Neither objects nor sets tell. A service's address is one of kube-ipvs0,
	// and node ports are usually of --service-node-port-range's default.
	const firstNodePort, lastNodePort = 30000, 32767
	inRange := d.port >= firstNodePort && d.port <= lastNodePort
	switch onNode := b.onNode(d.address); {
	case onNode == yes && !inRange:
		return ExternalIP, true
	case onNode != no && inRange:
		return NodePort, true
	}
	return ClusterIP, true
}

// addFromSets makes entries of set elements without a virtual server.
func (b *balancer) addFromSets() {
	for _, k := range b.kinds {
		if k.set == nil || k.set.Type != netfilter.HashIPPort {
			continue
		}
		for i, e := range k.set.Elements() {
			if !k.entered[i] {
				b.draft(elementDial(e), k.kind, false)
			}
		}
	}
	for _, protocol := range []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP} {
		name, _ := kubeproxy.NodePortSets(protocol)
		set := b.set(name)
		if set == nil {
			continue
		}
		for _, e := range set.Elements() {
			b.draft(dial{protocol: protocol, port: e.Ports.First}, NodePort, false)
		}
	}
}

// addElements finds the set elements of an entry, and by them its policy.
func (b *balancer) addElements(e *ipvsDraft) {
	var local ternary
	all := b.memory.found[:0]
	add := func(name string) (in ternary) {
		all, in = holds(b.set(name), e.dial, all)
		return in
	}
	switch e.entry.Kind {
	case ClusterIP:
		add(kubeproxy.ClusterIPSet)
		local = no
	case LoadBalancerIP:
		add(kubeproxy.LoadBalancerSet)
		local = add(kubeproxy.LoadBalancerLocal)
		add(kubeproxy.LoadBalancerFW)
	case ExternalIP:
		add(kubeproxy.ExternalIPSet)
		local = add(kubeproxy.ExternalIPLocalSet)
	case NodePort:
		name, locals := kubeproxy.NodePortSets(e.protocol)
		add(name)
		local = add(locals)
	}
	if n := len(all); n > 0 {
		e.entry.Elements = append(b.memory.elements.list(n), all...)
	}
	b.memory.found = all
	if local == maybe && e.claim != nil {
		local = ternaryOf(string(e.claim.service.ExternalPolicy) == string(Local))
	}
	e.local = local
}
