package trace_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// Packets of the node that pass output as one, though they may leave by either
// of two links, come to the same ends in the same ways as those that are routed
// first.
func TestUnroutedIsExact(t *testing.T) {
	same := func(t interface{ Fatalf(string, ...any) }, s *snapshot.Snapshot, flows []trace.Flow) {
		one, two := trace.New(s), trace.New(s).RoutedFirst()
		for _, f := range flows {
			got, err := one.Trace(f)
			if err != nil {
				t.Fatalf("%v", err)
			}
			want, err := two.Trace(f)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(slices.Concat(ends(want), paths(want)), slices.Concat(ends(got), paths(got))); diff != "" {
				t.Fatalf("%s to %s:%d (-routed first +unrouted):\n%s", f.Source, f.Destination, f.Port, diff)
			}
		}
	}
	t.Run("random rulesets", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			dump := drawDump(rt)
			if rapid.Bool().Draw(rt, "queue") { // a question about one very packet
				dump += save("*security\n-A OUTPUT -d 192.0.2.10/32 -j NFQUEUE --queue-num 1")
			}
			source := rapid.SampledFrom([]string{"192.0.2.10", ""}).Draw(rt, "source")
			var flows []trace.Flow
			for _, to := range []string{"192.0.2.10:80", "203.0.113.5:80", "10.1.0.5:81", "10.1.0.1:80/udp"} {
				flows = append(flows, flow(trace.FromNode, source, to))
			}
			same(rt, read(t, dump), flows)
		})
	})
	for _, name := range []string{"service-zoo", "nftables-service-zoo"} {
		t.Run(name, func(t *testing.T) {
			s := *sample(t, name)
			s.Addresses, s.Routes = nil, nil
			var flows []trace.Flow
			for _, to := range destinations(&s) {
				flows = append(flows, trace.Flow{From: trace.FromNode, Destination: to.address, Port: to.port, Protocol: to.protocol})
			}
			same(t, &s, flows)
		})
	}
}
