package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/trace"
)

// BenchmarkTraceNFT follows packets to service after service of nftables mode,
// paths included: the model is in memory, the maps' indexes made.
func BenchmarkTraceNFT(b *testing.B) {
	for _, endpoints := range []int{10, 100} {
		s := read(b, nftCluster(10_000, endpoints)+node)
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromNode} {
			b.Run(fmt.Sprintf("endpoints=%d/from=%s", endpoints, from), func(b *testing.B) {
				benchmarkTrace(b, s, clusterFlows(10_000, from))
			})
		}
	}
}

// nftCluster is the cluster that cluster makes, as kube-proxy v1.37 leaves it
// in nftables mode.
func nftCluster(services, endpoints int) string {
	var ips, maps, ports, chains strings.Builder
	for i := range services {
		ip := fmt.Sprintf("10.96.%d.%d", i>>8, i&255)
		fmt.Fprintf(&ips, "%s,\n", ip)
		fmt.Fprintf(&maps, "%s . tcp . 80 : goto service-%d/tcp/,\n", ip, i)
		fmt.Fprintf(&chains, "\tchain service-%d/tcp/ {\n\t\tmeta l4proto tcp dnat ip to numgen random mod %d map { ", i, endpoints)
		for k := range endpoints {
			if k > 0 {
				chains.WriteString(", ")
			}
			fmt.Fprintf(&chains, "%d : 10.%d.%d.%d . 8080", k, 1+k%2, i%256, 2+k)
		}
		chains.WriteString(" }\n\t}\n")
		if i%3 == 0 {
			fmt.Fprintf(&ports, "tcp . %d : goto external-%d/tcp/,\n", 30_000+i, i)
			fmt.Fprintf(&chains, "\tchain external-%d/tcp/ {\n\t\tmeta mark set meta mark | 0x00004000\n\t\tgoto service-%d/tcp/\n\t}\n", i, i)
		}
	}
	elements := func(b *strings.Builder) string { return strings.TrimSuffix(b.String(), ",\n") }
	return `table ip kube-proxy {
	set cluster-ips {
		type ipv4_addr
		elements = { ` + elements(&ips) + ` }
	}

	set nodeport-ips {
		type ipv4_addr
		elements = { 192.0.2.10 }
	}

	map no-endpoint-services {
		type ipv4_addr . inet_proto . inet_service : verdict
	}

	map service-ips {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { ` + elements(&maps) + ` }
	}

	map service-nodeports {
		type inet_proto . inet_service : verdict
		elements = { ` + elements(&ports) + ` }
	}

	chain filter-forward {
		type filter hook forward priority filter; policy accept;
		ct state new jump service-endpoints-check
		ct state new jump cluster-ips-check
	}

	chain nat-prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		jump services
	}

	chain nat-output {
		type nat hook output priority -100; policy accept;
		jump services
	}

	chain nat-postrouting {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00004000 != 0x00000000 meta mark set meta mark ^ 0x00004000 masquerade fully-random
	}

	chain service-endpoints-check {
		ip daddr . meta l4proto . th dport vmap @no-endpoint-services
	}

	chain cluster-ips-check {
		ip daddr @cluster-ips reject
	}

	chain services {
		ip daddr @cluster-ips ip saddr != 10.1.0.0/24 meta mark set meta mark | 0x00004000
		ip daddr . meta l4proto . th dport vmap @service-ips
		ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports
	}
` + chains.String() + "}\n"
}
