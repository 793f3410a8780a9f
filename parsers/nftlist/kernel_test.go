package nftlist

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
)

// TestKernelTakesWhatIsPrinted loads what is printed of the recordings and of
// the grammar, and has nft list it again.
func TestKernelTakesWhatIsPrinted(t *testing.T) {
	kerneltest.Require(t, "ip", "nft")
	ns := kerneltest.New(t)
	ns.Run(t, "", "ip", "link", "set", "lo", "up")
	ns.Run(t, "", "ip", "tuntap", "add", "cni0", "mode", "tun") // rules test for it, by index
	for _, path := range append(recordings(t), zooText, grammarText) {
		printed := native(parseText(readFile(t, path).Text))
		ns.Run(t, "flush ruleset\n"+printed, "nft", "-f", "-")
		for _, flags := range []string{"-y", "-a", "-s", "-n", "-nn"} {
			d := parseText(ns.Settled(t, "nft", flags, "list", "ruleset"))
			got := native(d)
			want := printed
			if flags == "-s" {
				want, got = withoutState(want), withoutState(got)
			}
			if len(d.Diagnostics) > 0 {
				t.Errorf("%s, nft %s: %v", path, flags, d.Diagnostics)
			}
			if path == grammarText && strings.HasPrefix(flags, "-n") {
				continue // with numbers for days and groups, which are kept as they are written
			}
			if diff := cmp.Diff(sorted(volatile(want)), sorted(volatile(got))); diff != "" {
				t.Errorf("%s, nft %s (-printed +listed):\n%s", path, flags, diff)
			}
		}
	}
}

// recordings are listings of nodes in nftables mode, one of each generation of
// kube-proxy's layout. SVCPATH_RECORDINGS names a directory with more of them.
func recordings(t *testing.T) []string {
	t.Helper()
	patterns := []string{"../../samples/testdata/nftables/zoo-*-nftables/nft-ruleset.txt"}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		patterns = append(patterns, filepath.Join(more, "*nftables*", "nft-ruleset.txt"))
	}
	var all []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	if len(all) == 0 {
		t.Fatal("there are no recordings of nftables mode")
	}
	return all
}

// volatile takes off what differs from one moment to the next.
func volatile(text string) string {
	return strings.Join(strings.Fields(leftOutTimes.ReplaceAllString(text, "")), " ")
}

// sorted is the text by elements and rules: nft lists the elements of a set in
// the kernel's order.
func sorted(text string) map[string]int {
	parts := map[string]int{}
	for part := range strings.SplitSeq(text, ", ") {
		for word := range strings.FieldsSeq(part) {
			parts[word]++
		}
	}
	return parts
}

// TestKernelAndModelAgree loads rulesets made up over the whole grammar, and
// compares what nft lists of them, as text and as JSON, with what is read and
// printed.
func TestKernelAndModelAgree(t *testing.T) {
	kerneltest.Require(t, "ip", "nft")
	ns := kerneltest.New(t)
	ns.Run(t, "", "ip", "link", "set", "lo", "up")
	rapid.Check(t, func(rt *rapid.T) {
		ruleset := drawRuleset(rt)
		load := func(text string) {
			cmd := ns.Command("nft", "-f", "-")
			cmd.Stdin = strings.NewReader("flush ruleset\n" + text)
			if out, err := cmd.CombinedOutput(); err != nil {
				rt.Fatalf("nft refuses\n%s\n%v: %s", text, err, out)
			}
		}
		load(ruleset)
		listed := ns.Settled(t, "nft", "list", "ruleset")
		d := parseText(listed)
		if d.Skipped != 0 || len(d.Diagnostics) != 0 {
			rt.Fatalf("of\n%s\nskipped %d: %v", listed, d.Skipped, d.Diagnostics)
		}
		for _, table := range d.Tables {
			if !table.Complete {
				rt.Fatalf("table %s of\n%s\nis not taken for whole", table.Name, listed)
			}
			for r := range table.Rules() {
				if r.String() != r.Text() || hasLost(r) {
					rt.Fatalf("printed  %s\nexpected %s", r, r.Text())
				}
			}
			for _, s := range table.Sets() {
				checkLookups(rt, s)
			}
		}
		js := parseJSON(ns.Settled(t, "nft", "-j", "list", "ruleset"))
		if diff := cmp.Diff(withoutLeftOut(d), withoutLeftOut(js)); diff != "" || len(js.Diagnostics) != 0 {
			rt.Fatalf("JSON says %v, differs from text (-text +JSON):\n%s", js.Diagnostics, diff)
		}
		load(native(d))
		again := ns.Settled(t, "nft", "list", "ruleset")
		if diff := cmp.Diff(strings.Split(listed, "\n"), strings.Split(again, "\n")); diff != "" {
			rt.Fatalf("listed again (-first +again):\n%s", diff)
		}
	})
}

// withoutLeftOut are the lines of tables without what JSON leaves out. It has no
// "dynamic" either; where rules add to the set, the model has it.
func withoutLeftOut(d *Dump) []string {
	return strings.Split(strings.ReplaceAll(leftOut.ReplaceAllString(native(d), ""), "dynamic,", ""), "\n")
}

func checkLookups(rt *rapid.T, s *netfilter.Set) {
	for i, e := range s.Elements() {
		if e.First != "" && (s.Find(e.First) != i || s.Find(e.Last) != i) {
			rt.Fatalf("element %d of set %s is found as %d and %d", i, s.Name, s.Find(e.First), s.Find(e.Last))
		}
	}
}

// A maker draws parts of rulesets.
type maker struct {
	*rapid.T
	family string // of the table
	ip     string // "ip" or "ip6": of the rule's addresses
	nat    bool
}

func drawRuleset(rt *rapid.T) string {
	m := &maker{T: rt, family: rapid.SampledFrom([]string{"ip", "ip6", "inet"}).Draw(rt, "family")}
	m.ip = m.family
	if m.family == "inet" {
		m.ip = rapid.SampledFrom([]string{"ip", "ip6"}).Draw(rt, "addresses")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table %s t {\n", m.family)
	addr := map[string]string{"ip": "ipv4_addr", "ip6": "ipv6_addr"}[m.ip]
	fmt.Fprintf(&b, "set addresses { type %s; elements = { %s } }\n", addr, m.list(m.someAddresses()))
	fmt.Fprintf(&b, "set ranges { type %s; flags interval; elements = { %s } }\n", addr, m.list(m.someRanges()))
	fmt.Fprintf(&b, "set entries { type %s . inet_proto . inet_service; elements = { %s } }\n", addr, m.list(m.entries(m.someAddresses())))
	fmt.Fprintf(&b, "set wide { type %s . inet_service; flags interval; elements = { %s } }\n", addr, m.list(withPorts(m.someRanges())))
	fmt.Fprintf(&b, "set seen { type %s; flags dynamic,timeout; timeout %s; size 100; }\n", addr, m.one("time", "3h", "10s", "1d2h"))
	fmt.Fprintf(&b, "map verdicts { type %s . inet_proto . inet_service : verdict; elements = { %s } }\n", addr, m.list(m.mapped(m.entries(m.someAddresses()), "accept", "drop", "jump plain", "goto plain", "return")))
	fmt.Fprintf(&b, "map marks { type %s : mark; flags interval; elements = { %s } }\n", addr, m.list(m.mapped(m.someRanges(), "0x1", "0x4000", "0xffffffff")))
	fmt.Fprintf(&b, "chain plain {\n counter\n}\n")
	fmt.Fprintf(&b, "chain filters {\n type filter hook prerouting priority %s; policy %s;\n",
		m.one("priority", "filter", "raw", "mangle - 3", "dstnat + 7", "-42", "dstnat"), m.one("policy", "accept", "drop"))
	for range rapid.IntRange(0, 6).Draw(rt, "rules") {
		b.WriteString(" " + m.rule() + "\n")
	}
	b.WriteString("}\nchain nats {\n type nat hook prerouting priority dstnat;\n")
	m.nat = true
	for range rapid.IntRange(0, 4).Draw(rt, "nat rules") {
		b.WriteString(" " + m.rule() + "\n")
	}
	b.WriteString("}\nchain sources {\n type nat hook postrouting priority srcnat;\n")
	for range rapid.IntRange(0, 2).Draw(rt, "source rules") {
		b.WriteString(" meta l4proto tcp " + m.one("source nat", "masquerade", "masquerade fully-random", "masquerade to :1024-2048 random", "snat "+m.ip+" to "+m.address()+" persistent") + "\n")
	}
	b.WriteString("}\n}\n")
	return b.String()
}

func (m *maker) one(label string, of ...string) string {
	return rapid.SampledFrom(of).Draw(m.T, label)
}

func (m *maker) list(parts []string) string { return strings.Join(parts, ", ") }

func (m *maker) address() string {
	if m.ip == "ip" {
		return m.one("address", "10.0.0.1", "192.0.2.77", "255.255.255.255", "1.2.3.4")
	}
	return m.one("address", "fd00::1", "2001:db8::77", "::1", "fe80::a:b:c:d")
}

// someAddresses are different addresses.
func (m *maker) someAddresses() []string {
	pattern := "10.0.%d.7"
	if m.ip == "ip6" {
		pattern = "fd00::%x:7"
	}
	return m.some(pattern)
}

func (m *maker) some(patterns ...string) (list []string) {
	for i := range rapid.IntRange(1, 5).Draw(m.T, "how many") {
		list = append(list, fmt.Sprintf(m.one("pattern", patterns...), 2*i+1)) // nft makes one of neighbours
	}
	return list
}

// someRanges are addresses, prefixes and ranges apart from one another.
func (m *maker) someRanges() []string {
	if m.ip == "ip" {
		return m.some("10.%d.0.1", "10.%d.0.0/16", "10.%[1]d.3.0/25", "10.%[1]d.0.3-10.%[1]d.7.9")
	}
	return m.some("fd00:%x::1", "fd00:%x::/32", "fd00:%[1]x:1::-fd00:%[1]x:2::9")
}

func (m *maker) entries(addresses []string) (list []string) {
	for _, a := range addresses {
		list = append(list, a+" . "+m.one("protocol", "tcp", "udp", "sctp")+" . "+m.one("port", "80", "53", "65535"))
	}
	return list
}

func withPorts(ranges []string) (list []string) {
	for i, r := range ranges {
		list = append(list, fmt.Sprintf("%s . %s", r, []string{"80", "8000-9000", "0-1023"}[i%3]))
	}
	return list
}

func (m *maker) mapped(keys []string, values ...string) (list []string) {
	for _, k := range keys {
		list = append(list, k+" : "+m.one("value", values...))
	}
	return list
}

func (m *maker) rule() string {
	var parts []string
	for range rapid.IntRange(0, 3).Draw(m.T, "matches") {
		parts = append(parts, m.match())
	}
	for range rapid.IntRange(0, 2).Draw(m.T, "statements") {
		parts = append(parts, m.statement())
		if rapid.Bool().Draw(m.T, "a match behind") {
			parts = append(parts, m.match())
		}
	}
	parts = append(parts, m.end())
	if rapid.IntRange(0, 3).Draw(m.T, "comment") == 0 {
		parts = append(parts, `comment "ns/name: {a} # b"`)
	}
	rule := strings.Join(parts, " ")
	protocols := 0
	for _, name := range [...]string{"tcp", "udp", "sctp", "icmp"} {
		if strings.Contains(rule, name) {
			protocols++
		}
	}
	if protocols > 1 {
		return parts[0] // nft refuses what no packet can match
	}
	if less := strings.Index(rule, " < "); less >= 0 && strings.Contains(rule[less:], " > ") {
		return parts[0] // nft lists "meta random < 1 meta mark > 2" as "meta mark != 1-2"
	}
	return rule
}

func (m *maker) match() string {
	not := m.one("not", "", "", "!= ")
	ip := m.ip
	return m.one("match",
		ip+" saddr "+not+m.address(),
		ip+" daddr "+not+m.one("network", map[string]string{"ip": "10.0.0.0/8", "ip6": "fd00::/8"}[ip], map[string]string{"ip": "10.0.0.1-10.0.0.9", "ip6": "fd00::1-fd00::9"}[ip]),
		ip+" daddr "+not+"@addresses", ip+" saddr @ranges", ip+" saddr "+not+"{ "+m.list(m.someRanges())+" }",
		ip+" daddr . meta l4proto . th dport @entries", ip+" saddr . tcp dport @wide",
		"tcp dport "+not+"80", "udp sport 1000-2000", "sctp dport 3868", "tcp dport "+not+"{ 22, 80, 8000-9000 }", "th dport 53", "tcp sport >= 1024", "tcp dport < 5",
		"tcp flags syn / fin,syn,rst,ack", "tcp flags & (syn|ack) != syn", "tcp flags syn", "tcp flags { fin, rst }",
		"meta l4proto "+not+"udp", "meta l4proto { tcp, udp }", "meta mark "+not+"0x4000", "meta mark & 0xff "+m.one("relation", "==", "!=", "<", ">")+" 0x12",
		"ct state new", "ct state "+not+"established", "ct state established,related", "ct state { invalid, new }", "ct status dnat", "ct status snat,dnat",
		"ct mark & 0xf0 == 0x10", "ct direction original", "ct original "+ip+" daddr "+not+m.address(), "tcp dport 80 ct original proto-dst 80",
		`iifname "eth0"`, `iifname "veth*"`, `iif "lo"`, `iifname { "a", "b*" }`,
		"fib daddr type "+not+"local", "fib saddr type { local, broadcast }", "fib saddr . iif oif missing",
		"numgen random mod 3 1", "numgen inc mod 2 offset 5 5", "symhash mod 7 3", "jhash "+ip+" saddr mod 4 seed 0xbeef 2",
		"limit rate 10/second", "limit rate over 3/minute burst 9 packets", "limit rate 5 kbytes/second burst 2 mbytes", "quota over 10 mbytes", "ct count over 20",
		"meta length 100-1000", "meta pkttype broadcast", "meta skuid 1000", "meta skgid != 0", "meta cpu 1", "meta random & 2147483647 < 1073741824",
		"ether saddr 00:11:22:33:44:55", "socket transparent 1")
}

func (m *maker) statement() string {
	return m.one("statement",
		"counter", "counter packets 5 bytes 600", "meta mark set 0x1", "meta mark set meta mark | 0x4000", "meta mark set meta mark ^ 0x4000",
		"meta mark set meta mark & 0xffff00ff", "meta mark set meta mark & 0xff0 | 0x7", "ct mark set meta mark", "meta mark set ct mark & 0xff",
		"ct mark set ct mark | 0x2", "meta mark set "+m.ip+" saddr map @marks", "meta mark set numgen inc mod 4 offset 8", "meta mark set meta mark << 2",
		"meta mark set jhash "+m.ip+" saddr mod 3", "meta priority set 1:2", `log prefix "a: " level debug flags ip options`, "log group 3 snaplen 20", "log",
		"update @seen { "+m.ip+" saddr }", "add @seen { "+m.ip+" saddr timeout 5s }", "delete @seen { "+m.ip+" saddr }",
		"add @seen { "+m.ip+" daddr limit rate over 5/second }")
}

// end is a statement that ends the rule, or nothing.
func (m *maker) end() string {
	ip := m.ip
	if m.nat {
		pod, other := "10.1.0.1", "10.1.0.2"
		target := "10.1.0.1:80"
		if ip == "ip6" {
			pod, other, target = "fd01::1", "fd01::2", "[fd01::1]:80"
		}
		return "meta l4proto tcp " + m.one("nat", "dnat "+ip+" to "+pod, "dnat "+ip+" to "+target+" random,persistent", "redirect to :8080", "redirect",
			"dnat "+ip+" to numgen random mod 2 map { 0 : "+pod+" . 80, 1 : "+other+" . 8080 }",
			"dnat "+ip+" to "+ip+" daddr . tcp dport map { "+m.address()+" . 80 : "+pod+" . 81 }",
			"dnat "+ip+" to "+ip+" saddr map { "+m.address()+" : "+pod+" }")
	}
	return m.one("end", "accept", "drop", "return", "continue", "jump plain", "goto plain", "counter",
		ip+" daddr . meta l4proto . th dport vmap @verdicts", "numgen random mod 2 vmap { 0 : jump plain, 1 : goto plain }",
		"tcp dport vmap { 80 : accept, 81-90 : drop, 100 : continue }", "meta mark vmap { 0x1 : accept }", "ct state vmap { new : accept, established : drop }")
}
