package inventory

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// TestDrafts compares entries that are found by virtual servers with those that
// a map has, for virtual servers, sets' elements and node ports.
func TestDrafts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	kinds := []Kind{ClusterIP, NodePort, ExternalIP}
	address := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(8))}) }
	protocol := func() uint8 { return []uint8{netfilter.TCP, netfilter.UDP}[r.IntN(2)] }
	found := 0
	for range 200 {
		table := &ipvs.Table{}
		for range 20 {
			v := ipvs.VirtualServer{Family: netfilter.IPv4, Protocol: protocol(), Address: address(), Port: uint16(r.IntN(3)), PortKnown: true}
			table.Add(v)
		}
		b := &balancer{table: table, drafts: newIPVSDrafts(table, netfilter.IPv4), addresses: newAddressUses(&snapshot.Snapshot{})}
		known := map[dial]*ipvsDraft{}
		check := func(d dial, got *ipvsDraft) {
			if want := known[d]; want != nil {
				found++
				if got != want {
					t.Fatalf("%v has two entries", d)
				}
			} else if got.dial != d {
				t.Fatalf("%v gets the entry of %v", d, got.dial)
			}
			known[d] = got
		}
		for _, v := range table.Services() {
			d, kind := dial{v.Address, v.Protocol, v.Port}, kinds[r.IntN(3)]
			if kind == NodePort {
				d.address = netip.Addr{}
			}
			check(d, b.draftOf(v, 0, kind, true))
		}
		for range 60 {
			d := dial{address(), protocol(), uint16(r.IntN(4))}
			if r.IntN(4) == 0 {
				d.address = netip.Addr{}
			}
			check(d, b.draft(d, kinds[r.IntN(3)], false))
		}
		if len(b.order) != len(known) {
			t.Fatalf("%d entries for %d dials", len(b.order), len(known))
		}
	}
	if found < 1000 {
		t.Errorf("%d dials were asked for again: the test does not ask what it should", found)
	}
}

// TestEntered compares the entries that are made of elements, when those that
// told a virtual server's kind are left out, with those when none is. Some
// elements stand for several dials.
func TestEntered(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 6))
	address := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(16))}) }
	leftOut := 0
	for range 300 {
		table := &ipvs.Table{}
		for range 12 {
			table.Add(ipvs.VirtualServer{Family: netfilter.IPv4, Protocol: netfilter.TCP, Address: address(), Port: uint16(80 + r.IntN(3)), PortKnown: true})
		}
		var sets []*netfilter.IPSet
		for range kindSets {
			set := netfilter.NewIPSet("S", netfilter.HashIPPort, netfilter.IPv4)
			for range r.IntN(10) {
				first := uint16(80 + r.IntN(3))
				set.Add(netfilter.IPSetElement{
					Nets: [2]netip.Prefix{netip.PrefixFrom(address(), 32-r.IntN(8)/7*2)}, Protocol: netfilter.TCP,
					Ports: netfilter.PortRange{First: first, Last: first + uint16(r.IntN(8)/7)},
				})
			}
			sets = append(sets, set)
		}
		entries := func(all bool) (list []ipvsDraft) {
			b := &balancer{table: table, drafts: newIPVSDrafts(table, netfilter.IPv4), builder: &builder{}, addresses: newAddressUses(&snapshot.Snapshot{})}
			for i, k := range kindSets {
				b.kinds = append(b.kinds, newKindSet(sets[i], k.kind, &b.drafts))
			}
			for _, v := range table.Services() {
				b.addVirtual(v)
			}
			for _, k := range b.kinds {
				for i := range k.entered {
					if k.entered[i] {
						leftOut++
						k.entered[i] = !all
					}
				}
			}
			b.addFromSets()
			for _, e := range b.order {
				list = append(list, ipvsDraft{dial: e.dial, entry: Entry{Kind: e.entry.Kind, KindAssumed: e.entry.KindAssumed}})
			}
			return list
		}
		if got, want := entries(false), entries(true); !reflect.DeepEqual(got, want) {
			t.Fatalf("entries %v, expected %v", got, want)
		}
	}
	if leftOut < 1000 {
		t.Errorf("%d elements were left out: the test does not ask what it should", leftOut)
	}
}
