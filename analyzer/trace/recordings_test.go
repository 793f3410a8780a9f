package trace_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// The clients of the recordings: somebody outside, a pod of the node, the node.
const (
	client = "203.0.113.200"
	zooPod = "10.244.1.99"
)

// fates is what a flow comes to: verdict, endpoints with "m" behind those that
// are masqueraded; or the verdict alone.
func fates(tr *trace.Trace) string {
	var out []string
	seen := map[string]bool{}
	for _, o := range tr.Outcomes {
		s := string(o.Verdict)
		if o.Verdict == trace.DNAT {
			s = o.Endpoint.String()
		}
		if o.Masquerade {
			s += " m"
		}
		if o.Local {
			s += " local"
		}
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return strings.Join(out, ", ")
}

// TestEasilyGotWrong follows packets whose fate was measured with the real
// kernel and the recording's rules.
func TestEasilyGotWrong(t *testing.T) {
	for _, test := range []struct {
		about     string
		recording string // "" for the sample service-zoo
		from      trace.Origin
		source    string
		to        string
		want      string
	}{
		// 1. No endpoints, seen from the node.
		{"node to a load balancer without endpoints goes out", "", trace.FromNode, "", "203.0.113.24:80", "accept"},
		{"node to an external IP without endpoints goes out", "", trace.FromNode, "", "198.51.100.22:80", "accept"},
		{"node to its own node port without endpoints loops into INPUT", "", trace.FromNode, "", "172.18.0.3:30084", "reject"},
		{"node to a cluster IP without endpoints", "", trace.FromNode, "", "10.96.1.5:80", "reject"},
		{"outside to a load balancer without endpoints", "", trace.FromExternal, client, "203.0.113.24:80", "reject"},

		// 2. externalTrafficPolicy Local, no local endpoint.
		{"outside", "", trace.FromExternal, client, "172.18.0.3:30083", "drop"},
		{"pod is short-circuited", "", trace.FromPod, zooPod, "172.18.0.3:30083", "10.244.0.34:8080, 10.244.2.34:8080"},
		{"node is short-circuited and masqueraded", "", trace.FromNode, "", "172.18.0.3:30083", "10.244.0.34:8080 m, 10.244.2.34:8080 m"},
		{"outside, to the load balancer", "", trace.FromExternal, client, "203.0.113.17:80", "drop"},
		{"outside, with a local endpoint", "", trace.FromExternal, client, "172.18.0.3:30082", "10.244.1.32:8080, 10.244.1.33:8080"},

		// 3. internalTrafficPolicy Local without local endpoint.
		{"cluster IP", "", trace.FromPod, zooPod, "10.96.6.2:80", "drop"},
		{"outside addresses do not care", "", trace.FromExternal, client, "172.18.0.3:30603", "10.244.0.83:8080 m, 10.244.1.83:8080 m, 10.244.2.83:8080 m"},

		// 4. Source ranges.
		{"outside the ranges", "", trace.FromExternal, client, "203.0.113.14:80", "drop"},
		{"in the ranges", "", trace.FromExternal, "198.51.100.7", "203.0.113.14:80", "10.244.0.43:8080 m, 10.244.1.43:8080 m, 10.244.2.43:8080 m"},
		{"pods are not exempt", "", trace.FromPod, zooPod, "203.0.113.14:80", "drop"},
		{"nor is the node", "", trace.FromNode, "", "203.0.113.14:80", "drop"},
		{"but for its ranges", "", trace.FromNode, "", "203.0.113.15:80", "10.244.0.44:8080 m, 10.244.1.44:8080 m, 10.244.2.44:8080 m"},
		{"node ports bypass the ranges", "", trace.FromExternal, client, "172.18.0.3:31004", "10.244.0.43:8080 m, 10.244.1.43:8080 m, 10.244.2.43:8080 m"},

		// 5. Masquerade is per branch.
		{"hairpin", "", trace.FromPod, "10.244.1.30", "10.96.2.1:80", "10.244.0.30:8080, 10.244.1.30:8080 m, 10.244.2.30:8080"},

		// 6. An endpoint of the node's own.
		{"host network", "", trace.FromExternal, client, "10.96.1.9:9100", "172.18.0.3:9100 local, 172.18.0.4:9100 m"},

		// 7. Affinity: anywhere at first, later where it was.
		{"affinity", "", trace.FromExternal, client, "10.96.5.1:80", "10.244.0.70:8080 m, 10.244.1.70:8080 m, 10.244.2.70:8080 m"},

		// 8. KUBE-FIREWALL looks at the connection.
		{"a neighbour at localhost", "", trace.FromExternal, client, "127.0.0.1:30080", "10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"a neighbour at localhost, at no node port", "", trace.FromExternal, client, "127.0.0.1:22", "drop"},

		// Other generations.
		{"1.23: node port", "zoo-v1.23-legacy", trace.FromExternal, client, "172.18.0.3:30080", "10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"1.23: no local endpoint is marked for drop", "zoo-v1.23-legacy", trace.FromExternal, client, "172.18.0.3:30083", "drop"},
		{"1.23: source ranges end in a mark that INPUT and OUTPUT look at", "zoo-v1.23-legacy", trace.FromNode, "172.18.0.3", "203.0.113.14:80", "drop"},
		{"1.23: but not FORWARD", "zoo-v1.23-legacy", trace.FromExternal, client, "203.0.113.14:80", "accept m"},
		{"iptables-nft", "zoo-v1.37-iptables-nft", trace.FromExternal, client, "172.18.0.3:30080", "10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"masquerade all: a pod's source goes too", "zoo-v1.37-masquerade-all", trace.FromPod, zooPod, "10.96.2.1:80", "10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"node port addresses: not on every address", "zoo-v1.37-nodeport-primary", trace.FromExternal, client, "10.244.1.1:30080", "accept local"},
		{"node port addresses: on the primary", "zoo-v1.37-nodeport-primary", trace.FromExternal, client, "172.18.0.3:30080", "10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},

		// Wrong ports and protocols.
		{"wrong port of a cluster IP", "", trace.FromPod, zooPod, "10.96.2.1:81", "accept"},
		{"wrong protocol of a node port", "", trace.FromExternal, client, "172.18.0.3:30080/udp", "accept local"},
	} {
		t.Run(test.about, func(t *testing.T) {
			var s *snapshot.Snapshot
			if test.recording == "" {
				s = sample(t, "service-zoo")
			} else {
				s = recording(t, test.recording)
			}
			tr := follow(t, s, flow(test.from, test.source, test.to))
			if got := fates(tr); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
				for _, line := range summary(tr) {
					t.Log(line)
				}
				t.Log(story(tr.Outcomes[0]))
			}
		})
	}
}

// story is an outcome's path, a line each.
func story(o trace.Outcome) string {
	var b strings.Builder
	for _, s := range o.Path {
		fmt.Fprintf(&b, "\n%s: %s", s.Hook, s.Effect)
		switch {
		case s.Rule != nil:
			fmt.Fprintf(&b, " [%s: %s]", s.Chain.Table.Name, s.Rule.Text())
		case s.Chain != nil:
			fmt.Fprintf(&b, " [%s %s]", s.Chain.Table.Name, s.Chain.Name)
		}
	}
	return b.String()
}

// TestFaults follows packets through rules that somebody broke, and the same
// packets through the rules as kube-proxy wrote them.
func TestFaults(t *testing.T) {
	for _, test := range []struct {
		fault, source, to string
		from              trace.Origin
		healthy, broken   string
	}{
		{"fault-ext-no-masquerade", client, "172.18.0.3:30080", trace.FromExternal,
			"10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m",
			"10.244.0.30:8080, 10.244.1.30:8080, 10.244.2.30:8080"},
		{"fault-ext-wrong-service", client, "172.18.0.3:31001", trace.FromExternal,
			"10.244.0.40:8080 m, 10.244.1.40:8080 m, 10.244.2.40:8080 m",
			"10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"fault-ext-wrong-service", client, "203.0.113.11:80", trace.FromExternal,
			"10.244.0.40:8080 m, 10.244.1.40:8080 m, 10.244.2.40:8080 m",
			"10.244.0.30:8080 m, 10.244.1.30:8080 m, 10.244.2.30:8080 m"},
		{"fault-ext-wrong-service", zooPod, "10.96.3.1:80", trace.FromPod,
			"10.244.0.40:8080, 10.244.1.40:8080, 10.244.2.40:8080",
			"10.244.0.40:8080, 10.244.1.40:8080, 10.244.2.40:8080"},
		{"fault-hijack-dnat", zooPod, "10.96.1.1:80", trace.FromPod,
			"10.244.0.10:8080, 10.244.1.10:8080, 10.244.2.10:8080",
			"10.244.2.250:8080"},
		{"fault-hijack-dnat", "172.18.0.3", "10.96.1.1:80", trace.FromNode,
			"10.244.0.10:8080 m, 10.244.1.10:8080 m, 10.244.2.10:8080 m",
			"10.244.0.10:8080 m, 10.244.1.10:8080 m, 10.244.2.10:8080 m"},
		{"fault-service-rule-deleted", zooPod, "10.96.1.3:443", trace.FromPod,
			"10.244.0.12:8443, 10.244.1.12:8443, 10.244.2.12:8443",
			"accept"},
	} {
		t.Run(test.fault+" "+test.to, func(t *testing.T) {
			f := flow(test.from, test.source, test.to)
			got := []string{fates(follow(t, sample(t, "service-zoo"), f)), fates(follow(t, recording(t, test.fault), f))}
			if diff := cmp.Diff([]string{test.healthy, test.broken}, got); diff != "" {
				t.Errorf("healthy and broken (-want +got):\n%s", diff)
			}
		})
	}
}

func TestIPv6(t *testing.T) {
	s := sample(t, "service-zoo")
	for _, test := range []struct {
		from       trace.Origin
		source, to string
		want       string
	}{
		{trace.FromExternal, "2001:db8::7", "[fc00:f853:ccd:e793::3]:30102",
			"[fd00:10:244::79]:8080 m, [fd00:10:244:1::79]:8080 m, [fd00:10:244:2::79]:8080 m"},
		{trace.FromNode, "", "[::1]:30102", "accept local"},
		{trace.FromExternal, "2001:db8::7", "[::1]:30102", "drop"},
	} {
		if got := fates(follow(t, s, flow(test.from, test.source, test.to))); got != test.want {
			t.Errorf("%s to %s: got %s, want %s", test.from, test.to, got, test.want)
		}
	}
}

// TestOriginOfFlows tells by the source where packets come from.
func TestOriginOfFlows(t *testing.T) {
	s := sample(t, "service-zoo")
	s.PodCIDRs = []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")}
	got := map[string]trace.Origin{}
	for _, source := range []string{"172.18.0.3", "127.0.0.1", "10.244.1.1", "10.244.1.30", "172.18.0.4", "203.0.113.1"} {
		got[source] = follow(t, s, flow("", source, "10.96.2.1:80")).Flow.From
	}
	want := map[string]trace.Origin{
		"172.18.0.3": trace.FromNode, "127.0.0.1": trace.FromNode, "10.244.1.1": trace.FromNode,
		"10.244.1.30": trace.FromPod, "172.18.0.4": trace.FromExternal, "203.0.113.1": trace.FromExternal,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("origins (-want +got):\n%s", diff)
	}
}
