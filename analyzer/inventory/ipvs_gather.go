package inventory

import (
	"maps"
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
	use     addressUse // of the address
	// local tells whether the entry is under externalTrafficPolicy Local.
	local   ternary
	guessed bool
	reasons
}

// What the sets hold for kinds of entries. Of an entry that is in several, the
// first counts: kube-proxy asks the load balancers' set first.
var kindSets = [...]struct {
	name string
	kind Kind
}{
	loadBalancers:      {kubeproxy.LoadBalancerSet, LoadBalancerIP},
	localLoadBalancers: {kubeproxy.LoadBalancerLocal, LoadBalancerIP},
	clusterIPs:         {kubeproxy.ClusterIPSet, ClusterIP},
	externalIPs:        {kubeproxy.ExternalIPSet, ExternalIP},
	localExternalIPs:   {kubeproxy.ExternalIPLocalSet, ExternalIP},
}

// The places of those in balancer.kinds.
const (
	loadBalancers = iota
	localLoadBalancers
	clusterIPs
	externalIPs
	localExternalIPs
)

// A kindSet is a set of the family, nil when it was not captured, and the kind of
// entries that it holds.
type kindSet struct {
	set  *netfilter.IPSet
	kind Kind
	// entered are the elements that have an entry of this kind already, by their
	// numbers.
	entered []bool
	// of are the elements for virtual servers, by the numbers of those, from 1; 0
	// for none. It is nil where the set has to be asked.
	of []uint32
}

// newKindSet looks for the virtual servers of the elements, and not for the
// elements of the virtual servers: there are more of these, and for each of them
// every set would be asked, by more than one question.
func newKindSet(set *netfilter.IPSet, kind Kind, drafts *ipvsDrafts) *kindSet {
	k := &kindSet{set: set, kind: kind}
	if set == nil {
		return k
	}
	k.entered = make([]bool, set.NumElements())
	if set.Type != netfilter.HashIPPort || drafts.table == nil {
		return k
	}
	of := make([]uint32, len(drafts.table.Services()))
	for i := range set.NumElements() {
		if !set.IsExact(i) {
			return k
		}
		if v := drafts.virtual(elementDial(set, i)); v != nil && of[v.Number()] == 0 {
			of[v.Number()] = uint32(i) + 1
		}
	}
	k.of = of
	return k
}

// holds is holds of a dial and the virtual server with the key that it is, nil
// for none.
func (k *kindSet) holds(v *ipvs.VirtualServer, d dial, found []SetElement) (elements []SetElement, answer ternary) {
	if k.of == nil || v == nil {
		return holds(k.set, d, found)
	}
	switch n := k.of[v.Number()]; {
	case n != 0:
		return append(found, SetElement{k.set, int(n - 1)}), yes
	case k.set.Complete:
		return found, no
	}
	return found, maybe
}

// has is the answer that the set gives for all of some virtual servers, by their
// addresses and ports. known is false where the set has to be asked.
func (k *kindSet) has(virtual []*ipvs.VirtualServer) (answer ternary, known bool) {
	if k.of == nil || len(virtual) == 0 {
		return maybe, false
	}
	in := 0
	for _, v := range virtual {
		if k.of[v.Number()] != 0 {
			in++
		}
	}
	switch {
	case in == len(virtual):
		return yes, true
	case in == 0 && k.set.Complete:
		return no, true
	}
	return maybe, true
}

// tells reports whether the set tells that a dial is of its kind; v is as for
// holds. The dial gets an entry for that.
func (k *kindSet) tells(v *ipvs.VirtualServer, d dial) bool {
	var room [4]SetElement
	found, in := k.holds(v, d, room[:0])
	for _, e := range found {
		if k.set.Type == netfilter.HashIPPort && k.set.IsExact(e.Number) || elementDial(k.set, e.Number) == d {
			k.entered[e.Number] = true
		}
	}
	return in == yes
}

// elementDial is an element of an address and a port.
func elementDial(set *netfilter.IPSet, i int) dial {
	protocol, ports := set.ElementPorts(i)
	return dial{set.ElementNet(i).Addr(), protocol, ports.First}
}

// gather collects entries: of virtual servers, of what the sets have besides,
// and of what the objects ask for besides.
func (b *balancer) gather() {
	if b.table != nil {
		b.order = make([]*ipvsDraft, 0, b.virtual)
		for _, v := range b.table.Services() {
			if isEntry(v, b.family) {
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

// isEntry reports whether a virtual server makes an entry of a family. One with a
// name that is not resolved may be any.
func isEntry(v *ipvs.VirtualServer, family netfilter.Family) bool {
	return v.Family == family && v.Mark == 0 && v.Address.IsValid() && v.PortKnown
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
	var use addressUse
	if d.address.IsValid() {
		use = b.addresses.of(d.address)
	}
	return b.draftAt(b.drafts.virtual(d), d, use, kind, assumed)
}

// draftOf is the entry of a virtual server.
func (b *balancer) draftOf(v *ipvs.VirtualServer, use addressUse, kind Kind, assumed bool) *ipvsDraft {
	if kind == NodePort {
		return b.draft(dial{protocol: v.Protocol, port: v.Port}, kind, assumed)
	}
	return b.draftAt(v, dial{v.Address, v.Protocol, v.Port}, use, kind, assumed)
}

// draftAt is draft, where the virtual server of the dial and the use of its
// address are known.
func (b *balancer) draftAt(v *ipvs.VirtualServer, d dial, use addressUse, kind Kind, assumed bool) *ipvsDraft {
	e := b.drafts.get(v, d)
	if e == nil {
		e = b.memory.drafts.one()
		e.dial, e.use, e.entry.Kind, e.entry.KindAssumed = d, use, kind, assumed
		e.claim = b.claimOf(d)
		b.drafts.put(v, e)
		b.order = append(b.order, e)
	} else if e.entry.KindAssumed && !assumed {
		e.entry.Kind, e.entry.KindAssumed = kind, false
	}
	return e
}

func (b *balancer) addVirtual(v *ipvs.VirtualServer) {
	use := b.addresses.ofVirtual(v.Address)
	kind, assumed := b.kindOf(v, use)
	e := b.draftOf(v, use, kind, assumed)
	if e.entry.Virtual == nil {
		n := v.Number() // most have one; it is the table's list
		e.entry.Virtual = b.table.Services()[n : n+1 : n+1]
		return
	}
	e.entry.Virtual = append(e.entry.Virtual, v)
}

// kindOf tells what a virtual server is for, whose address has this use.
func (b *balancer) kindOf(v *ipvs.VirtualServer, use addressUse) (kind Kind, assumed bool) {
	d := dial{v.Address, v.Protocol, v.Port}
	if c := b.claimOf(d); c != nil {
		return c.kind, false
	}
	for _, k := range b.kinds {
		if k.tells(v, d) {
			return k.kind, false
		}
	}
	anywhere := dial{protocol: d.protocol, port: d.port}
	if b.onNode(use) != no {
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
	switch onNode := b.onNode(use); {
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
		for i, entered := range k.entered {
			if !entered {
				b.draft(elementDial(k.set, i), k.kind, false)
			}
		}
	}
	for _, protocol := range []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP} {
		name, _ := kubeproxy.NodePortSets(protocol)
		set := b.set(name)
		if set == nil {
			continue
		}
		for i := range set.NumElements() {
			_, ports := set.ElementPorts(i)
			b.draft(dial{protocol: protocol, port: ports.First}, NodePort, false)
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
	addOf := func(set int) (in ternary) {
		var v *ipvs.VirtualServer
		if len(e.entry.Virtual) > 0 {
			v = e.entry.Virtual[0]
		}
		all, in = b.kinds[set].holds(v, e.dial, all)
		return in
	}
	switch e.entry.Kind {
	case ClusterIP:
		addOf(clusterIPs)
		local = no
	case LoadBalancerIP:
		addOf(loadBalancers)
		local = addOf(localLoadBalancers)
		add(kubeproxy.LoadBalancerFW)
	case ExternalIP:
		addOf(externalIPs)
		local = addOf(localExternalIPs)
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
