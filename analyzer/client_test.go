package analyzer_test

import (
	"net/netip"
	"testing"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/parsers/capture"
)

func TestUsualSource(t *testing.T) {
	const zoo = "sample:service-zoo"
	tests := []struct {
		name   string
		inputs []string
		pods   string // --pod-cidr
		from   trace.Origin
		to     string
		want   string // "" for none
	}{
		{"outside", []string{zoo}, "", trace.FromExternal, "172.18.0.3", "203.0.113.9"},
		{"outside is the default", []string{zoo}, "", "", "172.18.0.3", "203.0.113.9"},
		{"to the usual address itself", []string{zoo}, "", trace.FromExternal, "203.0.113.9", "198.51.100.9"},
		{"where pods have the usual address", []string{zoo}, "203.0.113.0/24", trace.FromExternal, "172.18.0.3", "198.51.100.9"},
		{"outside, IPv6", []string{zoo}, "", trace.FromExternal, "fd00:10:96::a01", "2001:db8::9"},
		{"a pod of the node's network", []string{zoo}, "", trace.FromPod, "10.96.1.1", "10.244.1.254"},
		{"a pod, IPv6", []string{zoo}, "", trace.FromPod, "fd00:10:96::a01", "fd00:10:244:1:ffff:ffff:ffff:fffe"},
		{"a pod of a range that is named", []string{zoo}, "10.9.0.0/30", trace.FromPod, "10.96.1.1", "10.9.0.2"},
		{"a pod of the cluster's range, without addresses", []string{"../samples/service-zoo/iptables-save.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.255.254"},
		{"a pod of the network that a route tells of",
			[]string{"../samples/service-zoo/iptables-save.txt", "../samples/service-zoo/ip-route.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.1.254"},
		{"a pod of the only network inside", []string{"../samples/service-zoo/ip-addr.txt", "../samples/service-zoo/ip-route.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.1.254"},
		{"a pod, as the rules of IPVS mode tell pods from others",
			[]string{"../samples/ipvs-service-zoo/iptables-save.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.255.254"},
		{"a pod, as the chains of services tell pods from others in nftables mode",
			[]string{"../samples/testdata/nftables/zoo-v1.30-nftables/nft-ruleset.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.255.254"},
		{"a pod, as chain services tells pods from others since 1.36",
			[]string{"../samples/nftables-service-zoo/nft-ruleset.txt"}, "", trace.FromPod, "10.96.1.1", "10.244.255.254"},
		{"a pod of the range of the node's object",
			[]string{"../samples/ipvs-service-zoo/ip-addr.txt", "../samples/ipvs-service-zoo/node.yaml"}, "", trace.FromPod, "10.96.1.1", "10.244.1.254"},
		{"a range full of endpoints", []string{zoo}, "10.244.1.32/31", trace.FromPod, "10.96.1.1", ""},
		{"a pod of a network that is not known", []string{"../samples/service-zoo/ip-addr.txt"}, "", trace.FromPod, "10.96.1.1", ""},
		{"the node", []string{zoo}, "", trace.FromNode, "10.96.1.1", ""},
		{"the node, without routes",
			[]string{"../samples/service-zoo/iptables-save.txt", "../samples/service-zoo/ip-addr.txt"}, "", trace.FromNode, "10.96.1.1", "172.18.0.3"},
		{"the node to itself, without routes",
			[]string{"../samples/service-zoo/iptables-save.txt", "../samples/service-zoo/ip-addr.txt"}, "", trace.FromNode, "172.18.0.3", ""},
		{"the node, without addresses", []string{"../samples/service-zoo/iptables-save.txt"}, "", trace.FromNode, "10.96.1.1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var pods []netip.Prefix
			if tt.pods != "" {
				pods = append(pods, netip.MustParsePrefix(tt.pods))
			}
			s, err := capture.Open(tt.inputs, capture.Options{PodCIDRs: pods})
			if err != nil {
				t.Fatal(err)
			}
			got, ok := analyzer.Analyze(s).UsualSource(trace.Flow{From: tt.from, Destination: netip.MustParseAddr(tt.to)})
			want, _ := netip.ParseAddr(tt.want)
			if got != want || ok != want.IsValid() {
				t.Errorf("got %s, %t, want %q", got, ok, tt.want)
			}
		})
	}
}

func TestTracerIsThereWithoutTables(t *testing.T) {
	a := analyzer.Analyze(&snapshot.Snapshot{})
	got, err := a.Tracer.Trace(trace.Flow{Destination: netip.MustParseAddr("10.0.0.1"), Port: 80})
	if err != nil || len(got.Outcomes) == 0 {
		t.Errorf("got %v, %v", got, err)
	}
}
