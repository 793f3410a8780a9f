package trace_test

import (
	"net/netip"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

func TestDifference(t *testing.T) {
	yes, no := true, false
	ends := func(s ...string) []netip.AddrPort {
		list := []netip.AddrPort{}
		for _, one := range s {
			list = append(list, netip.MustParseAddrPort(one))
		}
		return list
	}
	sent := func(endpoint string, masquerade bool, assumed ...string) trace.Outcome {
		o := trace.Outcome{Verdict: trace.DNAT, Endpoint: netip.MustParseAddrPort(endpoint), Masquerade: masquerade}
		for _, text := range assumed {
			o.Assumptions = append(o.Assumptions, trace.Assumption{Text: text})
		}
		return o
	}
	a, b := sent("10.0.0.1:80", false), sent("10.0.0.2:80", false)
	drop := trace.Outcome{Verdict: trace.Drop}
	maybeDrop := trace.Outcome{Verdict: trace.Drop, Assumptions: []trace.Assumption{{Text: "-m bpf matches"}, {Text: "it rains"}}}
	reject := trace.Outcome{Verdict: trace.Reject, RejectWith: "tcp-reset"}
	tests := []struct {
		name   string
		found  []trace.Outcome
		expect trace.Expectation
		want   string
	}{
		{"as expected", []trace.Outcome{a, b}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.2:80", "10.0.0.1:80"), Masquerade: &no}, ""},
		{"only the verdict", []trace.Outcome{a, b}, trace.Expectation{Verdict: trace.DNAT}, ""},
		{"another verdict", []trace.Outcome{drop}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80"), Masquerade: &yes}, "expected dnat, found drop"},
		{"sent instead of dropped", []trace.Outcome{a, b}, trace.Expectation{Verdict: trace.Drop}, "expected drop, found dnat"},
		{"an endpoint too many", []trace.Outcome{a, b}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80")}, "endpoint 10.0.0.2:80 is not expected"},
		{"an endpoint too few", []trace.Outcome{a}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80", "10.0.0.2:80")}, "expected endpoint 10.0.0.2:80 gets nothing"},
		{"no endpoint expected", []trace.Outcome{a}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends()}, "endpoint 10.0.0.1:80 is not expected"},
		{"the verdict of one outcome", []trace.Outcome{a, maybeDrop}, trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80")},
			"expected dnat, found drop, assuming that -m bpf matches; and that it rains"},
		{"endpoints over all assumptions", []trace.Outcome{sent("10.0.0.1:80", false, "seen"), sent("10.0.0.2:80", false, "not seen")},
			trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80", "10.0.0.2:80")}, ""},
		{"an endpoint under an assumption", []trace.Outcome{a, sent("10.0.0.9:80", false, "seen")},
			trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.1:80")}, "endpoint 10.0.0.9:80 is not expected, assuming that seen"},
		{"masquerading", []trace.Outcome{sent("10.0.0.1:80", true)}, trace.Expectation{Verdict: trace.DNAT, Masquerade: &no}, "expected no masquerading, found it"},
		{"no masquerading", []trace.Outcome{a}, trace.Expectation{Verdict: trace.DNAT, Masquerade: &yes}, "expected masquerading, found none"},
		{"masquerading of a hairpin", []trace.Outcome{a, sent("10.0.0.2:80", true)}, trace.Expectation{Verdict: trace.DNAT, Masquerade: &no},
			"expected no masquerading, found it for some outcomes only, such as 10.0.0.2:80"},
		{"masquerading of all but one", []trace.Outcome{a, sent("10.0.0.2:80", true)}, trace.Expectation{Verdict: trace.DNAT, Masquerade: &yes},
			"expected masquerading, found none for some outcomes only, such as 10.0.0.1:80"},
		{"masquerade false of what is refused", []trace.Outcome{drop}, trace.Expectation{Verdict: trace.Drop, Masquerade: &no}, ""},
		{"another answer", []trace.Outcome{reject}, trace.Expectation{Verdict: trace.Reject, RejectWith: "icmp-port-unreachable"},
			"expected to be rejected with icmp-port-unreachable, found tcp-reset"},
		{"the answer", []trace.Outcome{reject}, trace.Expectation{Verdict: trace.Reject, RejectWith: "tcp-reset"}, ""},
		{"nobody knows", []trace.Outcome{{Verdict: trace.Unknown}}, trace.Expectation{Verdict: trace.Accept}, "expected accept, found unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.expect.Difference(&trace.Trace{Flow: trace.Flow{Protocol: netfilter.TCP}, Outcomes: tt.found})
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}

	// However much differs, it is told in a few words.
	var many []trace.Outcome
	for i := range 100 {
		many = append(many, trace.Outcome{Verdict: trace.DNAT, Endpoint: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i+1))})
	}
	got := trace.Expectation{Verdict: trace.DNAT, Endpoints: ends("10.0.0.2:80")}.Difference(&trace.Trace{Flow: trace.Flow{Protocol: netfilter.TCP}, Outcomes: many})
	if want := "endpoint 10.0.0.1:8 is not expected; and 93 more"; len(got) > 1000 || got[len(got)-len(want):] != want {
		t.Errorf("got %s", got)
	}
}
