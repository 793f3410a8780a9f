package inventory

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// A Mismatch is something that one of the kernel's lists has, and that another
// should have and lacks.
type Mismatch struct {
	Kind MismatchKind
	// Entry is the one that it concerns, nil for none.
	Entry   *Entry
	Virtual *ipvs.VirtualServer // nil for none
	Element SetElement          // its Set is nil for none
	Address netip.Addr          // that is missing, or too many; invalid for none
	Sets    []string            // that lack something
}

// A MismatchKind says what lacks what.
type MismatchKind uint8

// The kinds of mismatches.
const (
	_ MismatchKind = iota
	// UnownedVirtual is a virtual server that no Service given asks for.
	UnownedVirtual
	// VirtualWithoutSet is a virtual server that stands in no set.
	VirtualWithoutSet
	// SetWithoutVirtual is a set element that no virtual server stands for.
	SetWithoutVirtual
	// AddressMissing is an address of a service that the node does not have.
	AddressMissing
	// AddressLeft is an address on kube-ipvs0 that no virtual server has.
	AddressLeft
	// NodePortMissing is a node address at which one node port has no virtual
	// server and others do.
	NodePortMissing
)

// crossCheck compares the lists with one another, as far as no service shows it
// by itself.
func (b *balancer) crossCheck() {
	if b.table == nil {
		return
	}
	b.checkNodePorts()
	b.checkAddresses()
}

// crossCheckService compares what the lists have of a service's entries.
func (b *balancer) crossCheckService(svc *Service) {
	for _, entry := range svc.Entries {
		e, ok := entry.Reason.(*ipvsDraft)
		if !ok {
			continue
		}
		note := func(m Mismatch) {
			m.Entry = entry
			b.mismatches = append(b.mismatches, m)
		}
		switch {
		case len(e.entry.Virtual) == 0:
			if len(e.entry.Elements) > 0 && b.table.IsWhole() {
				note(Mismatch{Kind: SetWithoutVirtual, Element: e.entry.Elements[0]})
			}
			continue
		case b.hasObjects() && e.claim == nil:
			note(Mismatch{Kind: UnownedVirtual, Virtual: e.listed()[0]})
		}
		if entry.Kind == NodePort && !entry.KindAssumed {
			b.ports = append(b.ports, e)
		}
		if missing := b.missingSets(e); len(missing) > 0 {
			note(Mismatch{Kind: VirtualWithoutSet, Virtual: e.listed()[0], Sets: missing})
		}
		if e.why == notOnNode {
			note(Mismatch{Kind: AddressMissing, Virtual: e.listed()[0], Address: e.address})
		}
	}
}

// missingSets are the sets that should hold an entry and do not.
func (b *balancer) missingSets(e *ipvsDraft) []string {
	lacks := func(names ...string) []string {
		var missing []string
		for _, name := range names {
			named := kubeproxy.SetName(name, b.family)
			if slices.ContainsFunc(e.entry.Elements, func(in SetElement) bool { return in.Set.Name == named }) || has(b.sets[named], e.dial) != no {
				return nil
			}
			missing = append(missing, named)
		}
		return missing
	}
	switch e.entry.Kind {
	case LoadBalancerIP:
		return lacks(kubeproxy.LoadBalancerSet)
	case ExternalIP:
		return lacks(kubeproxy.ExternalIPSet, kubeproxy.ExternalIPLocalSet)
	case NodePort:
		all, _ := kubeproxy.NodePortSets(e.protocol)
		return lacks(all)
	}
	return lacks(kubeproxy.ClusterIPSet)
}

// checkNodePorts looks for addresses of the node that lack a node port which
// the others have.
func (b *balancer) checkNodePorts() {
	if !b.table.IsWhole() {
		return
	}
	used := map[netip.Addr]int{}
	for _, e := range b.ports {
		for _, v := range e.entry.Virtual {
			used[v.Address]++
		}
	}
	addresses := slices.SortedFunc(maps.Keys(used), netip.Addr.Compare)
	for _, e := range b.ports {
		if len(e.entry.Virtual) == len(addresses) {
			continue
		}
		for _, a := range addresses {
			has := slices.ContainsFunc(e.entry.Virtual, func(v *ipvs.VirtualServer) bool { return v.Address == a })
			if !has && 2*used[a] > len(b.ports) {
				b.mismatches = append(b.mismatches, Mismatch{Kind: NodePortMissing, Entry: &e.entry, Virtual: e.listed()[0], Address: a})
			}
		}
	}
}

// checkAddresses looks for addresses on kube-ipvs0 that no virtual server has:
// packets to them end at the node.
func (b *balancer) checkAddresses() {
	if !b.table.IsWhole() {
		return
	}
	for i, a := range b.snapshot.Addresses {
		if b.addresses.own[i]&virtualAddress != 0 {
			continue
		}
		addr := a.Prefix.Addr() // which another interface may have, that is the first of them
		if a.Interface == kubeproxy.IPVSInterface && ipvs.FamilyOf(addr) == b.family && !addr.IsLinkLocalUnicast() && b.addresses.of(addr)&virtualAddress == 0 {
			b.mismatches = append(b.mismatches, Mismatch{Kind: AddressLeft, Address: addr})
		}
	}
}
