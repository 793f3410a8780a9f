package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// someServers are virtual servers of which many have the same real servers, and
// many others nearly the same. Most stand in a text.
func someServers(r *rand.Rand, n int) *ipvs.Table {
	t := &ipvs.Table{Complete: true}
	file, line := &source.File{Text: strings.Repeat("x\n", 4*n)}, 0
	next := func() source.Span {
		line++
		return source.Span{File: file, Offset: 2 * (line - 1), Len: 1, Line: line}
	}
	schedulers := []ipvs.Scheduler{"rr", "wrr", "sh", "lc", ""}
	for i := range n {
		v, _ := t.Add(ipvs.VirtualServer{
			Family: netfilter.IPv4, Protocol: netfilter.TCP, Address: netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}), Port: 80, PortKnown: true,
			Scheduler: schedulers[r.IntN(r.IntN(len(schedulers))+1)], Partial: r.IntN(20) == 0,
		})
		hasText := r.IntN(5) > 0
		if hasText {
			v.SetText(next())
		}
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
			if hasText {
				s.SetText(next())
			}
			v.AddServer(s)
		}
	}
	return t
}

// all is all that a pool says.
func (p *pool) all() string {
	s := fmt.Sprint(p.scheduler(), p.open, p.drained())
	for i, at := range p.order {
		weight, known := p.first.ServerWeight(int(at))
		s += fmt.Sprint(" ", p.addr(i), " ", weight, known)
		if share := p.share(i); share != nil {
			s += " " + share.Rat().String()
		}
	}
	return s
}

// saysOf is what a virtual server's pool is to say.
func saysOf(v *ipvs.VirtualServer) string {
	type taking struct {
		ipvs.RealServer
		share ipvs.Share
	}
	var list []taking
	var drained []netip.AddrPort
	open := v.Partial
	shares, certain := v.Shares()
	for i, s := range v.Servers() {
		switch takes, sure := s.Takes(); {
		case !s.Address.IsValid() || !s.PortKnown:
			open = true
		case sure && !takes:
			drained = append(drained, s.AddrPort())
		case certain:
			list = append(list, taking{s, shares[i]})
		default:
			list = append(list, taking{s, ipvs.Share{}})
		}
	}
	slices.SortStableFunc(list, func(a, b taking) int { return a.AddrPort().Compare(b.AddrPort()) })
	text := fmt.Sprint(v.Scheduler, open, drained)
	for _, s := range list {
		text += fmt.Sprint(" ", s.AddrPort(), " ", s.Weight, s.WeightKnown)
		if certain {
			text += " " + newRatio(s.share.Num, s.share.Den).Rat().String()
		}
	}
	return text
}

// TestPools compares the pools of virtual servers that share them with pools
// that are read by themselves, and both with what they are to say.
func TestPools(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 3))
	table := someServers(r, 3000)
	shared := newPools(table, 10)
	different := map[*pool]bool{}
	bySame := map[string]*pool{} // by their endpoints
	for i, v := range table.Services() {
		got, own := shared.pool(table.Services()[i:]), newPools(table, 0).read(v)
		if want := saysOf(v); got.all() != want || own.all() != want {
			t.Fatalf("%s:\n%s, by itself\n%s, expected\n%s", v, got.all(), own.all(), want)
		}
		if again := shared.pool([]*ipvs.VirtualServer{v}); again != got {
			t.Fatalf("%s has another pool when it is asked for again", v)
		}
		different[got] = true
		key := ""
		for i := range own.order {
			key += own.addr(i).String() + " "
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
			var want []Endpoint
			for i := range p.order {
				want = append(want, Endpoint{Addr: p.addr(i), Probability: p.share(i), Scope: scope})
			}
			list := p.in(scope)
			if got := list.List(); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
				t.Fatalf("scope %q: %v, expected %v", scope, got, want)
			}
			if list != p.in(scope) || p.len() > 0 && list == p.in(LocalScope) && scope != LocalScope || list.Len() != len(want) {
				t.Fatalf("scope %q: another list than before, or the same as in another scope", scope)
			}
			for i, e := range list.All() {
				if e != want[i] || list.At(i) != e || list.Probability(i) != e.Probability || list.Scope(i) != e.Scope {
					t.Fatalf("scope %q: %v at %d, expected %v", scope, e, i, want[i])
				}
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
			svc.Family, svc.Protocol, svc.Port = netfilter.IPv4, []uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP, netfilter.ICMP}[r.IntN(4)], uint16(r.IntN(3))
			if r.IntN(4) == 0 {
				svc.Object, svc.Namespace, svc.Name = &someObject, "ns", string(rune('a'+r.IntN(3)))
			}
			e := &Entry{Kind: kinds[r.IntN(4)], Port: uint16(r.IntN(2))}
			for range r.IntN(3) {
				a := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(3))})
				if r.IntN(8) == 0 {
					a = netip.AddrFrom16(a.As16())
				}
				e.Addresses = append(e.Addresses, netip.PrefixFrom(a, a.BitLen()))
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
