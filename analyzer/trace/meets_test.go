package trace_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/svcpath/svcpath/analyzer/trace"
	"pgregory.net/rapid"
)

// TestMeets holds Meets against Difference, over random rulesets and over all
// that the recordings answer on.
func TestMeets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dump := drawDump(rt)
		if rapid.Bool().Draw(rt, "node known") {
			dump += node
		}
		tracer := trace.New(read(t, dump))
		for _, f := range []trace.Flow{outside("192.0.2.10:80"), outside("10.1.0.5:81"), pod("203.0.113.5:80"), local("203.0.113.5:80")} {
			checkMeets(t, tracer, f)
		}
	})
	for _, name := range []string{"service-zoo", "ipvs-service-zoo", "nftables-service-zoo"} {
		s := sample(t, name)
		alone := *s
		alone.Addresses, alone.Routes = nil, nil
		tracer, knowsLess := trace.New(s), trace.New(&alone)
		for i, to := range destinations(s) {
			from := []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode}[i%3]
			f := trace.Flow{From: from, Destination: to.address, Port: to.port, Protocol: to.protocol}
			checkMeets(t, tracer, f)
			checkMeets(t, knowsLess, f)
		}
	}
}

// checkMeets tries expectations of which some are right, some nearly.
func checkMeets(t *testing.T, tracer *trace.Tracer, f trace.Flow) {
	t.Helper()
	tr, err := tracer.TraceOutcomes(f)
	if err != nil {
		t.Fatal(err)
	}
	var ends []netip.AddrPort
	for _, o := range tr.Outcomes {
		if o.Verdict == trace.DNAT && !slices.Contains(ends, o.Endpoint) {
			ends = append(ends, o.Endpoint)
		}
	}
	other := netip.MustParseAddrPort("10.9.9.9:9")
	yes, no := true, false
	for _, verdict := range []trace.Verdict{"", trace.DNAT, trace.Accept, trace.Drop, trace.Reject} {
		for _, endpoints := range [][]netip.AddrPort{nil, {}, ends, append([]netip.AddrPort{other}, ends...), ends[:len(ends)/2]} {
			for _, masquerade := range []*bool{nil, &yes, &no} {
				for _, with := range []string{"", "icmp-port-unreachable"} {
					e := trace.Expectation{Verdict: verdict, Endpoints: endpoints, Masquerade: masquerade, RejectWith: with}
					want := e.Difference(tr)
					settled, got, err := tracer.Meets(f, e)
					if err != nil || got != (want == "") || settled != tr.Flow {
						t.Fatalf("%+v, %+v: got %t, %v; the difference is %q of %d outcomes, %s", settled, e, got, err, want, len(tr.Outcomes), tr.Diagnostics)
					}
				}
			}
		}
	}
}
