//go:build linux

package kernel_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// node is a worker of a small cluster: pods behind cni0, all else behind eth0.
var node = kernel.Layout{
	Interfaces: []kernel.Interface{
		{Name: "eth0", Addresses: prefixes("172.18.0.3/16", "fc00:f853:ccd:e793::3/64")},
		{Name: "cni0", Addresses: prefixes("10.244.1.1/24", "fd00:10:244:1::1/64")},
	},
	Routes: []kernel.Route{
		{Dst: netip.MustParsePrefix("0.0.0.0/0"), Dev: "eth0"},
		{Dst: netip.MustParsePrefix("::/0"), Dev: "eth0"},
	},
}

// probe writes a probe as "eth0 tcp 203.0.113.9:0 172.18.0.3:80", "node" for
// what the node sends.
func probe(t *testing.T, text string) kernel.Probe {
	t.Helper()
	words := strings.Fields(text)
	p := kernel.Probe{
		In: words[0], Source: netip.MustParseAddrPort(words[2]), Destination: netip.MustParseAddrPort(words[3]),
		Protocol: map[string]uint8{"tcp": kernel.TCP, "udp": kernel.UDP, "sctp": kernel.SCTP, "icmp": kernel.ICMP, "icmp6": kernel.ICMPv6}[words[1]],
	}
	if p.In == "node" {
		p.In = ""
	}
	return p
}

// withoutPort is the fate with the source port that the kernel or the node
// chose taken out.
func withoutPort(f kernel.Fate) string {
	if f.Source.IsValid() {
		f.Source = netip.AddrPortFrom(f.Source.Addr(), 0)
	}
	s := f.String()
	if f.Masqueraded {
		s += ", masqueraded"
	}
	return s
}

func eachBackend(t *testing.T, test func(t *testing.T, n *kernel.Node, backend kernel.Backend)) {
	kernel.Require(t)
	for _, backend := range []kernel.Backend{kernel.Legacy, kernel.NFT} {
		t.Run(string(backend), func(t *testing.T) {
			n, err := kernel.Start(node)
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			test(t, n, backend)
		})
	}
}

// TestFates has small rulesets whose effect nobody doubts.
func TestFates(t *testing.T) {
	tests := []struct {
		name       string
		ipv4, ipv6 string
		want       map[string]string // fate by probe
	}{{
		name: "no rules",
		want: map[string]string{
			"eth0 tcp 203.0.113.9:0 10.244.1.7:80":                       "forwarded by cni0 203.0.113.9:0 → 10.244.1.7:80",
			"cni0 udp 10.244.1.7:0 203.0.113.9:53":                       "forwarded by eth0 10.244.1.7:0 → 203.0.113.9:53",
			"cni0 tcp 10.244.1.7:0 10.244.1.8:80":                        "forwarded by cni0 10.244.1.7:0 → 10.244.1.8:80",
			"eth0 tcp 203.0.113.9:0 172.18.0.3:80":                       "delivered 203.0.113.9:0 → 172.18.0.3:80",
			"eth0 sctp 203.0.113.9:0 10.244.1.1:80":                      "delivered 203.0.113.9:0 → 10.244.1.1:80",
			"eth0 icmp 203.0.113.9:0 172.18.0.3:0":                       "delivered 203.0.113.9:0 → 172.18.0.3:0",
			"node udp 172.18.0.3:0 10.244.1.7:80":                        "forwarded by cni0 172.18.0.3:0 → 10.244.1.7:80",
			"node tcp 127.0.0.1:0 127.0.0.1:80":                          "delivered 127.0.0.1:0 → 127.0.0.1:80",
			"node tcp 172.18.0.3:0 172.18.0.3:80":                        "delivered 172.18.0.3:0 → 172.18.0.3:80",
			"eth0 tcp [2001:db8::9]:0 [fd00:10:244:1::7]:80":             "forwarded by cni0 [2001:db8::9]:0 → [fd00:10:244:1::7]:80",
			"eth0 udp [2001:db8::9]:0 [fc00:f853:ccd:e793::3]:80":        "delivered [2001:db8::9]:0 → [fc00:f853:ccd:e793::3]:80",
			"eth0 sctp [2001:db8::9]:0 [fc00:f853:ccd:e793::3]:80":       "delivered [2001:db8::9]:0 → [fc00:f853:ccd:e793::3]:80",
			"eth0 icmp6 [2001:db8::9]:0 [fc00:f853:ccd:e793::3]:0":       "delivered [2001:db8::9]:0 → [fc00:f853:ccd:e793::3]:0",
			"node sctp [fc00:f853:ccd:e793::3]:0 [2001:db8::9]:80":       "forwarded by eth0 [fc00:f853:ccd:e793::3]:0 → [2001:db8::9]:80",
			"node tcp [::1]:0 [fd00:10:244:1::1]:80":                     "delivered [::1]:0 → [fd00:10:244:1::1]:80",
			"node icmp6 [fc00:f853:ccd:e793::3]:0 [fd00:10:244:1::7]:0":  "forwarded by cni0 [fc00:f853:ccd:e793::3]:0 → [fd00:10:244:1::7]:0",
			"cni0 icmp6 [fd00:10:244:1::7]:0 [2001:db8::9]:0":            "forwarded by eth0 [fd00:10:244:1::7]:0 → [2001:db8::9]:0",
			"cni0 tcp [fd00:10:244:1::7]:0 [fc00:f853:ccd:e793::3]:6443": "delivered [fd00:10:244:1::7]:0 → [fc00:f853:ccd:e793::3]:6443",
		},
	}, {
		name: "DNAT",
		ipv4: "*nat\n" +
			"-A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 172.18.0.2:6443\n" +
			"-A PREROUTING -d 10.96.0.10/32 -p udp -j DNAT --to-destination 10.244.1.7:5353\n" +
			"-A PREROUTING -d 10.96.0.11/32 -p sctp -j DNAT --to-destination 172.18.0.3:9\n" +
			"-A OUTPUT -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j DNAT --to-destination 10.244.1.7:6443\n" +
			"-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --dport 30000 -j DNAT --to-destination 10.244.1.7:80\n" +
			"-A POSTROUTING -s 127.0.0.1/32 -j MASQUERADE\nCOMMIT\n",
		ipv6: "*nat\n" +
			"-A PREROUTING -d fd00:10:96::1/128 -p tcp -j DNAT --to-destination [fd00:10:244:1::7]:6443\n" +
			"-A OUTPUT -d fd00:10:96::1/128 -p udp -j DNAT --to-destination [fd00:10:244:1::1]:53\nCOMMIT\n",
		want: map[string]string{
			"eth0 tcp 203.0.113.9:0 10.96.0.1:443":            "forwarded by eth0 203.0.113.9:0 → 172.18.0.2:6443",
			"eth0 tcp 203.0.113.9:0 10.96.0.1:444":            "forwarded by eth0 203.0.113.9:0 → 10.96.0.1:444",
			"eth0 udp 203.0.113.9:0 10.96.0.10:53":            "forwarded by cni0 203.0.113.9:0 → 10.244.1.7:5353",
			"eth0 sctp 203.0.113.9:0 10.96.0.11:53":           "delivered 203.0.113.9:0 → 172.18.0.3:9",
			"node tcp 172.18.0.3:0 10.96.0.1:443":             "forwarded by cni0 172.18.0.3:0 → 10.244.1.7:6443",
			"node tcp 127.0.0.1:0 127.0.0.1:30000":            "forwarded by cni0 198.18.0.2:0 → 10.244.1.7:80, masqueraded",
			"eth0 tcp [2001:db8::9]:0 [fd00:10:96::1]:443":    "forwarded by cni0 [2001:db8::9]:0 → [fd00:10:244:1::7]:6443",
			"node udp [2001:db8::9]:0 [fd00:10:96::1]:53":     "delivered [2001:db8::9]:0 → [fd00:10:244:1::1]:53",
			"node udp [fd00:10:244:1::1]:0 [fd00:10:96::1]:9": "delivered [fd00:10:244:1::1]:0 → [fd00:10:244:1::1]:53",
		},
	}, {
		name: "source NAT",
		ipv4: "*nat\n-A PREROUTING -i cni0 -p sctp -j REDIRECT --to-ports 9\n-A POSTROUTING -o cni0 -j MASQUERADE\n-A POSTROUTING -o lo -j MASQUERADE\n" +
			"-A POSTROUTING -p udp -j SNAT --to-source 172.18.0.3:999\nCOMMIT\n",
		ipv6: "*nat\n-A PREROUTING -i cni0 -p sctp -j REDIRECT\n-A POSTROUTING -o cni0 -j MASQUERADE --random-fully\n-A POSTROUTING -p udp -j SNAT --to-source fc00:f853:ccd:e793::3\nCOMMIT\n",
		want: map[string]string{
			"eth0 tcp 203.0.113.9:0 10.244.1.7:80":                "forwarded by cni0 198.18.0.2:0 → 10.244.1.7:80, masqueraded",
			"node tcp 10.244.1.1:0 10.244.1.7:80":                 "forwarded by cni0 198.18.0.2:0 → 10.244.1.7:80, masqueraded",
			"node tcp 127.0.0.1:0 172.18.0.3:80":                  "delivered 172.18.0.3:0 → 172.18.0.3:80, masqueraded",
			"cni0 udp 10.244.1.7:0 203.0.113.9:80":                "forwarded by eth0 172.18.0.3:0 → 203.0.113.9:80, masqueraded",
			"eth0 tcp 203.0.113.9:0 172.18.0.3:80":                "delivered 203.0.113.9:0 → 172.18.0.3:80",
			"cni0 sctp 10.244.1.7:0 203.0.113.9:80":               "delivered 10.244.1.7:0 → 10.244.1.1:9",
			"cni0 sctp [fd00:10:244:1::7]:0 [2001:db8::9]:80":     "delivered [fd00:10:244:1::7]:0 → [fd00:10:244:1::1]:80",
			"node tcp [fd00:10:244:1::1]:0 [fd00:10:244:1::7]:80": "forwarded by cni0 [2001:2::2]:0 → [fd00:10:244:1::7]:80, masqueraded",
			"cni0 udp [fd00:10:244:1::7]:0 [2001:db8::9]:80":      "forwarded by eth0 [fc00:f853:ccd:e793::3]:0 → [2001:db8::9]:80, masqueraded",
		},
	}, {
		name: "REJECT and DROP",
		ipv4: "*filter\n" +
			"-A FORWARD -p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset\n-A FORWARD -p tcp -m tcp --dport 2 -j DROP\n" +
			"-A FORWARD -j REJECT --reject-with icmp-port-unreachable\n" +
			"-A OUTPUT -d 203.0.113.9/32 -p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset\n-A OUTPUT -d 203.0.113.9/32 -p udp -j REJECT --reject-with icmp-host-prohibited\n" +
			"-A OUTPUT -p sctp -j DROP\n" +
			"-A INPUT -p tcp -m tcp --dport 1 -j REJECT --reject-with icmp-admin-prohibited\n-A INPUT -p tcp -m tcp --dport 2 -j DROP\nCOMMIT\n",
		ipv6: "*filter\n" +
			"-A FORWARD -p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset\n-A FORWARD -p tcp -m tcp --dport 2 -j DROP\n" +
			"-A FORWARD -j REJECT --reject-with icmp6-port-unreachable\n" +
			"-A OUTPUT -d 2001:db8::9/128 -p tcp -m tcp --dport 1 -j REJECT --reject-with tcp-reset\n-A OUTPUT -d 2001:db8::9/128 -p sctp -j REJECT --reject-with icmp6-adm-prohibited\n" +
			"-A INPUT -p udp -m udp --dport 1 -j REJECT --reject-with icmp6-addr-unreachable\nCOMMIT\n",
		want: map[string]string{
			"eth0 tcp 203.0.113.9:0 10.244.1.7:1":                 "rejected with tcp-reset",
			"eth0 tcp 203.0.113.9:0 10.244.1.7:2":                 "lost",
			"eth0 tcp 203.0.113.9:0 10.244.1.7:3":                 "rejected with icmp-port-unreachable",
			"eth0 sctp 203.0.113.9:0 10.244.1.7:3":                "rejected with icmp-port-unreachable",
			"cni0 udp 10.244.1.7:0 203.0.113.9:1":                 "rejected with icmp-port-unreachable",
			"cni0 icmp 10.244.1.7:0 203.0.113.9:0":                "rejected with icmp-port-unreachable",
			"node tcp 172.18.0.3:0 203.0.113.9:1":                 "rejected with tcp-reset",
			"node udp 172.18.0.3:0 203.0.113.9:1":                 "rejected with icmp-host-prohibited",
			"node sctp 172.18.0.3:0 203.0.113.9:1":                "lost",
			"node tcp 172.18.0.3:0 172.18.0.3:1":                  "rejected with icmp-admin-prohibited",
			"eth0 tcp 203.0.113.9:0 172.18.0.3:1":                 "rejected with icmp-admin-prohibited",
			"eth0 tcp 203.0.113.9:0 172.18.0.3:2":                 "lost",
			"eth0 tcp [2001:db8::9]:0 [fd00:10:244:1::7]:1":       "rejected with tcp-reset",
			"eth0 tcp [2001:db8::9]:0 [fd00:10:244:1::7]:2":       "lost",
			"eth0 udp [2001:db8::9]:0 [fd00:10:244:1::7]:2":       "rejected with icmp6-port-unreachable",
			"cni0 icmp6 [fd00:10:244:1::7]:0 [2001:db8::9]:0":     "rejected with icmp6-port-unreachable",
			"node tcp [fc00:f853:ccd:e793::3]:0 [2001:db8::9]:1":  "rejected with tcp-reset",
			"node sctp [fc00:f853:ccd:e793::3]:0 [2001:db8::9]:1": "rejected with icmp6-adm-prohibited",
			"eth0 udp [2001:db8::9]:0 [fc00:f853:ccd:e793::3]:1":  "rejected with icmp6-addr-unreachable",
		},
	}}
	eachBackend(t, func(t *testing.T, n *kernel.Node, backend kernel.Backend) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if err := n.Load(kernel.Ruleset{Backend: backend, IPv4: tt.ipv4, IPv6: tt.ipv6}); err != nil {
					t.Fatal(err)
				}
				var texts []string
				var probes []kernel.Probe
				for text := range tt.want {
					texts, probes = append(texts, text), append(probes, probe(t, text))
				}
				fates, err := n.Send(probes)
				if err != nil {
					t.Fatal(err)
				}
				got := map[string]string{}
				for i, f := range fates {
					got[texts[i]] = withoutPort(f)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("fates differ (-want +got):\n%s", diff)
				}
			})
		}
	})
}

// TestChance sends more probes than go in one batch, and more than conntrack
// is let know at once.
func TestChance(t *testing.T) {
	eachBackend(t, func(t *testing.T, n *kernel.Node, backend kernel.Backend) {
		const count = 40000
		err := n.Load(kernel.Ruleset{Backend: backend,
			IPv4: "*filter\n-A FORWARD -m statistic --mode random --probability 0.5 -j DROP\nCOMMIT\n"})
		if err != nil {
			t.Fatal(err)
		}
		probes := make([]kernel.Probe, count)
		for i := range probes {
			probes[i] = probe(t, "eth0 tcp 203.0.113.9:0 10.244.1.7:80")
		}
		fates, err := n.Send(probes)
		if err != nil {
			t.Fatal(err)
		}
		kinds := map[kernel.Kind]int{}
		for _, f := range fates {
			kinds[f.Kind]++
		}
		// Five standard deviations, √(40000·½·½) = 100 each.
		if k := kinds[kernel.Lost]; k < count/2-500 || k > count/2+500 || k+kinds[kernel.Forwarded] != count {
			t.Errorf("of %d probes, half of them to be dropped: %v", count, kinds)
		}
	})
}

// TestIndependence shows that no probe sees anything of those before it.
func TestIndependence(t *testing.T) {
	eachBackend(t, func(t *testing.T, n *kernel.Node, backend kernel.Backend) {
		tests := []struct{ name, ipv4, probe string }{
			{"the same connection again", "*filter\n-A FORWARD -m conntrack ! --ctstate NEW -j DROP\nCOMMIT\n", "eth0 tcp 203.0.113.9:4711 10.244.1.7:80"},
			{"a client that was seen before", "*filter\n-A FORWARD -m recent --rcheck --seconds 100 --name seen --rsource -j DROP\n" +
				"-A FORWARD -m recent --set --name seen --rsource\nCOMMIT\n", "eth0 tcp 203.0.113.9:0 10.244.1.7:80"},
			{"a node that was seen before", "*filter\n-A INPUT -m recent --rcheck --seconds 100 --name seen --rsource -j DROP\n" +
				"-A INPUT -m recent --set --name seen --rsource\nCOMMIT\n", "node tcp 172.18.0.3:0 10.244.1.1:80"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if err := n.Load(kernel.Ruleset{Backend: backend, IPv4: tt.ipv4}); err != nil {
					t.Fatal(err)
				}
				p := probe(t, tt.probe)
				fates, err := n.Send([]kernel.Probe{p, p, p})
				if err != nil {
					t.Fatal(err)
				}
				for i, f := range fates {
					if f.Kind == kernel.Lost {
						t.Errorf("probe %d of 3 alike was lost", i+1)
					}
				}
			})
		}
	})
}

// TestLoad shows what a node can be loaded with besides rules, and what is
// said of text that the kernel does not take.
func TestLoad(t *testing.T) {
	eachBackend(t, func(t *testing.T, n *kernel.Node, backend kernel.Backend) {
		r := kernel.Ruleset{Backend: backend,
			Sets: "create clients hash:ip family inet\nadd clients 203.0.113.9\n",
			IPv4: "*filter\n-A FORWARD -m nfacct --nfacct-name  dropped -m set --match-set clients src -j DROP\nCOMMIT\n"}
		for range 2 { // the second time sets and objects of the first are in the way
			if err := n.Load(r); err != nil {
				t.Fatal(err)
			}
		}
		probes := []kernel.Probe{probe(t, "eth0 tcp 203.0.113.9:0 10.244.1.7:80"), probe(t, "eth0 tcp 203.0.113.8:0 10.244.1.7:80")}
		fates, err := n.Send(probes)
		if err != nil {
			t.Fatal(err)
		}
		if fates[0].Kind != kernel.Lost || fates[1].Kind != kernel.Forwarded {
			t.Errorf("fates %v, expected the first probe to be dropped for its source", fates)
		}

		err = n.Load(kernel.Ruleset{Backend: backend, IPv4: "*filter\n-A FORWARD -j NOWHERE\nCOMMIT\n"})
		if err == nil || !strings.Contains(err.Error(), "NOWHERE") {
			t.Errorf("loading a jump to no chain: error %v, expected the command's words", err)
		}
		fates, err = n.Send(probes)
		if err != nil {
			t.Fatal(err)
		}
		if fates[0].Kind != kernel.Forwarded {
			t.Errorf("after a failed load the first probe is %v, expected rules that decide nothing", fates[0])
		}
	})
}

// TestHeaders shows that what a probe asks for is in the packet.
func TestHeaders(t *testing.T) {
	eachBackend(t, func(t *testing.T, n *kernel.Node, backend kernel.Backend) {
		err := n.Load(kernel.Ruleset{Backend: backend, IPv4: "*filter\n:FORWARD DROP\n" +
			"-A FORWARD -p tcp -m tcp --sport 999 --tcp-flags FIN,SYN,RST,PSH,ACK,URG PSH,ACK -m ttl --ttl-eq 8 -m tos --tos 0x10/0xff -m length --length 140 -j ACCEPT\n" +
			"-A FORWARD -p tcp -m tcp --tcp-flags FIN,ACK FIN,ACK -j REJECT --reject-with tcp-reset\nCOMMIT\n"})
		if err != nil {
			t.Fatal(err)
		}
		p := probe(t, "eth0 tcp 203.0.113.9:999 10.244.1.7:80")
		p.TCPFlags, p.TTL, p.TOS, p.Payload = kernel.PSH|kernel.ACK, 9, 0x10, 100
		reset := p
		reset.TCPFlags = kernel.FIN | kernel.ACK
		plain := p
		plain.TCPFlags = kernel.RST | kernel.ACK
		fates, err := n.Send([]kernel.Probe{p, reset, plain})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"forwarded by cni0 203.0.113.9:0 → 10.244.1.7:80", "rejected with tcp-reset", "lost"}
		got := []string{withoutPort(fates[0]), withoutPort(fates[1]), withoutPort(fates[2])}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("fates differ (-want +got):\n%s", diff)
		}
	})
}
