//go:build linux

package kernel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// TestTables loads tables of nftables, one of which remembers clients: no probe
// sees what those before it did.
func TestTables(t *testing.T) {
	kernel.Require(t)
	n, err := kernel.Start(node)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	err = n.Load(kernel.Ruleset{NFTables: `table ip nat {
	set seen {
		type ipv4_addr
		size 65535
		flags dynamic,timeout
		timeout 3h
	}

	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 10.96.0.1 ip saddr @seen dnat to 10.244.1.9
		ip daddr 10.96.0.1 meta l4proto tcp update @seen { ip saddr } dnat to 10.244.1.7:8080
	}
}
table inet filter {
	chain input {
		type filter hook input priority filter; policy accept;
		tcp dport 81 reject
	}
}
`})
	if err != nil {
		t.Fatal(err)
	}
	probes := []kernel.Probe{
		probe(t, "eth0 tcp 203.0.113.9:0 10.96.0.1:80"),
		probe(t, "eth0 tcp 203.0.113.9:0 10.96.0.1:80"),
		probe(t, "eth0 tcp 203.0.113.9:0 172.18.0.3:81"),
		probe(t, "eth0 tcp [2001:db8::9]:0 [fc00:f853:ccd:e793::3]:81"),
		probe(t, "eth0 tcp 203.0.113.9:0 172.18.0.3:82"),
	}
	for i := range probes {
		probes[i].Fills = true
	}
	fates, err := n.Send(probes)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fates {
		got = append(got, withoutPort(f))
	}
	want := []string{
		"forwarded by cni0 203.0.113.9:0 → 10.244.1.7:8080",
		"forwarded by cni0 203.0.113.9:0 → 10.244.1.7:8080",
		"rejected with icmp-port-unreachable",
		"rejected with icmp6-port-unreachable",
		"delivered 203.0.113.9:0 → 172.18.0.3:82",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fates (-want +got):\n%s", diff)
	}
}
