package flows_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/cmd/svcpath/internal/flows"
)

var addresses = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmpopts.IgnoreFields(source.Position{}, "File"),
}

func TestRead(t *testing.T) {
	const file = `# a comment
flows:
- name: outside to NodePort
  from: external
  source: 203.0.113.9
  destination: 172.18.0.3
  port: 32000
  protocol: tcp
  inInterface: eth0
  sourcePort: 40000
  state: NEW
  expect: &same
    verdict: dnat
    endpoints: [192.168.1.100:8080, "[fd00::1]:80"]
    masquerade: true
- {destination: "fd00:10:96::a", port: 53, protocol: UDP, source: any, state: established}
- destination: 10.0.0.1
  protocol: 1
  expect: {verdict: dnat, endpoints: [10.0.0.2]}
- destination: ::ffff:10.0.0.1
  port: 80
  expect: *same
- destination: 10.0.0.1
  port: 80
  expect: {verdict: reject, rejectWith: tcp-reset, masquerade: false}
`
	yes, no := true, false
	same := &trace.Expectation{
		Verdict: trace.DNAT, Masquerade: &yes,
		Endpoints: []netip.AddrPort{netip.MustParseAddrPort("192.168.1.100:8080"), netip.MustParseAddrPort("[fd00::1]:80")},
	}
	want := []flows.Flow{
		{
			Flow: trace.Flow{
				Name: "outside to NodePort", From: trace.FromExternal, Source: netip.MustParseAddr("203.0.113.9"),
				Destination: netip.MustParseAddr("172.18.0.3"), Port: 32000, Protocol: netfilter.TCP, InInterface: "eth0",
				SourcePort: 40000, State: netfilter.StateNew,
			},
			Expect: same, Pos: source.Position{Line: 3},
		},
		{
			Flow: trace.Flow{
				Destination: netip.MustParseAddr("fd00:10:96::a"), Port: 53, Protocol: netfilter.UDP, State: netfilter.StateEstablished,
			},
			AnySource: true, Pos: source.Position{Line: 16},
		},
		{
			Flow:   trace.Flow{Destination: netip.MustParseAddr("10.0.0.1"), Protocol: netfilter.ICMP},
			Expect: &trace.Expectation{Verdict: trace.DNAT, Endpoints: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), 0)}},
			Pos:    source.Position{Line: 17},
		},
		{
			Flow:   trace.Flow{Destination: netip.MustParseAddr("10.0.0.1"), Port: 80, Protocol: netfilter.TCP},
			Expect: same, Pos: source.Position{Line: 20},
		},
		{
			Flow:   trace.Flow{Destination: netip.MustParseAddr("10.0.0.1"), Port: 80, Protocol: netfilter.TCP},
			Expect: &trace.Expectation{Verdict: trace.Reject, RejectWith: "tcp-reset", Masquerade: &no}, Pos: source.Position{Line: 23},
		},
	}
	got, err := flows.Read("flows.yaml", file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, addresses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadErrors(t *testing.T) {
	tests := []struct {
		name, file string
		want       []string
	}{
		{"empty", "", []string{"f: the file is empty, expected flows"}},
		{"only a comment", "# nothing\n", []string{"f: the file is empty, expected flows"}},
		{"no YAML", "flows: [", []string{"f: no YAML: line 1: did not find expected node content"}},
		{"a list", "- a\n", []string{"f:1: a list, expected a mapping with the key flows"}},
		{"no flows", "x: 1\n", []string{`f:1: unknown key "x", expected flows`}},
		{"flows twice", "flows: []\nflows: []\n", []string{"f:2: key flows stands there twice", "f:1: no flows: the list is empty"}},
		{"an empty list", "flows: []\n", []string{"f:1: no flows: the list is empty"}},
		{"no list", "flows: x\n", []string{`f:1: flows is "x", expected a list`}},
		{"two documents", "flows: []\n---\nflows: []\n", []string{"f: line 2: a second document, expected one"}},
		{"an alias in itself", "flows: &a\n- *a\n", []string{"f:1: flow 1: a list, expected a flow: a mapping"}},
		{
			"everything that a flow can have wrong",
			`flows:
- name: bad
  from: outside
  source: 10.0.0.300
  destination: web.example
  port: 65536
  protocol: tpc
  inInterface: a/b
  sourcePort: 0
  state: OLD
  dport: 80
  expect:
    verdict: maybe
    endpoints: 10.0.0.1:80
    masquerade: sometimes
    ok: true
`,
			[]string{
				`f:3: flow "bad": from "outside": expected external, pod or node`,
				`f:4: flow "bad": source "10.0.0.300": expected an IPv4 or IPv6 address`,
				`f:5: flow "bad": destination "web.example": expected an IPv4 or IPv6 address`,
				`f:6: flow "bad": port "65536": expected a port from 1 to 65535`,
				`f:7: flow "bad": protocol "tpc": expected tcp, udp, sctp, icmp, ipv6-icmp or a number from 1 to 255`,
				`f:8: flow "bad": inInterface "a/b": expected the name of an interface, up to 15 bytes`,
				`f:9: flow "bad": sourcePort "0": expected a port from 1 to 65535`,
				`f:10: flow "bad": state "OLD": expected one of NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED`,
				`f:11: flow "bad": unknown key "dport", expected one of destination, expect, from, inInterface, name, port, protocol, source, sourcePort, state`,
				`f:13: flow "bad": verdict "maybe": expected dnat, accept, reject or drop`,
				`f:14: flow "bad": endpoints is "10.0.0.1:80", expected a list such as [10.0.0.1:80]`,
				`f:15: flow "bad": masquerade is "sometimes", expected true or false`,
				`f:16: flow "bad": unknown key "ok", expected one of endpoints, masquerade, rejectWith, verdict`,
			},
		},
		{
			"wrong shapes", "flows:\n- x\n- destination: [10.0.0.1]\n  name: {}\n  port:\n- {}\n- destination: 10.0.0.1\n  expect: drop\n- destination: 10.0.0.1\n  ? [a]\n  : b\n",
			[]string{
				`f:2: flow 1: "x", expected a flow: a mapping`,
				`f:3: flow 2: destination is a list, expected a single value`,
				`f:4: flow 2: name is a mapping, expected a text`,
				`f:5: flow 2: port is empty, expected a single value`,
				`f:6: flow 3: no destination`,
				`f:8: flow 4: "drop", expected a mapping with the key verdict`,
				`f:10: flow 5: unknown key that is a list, expected one of destination, expect, from, inInterface, name, port, protocol, source, sourcePort, state`,
			},
		},
		{
			"expectations that contradict themselves", `flows:
- {destination: 10.0.0.1, expect: {}}
- {destination: 10.0.0.1, expect: {verdict: drop, endpoints: [10.0.0.1:80]}}
- {destination: 10.0.0.1, expect: {verdict: drop, rejectWith: tcp-reset}}
- {destination: 10.0.0.1, expect: {verdict: drop, masquerade: true}}
- {destination: 10.0.0.1, expect: {verdict: dnat, endpoints: [10.0.0.1:80, 10.0.0.1:80, 10.0.0.1, "[10.0.0.1]:80", 10.0.0.1:0]}}
- {destination: 10.0.0.1, protocol: icmp, expect: {verdict: dnat, endpoints: [10.0.0.1:80]}}
`,
			[]string{
				"f:2: flow 1: expect has no verdict",
				"f:3: flow 2: endpoints are expected of verdict dnat, not of drop",
				"f:4: flow 3: rejectWith is expected of verdict reject, not of drop",
				"f:5: flow 4: masquerade: a packet with verdict drop is never masqueraded",
				`f:6: flow 5: endpoint "10.0.0.1:80" stands there twice`,
				`f:6: flow 5: endpoint "10.0.0.1": expected an address and a port such as 10.0.0.1:80 or [fd00::1]:80`,
				`f:6: flow 5: endpoint "[10.0.0.1]:80": expected an address and a port such as 10.0.0.1:80 or [fd00::1]:80`,
				`f:6: flow 5: endpoint "10.0.0.1:0": expected an address and a port such as 10.0.0.1:80 or [fd00::1]:80`,
				`f:7: flow 6: endpoint "10.0.0.1:80": expected an IPv4 or IPv6 address`,
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := flows.Read("f", tt.file)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(tt.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	var endpoints strings.Builder
	for port := range 60_000 {
		fmt.Fprintf(&endpoints, "10.0.0.1:%d,", port+1)
	}
	tests := []struct{ name, file, want string }{
		{"bytes", strings.Repeat("#", flows.MaxBytes+1), "f: 16777217 bytes, more than the 16777216 that are read"},
		{"flows", "flows: [" + strings.Repeat("{},", flows.MaxFlows+1) + "]", "f:1: 100001 flows, more than the 100000 that are read"},
		{"endpoints by alias", "flows:\n- {destination: 10.0.0.1, expect: {verdict: dnat, endpoints: &e [" + endpoints.String() + "]}}\n" +
			strings.Repeat("- {destination: 10.0.0.1, expect: {verdict: dnat, endpoints: *e}}\n", 20), "flow 21: more than the 1000000 endpoints that are read of a file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := flows.Read("f", tt.file)
			if err == nil || !strings.HasSuffix(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", fmt.Sprintf("%.300v", err), tt.want)
			}
		})
	}
}

func TestParseTarget(t *testing.T) {
	tests := []struct{ in, want string }{
		{"10.0.0.1:80", "10.0.0.1:80 tcp"},
		{"10.0.0.1:53/udp", "10.0.0.1:53 udp"},
		{"10.0.0.1:53/17", "10.0.0.1:53 udp"},
		{"10.0.0.1:3868/SCTP", "10.0.0.1:3868 sctp"},
		{"[fd00::1]:80", "[fd00::1]:80 tcp"},
		{"[::ffff:10.0.0.1]:80", "10.0.0.1:80 tcp"},
		{"10.0.0.1/icmp", "10.0.0.1:0 icmp"},
		{"fd00::1/icmpv6", "[fd00::1]:0 ipv6-icmp"},
		{"[fd00::1]/ipv6-icmp", "[fd00::1]:0 ipv6-icmp"},
		{"10.0.0.1", "no port: expected ADDR:PORT for tcp"},
		{"fd00::1:80", "no port: expected [ADDR]:PORT for tcp"},
		{"10.0.0.1:80/icmp", "port 80: icmp has no ports, expected ADDR/icmp"},
		{"10.0.0.1:80/http", `protocol "http": expected tcp, udp, sctp, icmp, ipv6-icmp or a number from 1 to 255`},
		{"10.0.0.1:80/0", `protocol "0": expected tcp, udp, sctp, icmp, ipv6-icmp or a number from 1 to 255`},
		{"10.0.0.1:0", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
		{"10.0.0.1:65536", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
		{"10.0.0.300:80", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
		{"[fe80::1%eth0]:80", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
		{"[10.0.0.1]:80", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
		{"", "expected an address and a port from 1 to 65535, such as 10.0.0.1:80 or [fd00::1]:80"},
	}
	for _, tt := range tests {
		to, protocol, err := flows.ParseTarget(tt.in)
		got := fmt.Sprint(to, " ", netfilter.ProtocolName(protocol))
		if err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.in, got, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("flows:\n- name: a\n  from: pod\n  source: any\n  destination: 10.0.0.1\n  port: 80\n  expect: &e\n    verdict: dnat\n    endpoints: [10.0.0.1:80]\n    masquerade: true\n- destination: fd00::1\n  expect: *e\n")
	f.Add("flows: [{destination: 1.2.3.4, protocol: icmp, state: NEW, inInterface: eth0, sourcePort: 1}]")
	f.Add("flows: &a [*a]")
	f.Add("? {}\n: flows\n--- x")
	f.Fuzz(func(t *testing.T, file string) {
		list, err := flows.Read("f", file)
		if (err == nil) == (len(list) == 0) {
			t.Fatalf("%d flows and %v", len(list), err)
		}
		for _, flow := range list {
			if !flow.Destination.IsValid() || !flow.Pos.IsValid() || flow.Protocol == 0 {
				t.Fatalf("a flow without destination, place or protocol: %+v", flow)
			}
			if flow.Expect != nil && flow.Expect.Verdict == "" {
				t.Fatalf("an expectation without verdict: %+v", flow)
			}
		}
	})
}

func TestParseSource(t *testing.T) {
	for _, good := range []string{"10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:80"} {
		if _, err := flows.ParseSource(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "x", "10.0.0.1:0", "10.0.0.300"} {
		if _, err := flows.ParseSource(bad); err == nil || !strings.Contains(err.Error(), "or without one") {
			t.Errorf("%q: %v, expected to hear that there need not be a port", bad, err)
		}
	}
}
