package iproute_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iproute"
)

func plainRoutes(routes []snapshot.Route, diags []source.Diagnostic, next source.Cursor) []string {
	var out []string
	for _, r := range routes {
		line := fmt.Sprintf("%d: %s %s", r.Pos.Line, r.Type, r.Dst)
		if r.Via.IsValid() {
			line += " via " + r.Via.String()
		}
		if r.Dev != "" {
			line += " dev " + r.Dev
		}
		if r.Src.IsValid() {
			line += " src " + r.Src.String()
		}
		if r.Table != "main" {
			line += " table " + r.Table
		}
		if r.Metric != 0 {
			line += fmt.Sprintf(" metric %d", r.Metric)
		}
		out = append(out, line)
	}
	return append(out, plain(nil, diags, next)...)
}

func TestParseRoute(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "IPv4 and IPv6, one after the other",
		text: `default via 172.18.0.1 dev eth0 
10.244.0.0/24 via 172.18.0.2 dev eth0 
172.18.0.0/16 dev eth0 proto kernel scope link src 172.18.0.3 
10.0.0.7 dev cali1 scope link 
fc00:f853:ccd:e793::/64 dev eth0 proto kernel metric 256 pref medium
default via fc00:f853:ccd:e793::1 dev eth0 metric 1024 pref medium
default dev tun0 metric 1024 pref medium
default dev ppp0 scope link
`,
		want: []string{
			"1: unicast 0.0.0.0/0 via 172.18.0.1 dev eth0",
			"2: unicast 10.244.0.0/24 via 172.18.0.2 dev eth0",
			"3: unicast 172.18.0.0/16 dev eth0 src 172.18.0.3",
			"4: unicast 10.0.0.7/32 dev cali1",
			"5: unicast fc00:f853:ccd:e793::/64 dev eth0 metric 256",
			"6: unicast ::/0 via fc00:f853:ccd:e793::1 dev eth0 metric 1024",
			"7: unicast ::/0 dev tun0 metric 1024",
			"8: unicast 0.0.0.0/0 dev ppp0",
		},
	}, {
		name: "types and tables",
		text: `local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1 
broadcast 172.18.255.255 dev eth0 table local proto kernel scope link src 172.18.0.3 
blackhole 10.244.1.0/26 proto 80 
unreachable default metric 4294967295 pref medium
blackhole default
anycast fe80:: dev eth0 table local proto kernel metric 0 pref medium
`,
		want: []string{
			"1: local 127.0.0.1/32 dev lo src 127.0.0.1 table local",
			"2: broadcast 172.18.255.255/32 dev eth0 src 172.18.0.3 table local",
			"3: blackhole 10.244.1.0/26",
			"4: unreachable ::/0 metric 4294967295",
			"5: blackhole 0.0.0.0/0",
			"6: anycast fe80::/128 dev eth0 table local",
		},
	}, {
		name: "several next hops, a gateway of the other family, a tunnel",
		text: "default proto static metric 20 \n\tnexthop via 10.0.0.1 dev eth0 weight 1 \n\tnexthop via 10.0.0.2 dev eth1 weight 1 \n" +
			"10.1.0.0/16 via inet6 fe80::1 dev eth0 \ndefault via inet6 fe80::1 dev eth0 \n10.2.0.0/16  encap ip id 1 src 10.9.0.1 dst 10.9.0.2 ttl 0 via 10.0.0.9 dev vxlan0\n",
		want: []string{
			"2: unicast 0.0.0.0/0 via 10.0.0.1 dev eth0 metric 20",
			"3: unicast 0.0.0.0/0 via 10.0.0.2 dev eth1 metric 20",
			"4: unicast 10.1.0.0/16 via fe80::1 dev eth0",
			"5: unicast 0.0.0.0/0 via fe80::1 dev eth0",
			"6: unicast 10.2.0.0/16 via 10.0.0.9 dev vxlan0",
		},
	}, {
		name: "host bits are no part of a destination",
		text: "10.0.0.7/24 dev eth0 \n",
		want: []string{"1: unicast 10.0.0.0/24 dev eth0"},
	}, {
		name: "what follows",
		text: "default via 10.0.0.1 dev eth0\n\nand the rest\n",
		want: []string{"1: unicast 0.0.0.0/0 via 10.0.0.1 dev eth0", "next 2: "},
	}, {
		name: "malformed lines, the rest is kept",
		text: "default via 10.0.0.300 dev eth0\n10.0.0.0/33 dev eth0\n10.0.1.0/24 dev eth0 src nowhere\n10.0.2.0/24 dev eth0 metric many\n\tnexthop via 10.0.0.2 dev eth1\n10.0.3.0/24 dev eth0\n",
		want: []string{
			"6: unicast 10.0.3.0/24 dev eth0",
			`error: ip.txt:1: found "default via 10.0.0.300 dev eth0", expected the gateway's address behind via (1)`,
			`error: ip.txt:2: found "10.0.0.0/33 dev eth0", expected a destination: default, an address or a prefix (1)`,
			`error: ip.txt:3: found "10.0.1.0/24 dev eth0 src nowhere", expected an address behind src (1)`,
			`error: ip.txt:4: found "10.0.2.0/24 dev eth0 metric many", expected a number behind metric (1)`,
			`error: ip.txt:5: found "nexthop via 10.0.0.2 dev eth1", expected a line before it with the route's destination (1)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plainRoutes(iproute.ParseRoute(start(test.text), native))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseRouteJSON(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "as ip -j prints it",
		text: `[{"dst":"default","gateway":"172.18.0.1","dev":"eth0","flags":[]},{"dst":"172.18.0.0/16","dev":"eth0","protocol":"kernel","scope":"link","prefsrc":"172.18.0.3","flags":[]},{"type":"local","dst":"127.0.0.1","dev":"lo","table":"local","flags":[]},{"dst":"default","dev":"tun0","metric":1024,"pref":"medium"}]`,
		want: []string{
			"1: unicast 0.0.0.0/0 via 172.18.0.1 dev eth0",
			"1: unicast 172.18.0.0/16 dev eth0 src 172.18.0.3",
			"1: local 127.0.0.1/32 dev lo table local",
			"1: unicast ::/0 dev tun0 metric 1024",
		},
	}, {
		name: "several next hops, a gateway of the other family",
		text: `[{"dst":"default","metric":20,"nexthops":[{"gateway":"10.0.0.1","dev":"eth0","weight":1},{"gateway":"10.0.0.2","dev":"eth1"}]},` + "\n" + `{"dst":"default","nexthops":[{"gateway":"fe80::1","dev":"eth0"}]},{"dst":"10.1.0.0/16","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0"},{"dst":"default","via":{"family":"inet6","host":"fe80::1"},"dev":"eth0"}]`,
		want: []string{
			"1: unicast 0.0.0.0/0 via 10.0.0.1 dev eth0 metric 20",
			"1: unicast 0.0.0.0/0 via 10.0.0.2 dev eth1 metric 20",
			"2: unicast ::/0 via fe80::1 dev eth0",
			"2: unicast 10.1.0.0/16 via fe80::1 dev eth0",
			"2: unicast 0.0.0.0/0 via fe80::1 dev eth0",
		},
	}, {
		name: "malformed, the rest is kept",
		text: "[{\"dst\":\"10.0.0.0/33\"},\n{\"dst\":\"10.0.0.0/8\",\"gateway\":\"x\"},\n{\"dst\":\"10.0.0.0/8\",\"dev\":\"eth0\"}]\n",
		want: []string{
			"3: unicast 10.0.0.0/8 dev eth0",
			`error: ip.txt:1: found "{\"dst\":\"10.0.0.0/33\"}", expected dst to be default, an address or a prefix (1)`,
			`error: ip.txt:2: found "{\"dst\":\"10.0.0.0/8\",\"gateway\":\"x\"}", expected a route with dst, gateway and dev (1)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plainRoutes(iproute.ParseRouteJSON(start(test.text)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRouteBegins(t *testing.T) {
	for line, want := range map[string]bool{
		"default via 10.0.0.1 dev eth0":                true,
		"10.244.0.0/24 dev cni0 proto kernel":          true,
		"fe80::/64 dev eth0 proto kernel metric 256":   true,
		"blackhole 10.244.1.0/26":                      true,
		"unreachable default dev lo metric 4294967295": true,
		"default nhid 12 proto static":                 true,
		"default":                                      false,
		"default via the gateway":                      false,
		"default dev":                                  false,
		"10.0.0.1 is the gateway":                      false,
		"local development":                            false,
		"unreachable":                                  false,
		"10.96.0.10 . tcp . 53 : goto service-x":       false,
		"-A INPUT -j ACCEPT":                           false,
		"":                                             false,
		"172.18.0.1 dev eth0 lladdr 02:42:ac:12:00:01 STALE": false, // ip neigh
		"172.18.0.9 dev eth0  FAILED":                        false,
	} {
		if got := iproute.RouteBegins(line); got != want {
			t.Errorf("RouteBegins(%q) = %v", line, got)
		}
	}
}

func TestRoutesOfSample(t *testing.T) {
	text, err := os.ReadFile("../../samples/service-zoo/ip-route.txt")
	if err != nil {
		t.Fatal(err)
	}
	routes, diags, next := iproute.ParseRoute(start(string(text)), native)
	if len(routes) != strings.Count(string(text), "\n") || len(diags) > 0 || next.More() {
		t.Errorf("%d routes, remarks %v, ends at line %d", len(routes), diags, next.Line)
	}
}

func FuzzRoute(f *testing.F) {
	f.Add("default via 10.0.0.1 dev eth0\n\tnexthop via 10.0.0.2 dev eth1 weight 1\n\nblackhole 10.0.0.0/8\n")
	f.Add(`[{"dst":"default","nexthops":[{"gateway":"10.0.0.1","dev":"eth0"}]},` + "\n{]")
	f.Fuzz(func(t *testing.T, text string) {
		at := start(text)
		if !at.More() {
			return
		}
		check := func(routes []snapshot.Route, diags []source.Diagnostic, next source.Cursor) {
			for _, r := range routes {
				if !r.Dst.IsValid() || r.Dst != r.Dst.Masked() || r.Type == "" || r.Table == "" {
					t.Errorf("invalid route %+v", r)
				}
			}
			checkCursor(t, text, diags, next)
		}
		routes, diags, next := iproute.ParseRoute(at, native)
		check(routes, diags, next)
		if line, _ := at.Next(); iproute.RouteBegins(line) && next.Offset == 0 {
			t.Errorf("%q begins and is not read", line)
		}
		check(iproute.ParseRouteJSON(at))
	})
}
