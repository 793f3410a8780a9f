package inventory

import (
	"slices"
	"testing"

	"github.com/svcpath/svcpath/parsers/capture"
)

// TestBalancedServicesAreSorted holds the order of services against the one that
// is documented, for nodes of one family and of two.
func TestBalancedServicesAreSorted(t *testing.T) {
	for _, sample := range []string{"ipvs-service-zoo", "ipvs-myth2-loadbalancer", "nftables-service-zoo"} {
		s, err := capture.Open([]string{"sample:" + sample}, capture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		named, nameless := s.Cluster, *s
		nameless.Cluster = nil
		for _, cluster := range []bool{named != nil, false} {
			if !cluster {
				s = &nameless
			}
			if inv := Build(s, nil); len(inv.Services) == 0 || !slices.IsSortedFunc(inv.Services, compareServices) {
				t.Errorf("%s, with objects %t: the %d services are not in order", sample, cluster, len(inv.Services))
			}
		}
	}
}
