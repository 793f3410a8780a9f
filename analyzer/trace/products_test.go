package trace

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Chances that are remembered are those that would be computed, also once there
// are more than is room for, and those of one service are computed once.
func TestProductsAreExact(t *testing.T) {
	var p products
	for n := range 3000 {
		m := &netfilter.Statistic{Probability: uint32(n%1000) << 20, Every: uint32(n % 7), Nth: n%3 == 0}
		hit, miss := p.oddsOf(m)
		if want := oddsOf(m); !hit.Equal(want) || !miss.Equal(want.complement()) {
			t.Fatalf("%v: %v and %v, want %v", m, hit, miss, want)
		}
		if got, want := p.times(hit, miss), hit.times(miss); !got.Equal(want) {
			t.Fatalf("%v times %v: %v, want %v", hit, miss, got, want)
		}
	}
	p = products{}
	deal := func() (all []Chance) {
		left := Certain
		for n := uint32(20); n > 1; n-- {
			hit, miss := p.oddsOf(&netfilter.Statistic{Probability: 1 << 31 / n})
			all = append(all, p.times(left, hit))
			left = p.times(left, miss)
		}
		return all
	}
	first, again := deal(), deal()
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("chance %d is computed twice", i)
		}
	}
}
