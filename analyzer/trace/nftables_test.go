package trace_test

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestNFT follows packets through tables of nftables, one chain of which is
// put where "…" stands: at hook forward, with the policy accept.
func TestNFT(t *testing.T) {
	const there = "203.0.113.5:80"
	to := outside(there)
	noSource := flow(trace.FromExternal, "", there)
	accept, drop := []string{"accept"}, []string{"drop"}
	yesOrNo := func(what string) []string {
		return []string{"drop if " + what + " matches", "accept if " + what + " does not match"}
	}
	for _, test := range []struct {
		about, sets, rules string
		flow               trace.Flow
		want               []string
	}{
		{"a set", "set s { type ipv4_addr\n elements = { 198.51.100.7 } }", "ip saddr @s drop", to, drop},
		{"a set, not", "set s { type ipv4_addr\n elements = { 198.51.100.7 } }", "ip saddr != @s drop", to, accept},
		{"an address that is not known", "set s { type ipv4_addr\n elements = { 198.51.100.7 } }", "ip saddr @s drop", noSource, yesOrNo("ip saddr @s")},
		{"a concatenation of which one part is not known", "", "ip saddr . tcp dport { 198.51.100.7 . 80 } drop", noSource, yesOrNo("ip saddr . tcp dport { 198.51.100.7 . 80 }")},
		{"a concatenation whose other part excludes it", "", "ip saddr . tcp dport { 198.51.100.7 . 81 } drop", noSource, accept},
		{"a set that the input does not show", "", "ip saddr @s drop", to, yesOrNo("ip saddr @s")},
		{"what the packet does not have", "", "udp dport != 81 drop", to, accept},
		{"a set of what the packet does not have", "", "udp dport != { 81 } drop", to, accept},
		{"a length that nobody knows", "", "meta length > 100 drop", to, yesOrNo("meta length > 100")},
		{"a negation of what nobody knows", "", "meta length != 100 drop", to,
			[]string{"accept if meta length 100 matches", "drop if meta length 100 does not match"}},
		{"half of a mark", "", "meta mark set meta mark | 0x1 meta mark & 0x1 == 0x1 drop", to, drop},
		{"statements before matches", "", "meta mark set 0x7 ip daddr 10.9.9.9 accept\n meta mark 0x7 drop", to, drop},
		{"a map for marks", "map m { type ipv4_addr : mark\n elements = { 203.0.113.5 : 0x5 } }", "meta mark set ip daddr map @m\n meta mark 0x5 drop", to, drop},
		{"a map for marks that has none", "map m { type ipv4_addr : mark\n elements = { 203.0.113.6 : 0x5 } }", "meta mark set ip daddr map @m drop", to, accept},
		{"a verdict map", "", "tcp dport vmap { 80 : drop, 81 : accept }", to, drop},
		{"a verdict map that has none", "", "tcp dport vmap { 81 : accept }\n drop", to, drop},
		{"a verdict map with all others", "", "tcp dport vmap { 81 : accept, * : drop }", to, drop},
		{"a verdict map for what is not known", "", "ip saddr vmap { 10.0.0.0/8 : drop }", noSource,
			[]string{"drop if ip saddr is 10.0.0.0/8", "accept if ip saddr is not 10.0.0.0/8"}},
		{"dice", "", "numgen random mod 3 0 drop", to, []string{"accept 1431655765/2147483648", "drop 715827883/2147483648"}},
		{"dice that come in turn", "", "numgen inc mod 4 < 3 drop", to, []string{"accept 1/4", "drop 3/4"}},
		{"hashes", "", "jhash ip saddr mod 2 vmap { 0 : drop, 1 : accept }", to,
			[]string{"drop if jhash ip saddr mod 2 is 0", "accept if jhash ip saddr mod 2 is not 0"}},
		{"a set that rules fill", "set s { type ipv4_addr\n flags dynamic,timeout\n timeout 1m }", "ip saddr @s drop\n update @s { ip saddr }\n ip saddr @s drop", to,
			[]string{"drop"}},
		{"a set that rules fill, asked before", "set s { type ipv4_addr\n flags dynamic,timeout\n timeout 1m }", "ip saddr @s drop\n update @s { ip saddr }", to,
			[]string{"drop if 198.51.100.7 is in set s", "accept if 198.51.100.7 is not in set s"}},
		{"a set that rules take from", "set s { type ipv4_addr\n flags dynamic\n elements = { 198.51.100.7 } }", "delete @s { ip saddr }\n ip saddr @s drop", to, accept},
		{"a set that nobody changes", "set s { type ipv4_addr\n flags dynamic\n elements = { 198.51.100.7 } }", "ip saddr @s drop", to, drop},
		{"an element that expires", "set s { type ipv4_addr\n flags timeout\n elements = { 198.51.100.7 timeout 1m expires 5s } }", "ip saddr @s drop", to,
			[]string{"drop if 198.51.100.7 is in set s", "accept if 198.51.100.7 is not in set s"}},
		{"a full set", "set s { type ipv4_addr\n size 1\n flags dynamic\n elements = { 198.51.100.8 } }", "update @s { ip saddr } drop", to,
			[]string{"accept if set s is full", "drop if set s is not full"}},
		{"what routing says", "", "fib daddr type unicast drop", to, drop},
		{"what routing says by a map", "", "fib daddr type vmap { local : accept, unicast : drop }", to, drop},
		{"no connection", "", "ct mark != 0x1 drop", with(to, netfilter.StateInvalid), accept},
		{"a limit", "", "limit rate 5/second drop", to, yesOrNo("limit rate 5/second")},
		{"RETURN, to the policy", "", "return\n drop", to, accept},
		{"an empty chain", "chain c { }", "jump c\n drop", to, drop},
		{"goto does not come back", "chain c { }", "goto c\n drop", to, accept},
		{"a chain that returns", "chain c { return\n accept }", "jump c\n drop", to, drop},
		{"a raw part of the packet", "", "@th,16,16 80 drop", to, yesOrNo("@th,16,16 80")},
		{"a reset is for TCP", "", "reject with tcp reset\n drop", outside(there + "/udp"), drop},
	} {
		t.Run(test.about, func(t *testing.T) {
			text := fmt.Sprintf("table ip t {\n%s\nchain c0 {\ntype filter hook forward priority filter; policy accept;\n%s\n}\n}\n", test.sets, test.rules)
			got := summary(follow(t, read(t, text+node), test.flow))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNFTChains follows packets through chains of several hooks and priorities.
func TestNFTChains(t *testing.T) {
	chain := func(what string, rules ...string) string {
		return "chain " + strings.Map(func(r rune) rune {
			if strings.ContainsRune(` -"`, r) {
				return '_'
			}
			return r
		}, what) + " {\ntype " + what + "; policy accept;\n" + strings.Join(rules, "\n") + "\n}\n"
	}
	table := func(name string, parts ...string) string {
		return "table " + name + " {\n" + strings.Join(parts, "") + "}\n"
	}
	const dropsAll = "drop"
	for _, test := range []struct {
		about string
		text  string
		flow  trace.Flow
		want  []string
	}{
		{"accept ends its own base chain only", table("ip t", chain("filter hook forward priority -10", "accept"), chain("filter hook forward priority 10", dropsAll)),
			outside("203.0.113.5:80"), []string{"drop"}},
		{"a dormant table", table("ip t", "flags dormant\n", chain("filter hook forward priority 0", dropsAll)), outside("203.0.113.5:80"), []string{"accept"}},
		{"inet sees IPv6", table("inet t", chain("filter hook forward priority 0", "ip daddr 203.0.113.5 accept", dropsAll)), outside6("[2001:db8:5::5]:80"), []string{"drop"}},
		{"inet, negated, for the other family", table("inet t", chain("filter hook forward priority 0", "ip daddr != 203.0.113.5 drop")), outside6("[2001:db8:5::5]:80"), []string{"accept"}},
		{"an answer of the other family's", table("inet t", chain("filter hook forward priority 0", "reject with icmp host-unreachable", dropsAll)), outside6("[2001:db8:5::5]:80"), []string{"drop"}},
		{"nat runs its chains one after the other", table("ip t", chain("nat hook prerouting priority -90", "dnat to 10.1.0.7"), chain("nat hook prerouting priority -110", "accept"), chain("filter hook prerouting priority -95", "ip daddr 10.1.0.7 drop")),
			outside("203.0.113.5:80"), []string{"drop"}},
		{"iptables and nft on one node", save("*nat\n-A PREROUTING -j DNAT --to-destination 10.1.0.8") + table("ip t", chain("nat hook prerouting priority -110", "tcp dport 80 dnat to 10.1.0.7")),
			outside("203.0.113.5:80"), []string{"dnat 10.1.0.7:80"}},
		{"ingress of the device", table("netdev t", chain(`filter hook ingress device "eth0" priority 0`, dropsAll)), outside("203.0.113.5:80"), []string{"drop"}},
		{"ingress of another device", table("netdev t", chain(`filter hook ingress device "eth7" priority 0`, dropsAll)), outside("203.0.113.5:80"), []string{"accept"}},
		{"the last of equals runs first", table("ip t", chain("filter hook forward priority 0", "meta mark 0x1 drop")+strings.Replace(chain("filter hook forward priority 0", "meta mark set 0x1"), "chain ", "chain x", 1)),
			outside("203.0.113.5:80"), []string{"drop"}},
	} {
		t.Run(test.about, func(t *testing.T) {
			got := summary(follow(t, read(t, test.text+node), test.flow))
			for i, s := range got { // most of these have no table filter
				got[i], _, _ = strings.Cut(s, " if table filter, which was not captured")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestNFTSums holds the promise about probabilities over a recording, with
// sources that are not known.
func TestNFTSums(t *testing.T) {
	dir := filepath.Join("../../samples/testdata/nftables/service-zoo")
	var text strings.Builder
	for _, name := range []string{"nft-ruleset.txt", "ip-addr.txt", "ip-route.txt"} {
		part, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		text.Write(part)
	}
	s := read(t, text.String())
	tracer := trace.New(s)
	for _, d := range mapDestinations(s) {
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
			f := trace.Flow{From: from, Destination: d.address, Port: d.port, Protocol: d.protocol}
			if err := tracer.CheckSum(f); err != nil {
				t.Errorf("%+v: %v", f, err)
			}
		}
	}
}

// mapDestinations are what kube-proxy's maps have: addresses with ports, and
// node ports on the node's address.
func mapDestinations(s *snapshot.Snapshot) []dialled {
	var all []dialled
	for _, table := range s.Tables {
		for _, set := range table.Sets() {
			if !set.Verdicts {
				continue
			}
			for _, e := range set.Elements() {
				parts := e.First.Split(set.Key)
				d := dialled{address: netip.MustParseAddr("172.18.0.3")}
				if table.Family == netfilter.IPv6 {
					d.address = netip.MustParseAddr("fc00:f853:ccd:e793::3")
				}
				if len(parts) == 3 {
					d.address, _ = parts[0].Addr()
					parts = parts[1:]
				}
				if len(parts) == 2 {
					d.protocol, d.port = uint8(parts[0].Uint()), uint16(parts[1].Uint())
					all = append(all, d)
				}
			}
		}
	}
	return all
}
