package snapshot_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// TestAddressIndex holds what an index says of addresses against a look at all of
// them, with and without it.
func TestAddressIndex(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	some := func() netip.Addr {
		a := netip.AddrFrom4([4]byte{[2]byte{10, 127}[r.IntN(2)], 0, byte(r.IntN(4)), byte(r.IntN(60))})
		switch r.IntN(6) {
		case 0:
			return netip.AddrFrom16(a.As16())
		case 1:
			return netip.Addr{}
		}
		return a
	}
	for range 400 {
		var list []snapshot.Address
		for range r.IntN(200) {
			if a := some(); a.IsValid() {
				list = append(list, snapshot.Address{Interface: []string{"", "lo", "eth0"}[r.IntN(3)], Prefix: netip.PrefixFrom(a, a.BitLen()-8*r.IntN(2))})
			}
		}
		if r.IntN(4) == 0 {
			list = slices.DeleteFunc(list, func(a snapshot.Address) bool { return a.Prefix.Addr().Is4() })
		}
		var once []snapshot.Address
		for _, a := range list {
			if !slices.Contains(once, a) {
				once = append(once, a)
			}
		}
		cut := r.IntN(3) == 0
		plain := &snapshot.Snapshot{Addresses: slices.Clone(once), AddressesCut: cut}
		indexed := &snapshot.Snapshot{Addresses: list, AddressesCut: cut}
		indexed.IndexAddresses()
		if !slices.Equal(indexed.Addresses, once) {
			t.Fatalf("%v, expected %v", indexed.Addresses, once)
		}
		changed := *indexed
		changed.Addresses = slices.Clone(once[:len(once)/2])
		for range 100 {
			a := some()
			for _, s := range []*snapshot.Snapshot{plain, indexed, &changed} {
				want, ok := a.IsLoopback(), a.IsLoopback()
				for _, own := range s.Addresses {
					want = want || own.Prefix.Addr() == a
					ok = ok || own.Prefix.Addr() == a || own.Prefix.Addr().Is4() == a.Is4() && !cut
				}
				if local, known := s.IsLocal(a); local != want || known != ok {
					t.Fatalf("%s is local in %v: %v, %v", a, s.Addresses, local, known)
				}
				x := s.AddressIndex()
				if n, want := x.Number(a), slices.IndexFunc(s.Addresses, func(own snapshot.Address) bool { return own.Prefix.Addr() == a }); n != want {
					t.Fatalf("%s is number %d of %v, expected %d", a, n, s.Addresses, want)
				}
				for _, device := range []string{"", "lo", "eth0", "eth1"} {
					want := slices.ContainsFunc(s.Addresses, func(own snapshot.Address) bool { return own.Prefix.Addr() == a && own.Interface == device })
					if x.On(device, a) != want {
						t.Fatalf("%s is on %q in %v: %v", a, device, s.Addresses, !want)
					}
				}
			}
		}
	}
}
