package trace_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// BenchmarkTrace follows packets to service after service, paths included: the
// model is in memory, the indexes made.
func BenchmarkTrace(b *testing.B) {
	for _, endpoints := range []int{1, 3, 10, 100} {
		s := read(b, cluster(1000, endpoints)+node)
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
			b.Run(fmt.Sprintf("endpoints=%d/from=%s", endpoints, from), func(b *testing.B) {
				benchmarkTrace(b, s, clusterFlows(1000, from))
			})
		}
	}
	b.Run("recording", func(b *testing.B) {
		s := sample(b, "service-zoo")
		var flows []trace.Flow
		for _, to := range destinations(s) {
			flows = append(flows, trace.Flow{From: trace.FromExternal, Destination: to.address, Port: to.port, Protocol: to.protocol})
		}
		benchmarkTrace(b, s, flows)
	})
	b.Run("large", func(b *testing.B) {
		s := read(b, cluster(10_000, 10)+node)
		flows := clusterFlows(10_000, trace.FromExternal)
		b.Run("node known", func(b *testing.B) { benchmarkTrace(b, s, flows) })
		// Without its addresses and routes, more is left open.
		s = read(b, cluster(10_000, 10))
		b.Run("rules alone", func(b *testing.B) { benchmarkTrace(b, s, flows) })
	})
}

func benchmarkTrace(b *testing.B, s *snapshot.Snapshot, flows []trace.Flow) {
	tracer := trace.New(s)
	for _, f := range flows {
		if _, err := tracer.Trace(f); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := tracer.Trace(flows[i%len(flows)]); err != nil {
			b.Fatal(err)
		}
	}
}

// cluster is what kube-proxy v1.30 leaves on a node of a cluster: each service
// has a cluster IP, every third a node port.
func cluster(services, endpoints int) string {
	var chains, jumps, nodePorts, rules strings.Builder
	for i := range services {
		to := fmt.Sprintf("-d 10.96.%d.%d/32 -p tcp -m comment --comment \"team/app-%d cluster IP\" -m tcp --dport 80", i>>8, i&255, i)
		fmt.Fprintf(&chains, ":KUBE-SVC-%016d - [0:0]\n", i)
		fmt.Fprintf(&jumps, "-A KUBE-SERVICES %s -j KUBE-SVC-%016d\n", to, i)
		fmt.Fprintf(&rules, "-A KUBE-SVC-%016d ! -s 10.1.0.0/16 %s -j KUBE-MARK-MASQ\n", i, to)
		if i%3 == 0 {
			fmt.Fprintf(&chains, ":KUBE-EXT-%016d - [0:0]\n", i)
			fmt.Fprintf(&nodePorts, "-A KUBE-NODEPORTS -p tcp -m comment --comment \"team/app-%d\" -m tcp --dport %d -j KUBE-EXT-%016d\n", i, 30000+i, i)
			fmt.Fprintf(&rules, "-A KUBE-EXT-%016d -j KUBE-MARK-MASQ\n-A KUBE-EXT-%016d -j KUBE-SVC-%016d\n", i, i, i)
		}
		for e := range endpoints {
			n := i*endpoints + e
			chance := ""
			if left := endpoints - e; left > 1 {
				chance = fmt.Sprintf(" -m statistic --mode random --probability %.11f", 1/float64(left))
			}
			fmt.Fprintf(&chains, ":KUBE-SEP-%016d - [0:0]\n", n)
			fmt.Fprintf(&rules, "-A KUBE-SVC-%016d -m comment --comment \"team/app-%d\"%s -j KUBE-SEP-%016d\n", i, i, chance, n)
			a := fmt.Sprintf("10.%d.%d.%d", 1+n>>16, n>>8&255, n&255)
			fmt.Fprintf(&rules, "-A KUBE-SEP-%016d -s %s/32 -m comment --comment \"team/app-%d\" -j KUBE-MARK-MASQ\n", n, a, i)
			fmt.Fprintf(&rules, "-A KUBE-SEP-%016d -p tcp -m comment --comment \"team/app-%d\" -m tcp -j DNAT --to-destination %s:8080\n", n, i, a)
		}
	}
	return `*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-PROXY-CANARY - [0:0]
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:KUBE-EXTERNAL-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
:KUBE-FORWARD - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-PROXY-FIREWALL - [0:0]
:KUBE-SERVICES - [0:0]
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" -m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding rules" -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m comment --comment "kubernetes forwarding conntrack rule" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A KUBE-PROXY-FIREWALL -d 203.0.113.1/32 -p tcp -m comment --comment "team/app-0 traffic not accepted by its chain" -m tcp --dport 80 -j DROP
-A KUBE-SERVICES -d 10.95.0.1/32 -p tcp -m comment --comment "team/none has no endpoints" -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-NODEPORTS - [0:0]
:KUBE-POSTROUTING - [0:0]
:KUBE-SERVICES - [0:0]
` + chains.String() + `-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
` + nodePorts.String() + `-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -m comment --comment "kubernetes service traffic requiring SNAT" -j MASQUERADE --random-fully
` + jumps.String() + `-A KUBE-SERVICES -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
` + rules.String() + "COMMIT\n"
}

// clusterFlows are packets to all services' cluster IPs and node ports.
func clusterFlows(services int, from trace.Origin) []trace.Flow {
	var all []trace.Flow
	for i := range services {
		f := trace.Flow{From: from, Protocol: netfilter.TCP, Destination: netip.AddrFrom4([4]byte{10, 96, byte(i >> 8), byte(i)}), Port: 80}
		switch from {
		case trace.FromExternal:
			f.Source = netip.AddrFrom4([4]byte{198, 51, 100, 7})
		case trace.FromPod:
			f.Source = netip.AddrFrom4([4]byte{10, 1, 0, 5})
		}
		all = append(all, f)
		if i%3 == 0 {
			f.Destination, f.Port = netip.AddrFrom4([4]byte{192, 0, 2, 10}), uint16(30000+i)
			all = append(all, f)
		}
	}
	return all
}
