package redact

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func draw(t *rapid.T, label string, like netip.Addr) netip.Addr {
	size := rapid.SampledFrom([]int{4, 16}).Draw(t, label+" size")
	bytes := rapid.SliceOfN(rapid.Byte(), size, size).Draw(t, label)
	if like.IsValid() {
		// Addresses that have nothing in common would test nothing.
		bytes = like.AsSlice()
		bit := rapid.IntRange(0, 8*len(bytes)-1).Draw(t, label+" bit")
		bytes[bit/8] ^= 1 << (7 - bit%8)
		if rapid.Bool().Draw(t, label+" end") {
			bytes[len(bytes)-1] ^= rapid.Byte().Draw(t, label+" last")
		}
	}
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

func common(a, b netip.Addr) int {
	n := 0
	for n < a.BitLen() && netip.PrefixFrom(a, n+1).Contains(b) {
		n++
	}
	return n
}

// Addresses that begin alike are replaced by addresses that begin alike, and
// others by others.
func TestPrefixesStay(t *testing.T) {
	r := New(testKey)
	rapid.Check(t, func(t *rapid.T) {
		a := draw(t, "a", netip.Addr{})
		b := draw(t, "b", a)
		if a.Is4In6() || b.Is4In6() || within(embedding, a) || within(embedding, b) {
			return // their last four bytes go by another measure
		}
		x, y := r.address(a), r.address(b)
		if common(a, b) != common(x, y) {
			t.Errorf("%s and %s share %d bits, %s and %s share %d", a, b, common(a, b), x, y, common(x, y))
		}
		for _, p := range append(append([]netip.Prefix{}, kept...), pinned...) {
			if p.Contains(a) != p.Contains(x) {
				t.Errorf("%s became %s, and %s holds one of them", a, x, p)
			}
		}
		if within(kept, a) && a != x {
			t.Errorf("%s became %s", a, x)
		}
		bits := rapid.IntRange(0, a.BitLen()).Draw(t, "bits")
		p := netip.PrefixFrom(a, bits).Masked()
		if n := r.network(p); n != n.Masked() || p.Contains(b) != n.Contains(y) || !n.Contains(x) {
			t.Errorf("%s became %s, with %s for %s and %s for %s", p, n, x, a, y, b)
		}
	})
}

// Another key gives other addresses.
func TestKeysDiffer(t *testing.T) {
	one, other := New(NewKey()), New(NewKey())
	same := 0
	for _, s := range []string{"10.96.0.1", "172.18.0.3", "203.0.113.9", "2001:db8::1", "fd00::1"} {
		a := netip.MustParseAddr(s)
		if one.address(a) == other.address(a) {
			same++
		}
	}
	if same == 5 {
		t.Error("two keys replace addresses by the same")
	}
}
