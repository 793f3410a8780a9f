package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// someServers are virtual servers of which many have the same real servers, and
// many others nearly the same.
func someServers(r *rand.Rand, n int) *ipvs.Table {
	t := &ipvs.Table{Complete: true}
	schedulers := []ipvs.Scheduler{"rr", "wrr", "sh", "lc", ""}
	for i := range n {
		v, _ := t.Add(ipvs.VirtualServer{
			Family: netfilter.IPv4, Protocol: netfilter.TCP, Address: netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}), Port: 80, PortKnown: true,
			Scheduler: schedulers[r.IntN(r.IntN(len(schedulers))+1)], Partial: r.IntN(20) == 0,
		})
		for range r.IntN(4) {
			s := ipvs.RealServer{
				Address: netip.AddrFrom4([4]byte{10, 128, 0, byte(r.IntN(3))}), Port: uint16(8000 + r.IntN(2)), PortKnown: r.IntN(20) > 0,
				Weight: uint32(1 - r.IntN(8)/7), WeightKnown: r.IntN(20) > 0,
			}
			switch r.IntN(30) {
			case 0:
				s.Address = netip.Addr{}
			case 1:
				s.Address = netip.AddrFrom16(s.Address.As16())
			case 2:
				s.Weight = 5
			}
			if r.IntN(20) == 0 {
				s.SetDetails(ipvs.Details{UpperThreshold: 3})
			}
			v.AddServer(s)
		}
	}
	return t
}

// all is all that a pool says.
func (p *pool) all() string {
	s := fmt.Sprint(p.scheduler, p.open, p.drained, p.weights)
	for _, e := range p.endpoints {
		s += fmt.Sprint(" ", e.Addr)
		if e.Probability != nil {
			s += " " + e.Probability.Rat().String()
		}
	}
	return s
}

// TestPools compares the pools of virtual servers that share them with pools
// that are read by themselves.
func TestPools(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 3))
	table := someServers(r, 3000)
	shared := newPools(table, 10)
	different := map[*pool]bool{}
	bySame := map[string]*pool{} // by their endpoints
	for i, v := range table.Services() {
		got, own := shared.pool(table.Services()[i:]), newPools(table, 0).read(v)
		if got.all() != own.all() {
			t.Fatalf("%s:\n%s, expected\n%s", v, got.all(), own.all())
		}
		if again := shared.pool([]*ipvs.VirtualServer{v}); again != got {
			t.Fatalf("%s has another pool when it is asked for again", v)
		}
		different[got] = true
		key := ""
		for _, e := range own.endpoints {
			key += e.Addr.String() + " "
		}
		switch same := shared.sameEndpoints(got); {
		case same == nil:
			if !own.open && key != "" {
				t.Fatalf("%s: its endpoints are known, and it is like no pool", v)
			}
		case own.open || key == "":
			t.Fatalf("%s: its endpoints are not known, and it is like %s", v, same.all())
		case bySame[key] == nil:
			bySame[key] = same
		case bySame[key] != same:
			t.Fatalf("%s: %s is not taken to be like %s", v, same.all(), bySame[key].all())
		}
	}
	seen := map[*pool]bool{}
	for _, p := range bySame {
		if seen[p] {
			t.Errorf("%s stands for other endpoints as well", p.all())
		}
		seen[p] = true
	}
	if n := len(different); n < 100 || n > len(table.Services())/2 {
		t.Errorf("%d pools of %d virtual servers: the test does not ask what it should", n, len(table.Services()))
	}
}

// TestPoolScopes asks pools for their endpoints in every scope.
func TestPoolScopes(t *testing.T) {
	table := someServers(rand.New(rand.NewPCG(1, 1)), 50)
	all := newPools(table, 0)
	for i := range table.Services() {
		p := all.pool(table.Services()[i:])
		for _, scope := range []Scope{"", ClusterScope, LocalScope, ClusterScope, ""} {
			want := slices.Clone(p.endpoints)
			for j := range want {
				want[j].Scope = scope
			}
			if got := p.in(scope); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("scope %q: %v, expected %v", scope, got, want)
			}
		}
	}
}

var someObject cluster.Service

// TestSortedServices compares the order by places with compareServices alone.
func TestSortedServices(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	kinds := []Kind{ClusterIP, NodePort, LoadBalancerIP, ExternalIP}
	for range 50 {
		b := &balancer{}
		for range 60 {
			svc := &ipvsService{}
			svc.Family, svc.Protocol, svc.Port = netfilter.IPv4, []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP}[r.IntN(3)], uint16(r.IntN(3))
			if r.IntN(4) == 0 {
				svc.Object, svc.Namespace, svc.Name = &someObject, "ns", string(rune('a'+r.IntN(3)))
			}
			e := &Entry{Kind: kinds[r.IntN(4)], Port: uint16(r.IntN(2))}
			for range r.IntN(3) {
				e.Addresses = append(e.Addresses, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(3))}), 32))
			}
			svc.Entries = []*Entry{e}
			b.places = append(b.places, b.place(&svc.Service))
		}
		var want []*Service
		for _, p := range b.places {
			want = append(want, p.service)
		}
		slices.SortStableFunc(want, compareServices)
		if !slices.Equal(b.sorted(), want) {
			t.Fatal("another order than that of compareServices")
		}
	}
}
