package trace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// Chains that deal packets out are gone through rule by rule where there are
// paths: what comes of it must be the same without. Their chains of endpoints
// are kube-proxy's, and others that are nearly so.
func TestDealsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		from := rapid.SampledFrom([]trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode}).Draw(rt, "from")
		client := rapid.SampledFrom([]string{"198.51.100.7", "10.1.0.2", ""}).Draw(rt, "source")
		if from == trace.FromNode && client != "" {
			client = "192.0.2.10"
		}
		nodeKnown := rapid.Bool().Draw(rt, "node known")
		dump := drawDeal(rt, nodeKnown && client != "") // else each endpoint asks a question, and they multiply
		if nodeKnown {
			dump += node
		}
		s := read(t, dump)
		tracer := trace.New(s)
		for _, to := range []string{"10.96.0.1:80", "10.96.0.1:80/udp"} {
			f := flow(from, client, to)
			f.State = rapid.SampledFrom([]netfilter.ConnStates{netfilter.StateNew, netfilter.StateNew, netfilter.StateRelated, netfilter.StateUntracked}).Draw(rt, "state")
			got := checkDeal(rt, tracer, f, dump)
			if len(got.Outcomes) < 64 && got.Outcomes[0].Verdict != trace.Unknown { // which many branches make it
				checkMeets(t, tracer, f)
			}
		}
	})
}

// A chain of an endpoint that the packet is in already is part of a loop, as it is
// rule by rule.
func TestDealsInLoops(t *testing.T) {
	s := read(t, save(`*nat
		-A PREROUTING -j SEP
		-A SEP -m mark --mark 0x0/0x1 -j SVC
		-A SEP -j DNAT --to-destination 10.1.0.1:8080
		-A SVC -j MARK --set-xmark 0x1/0x1
		-A SVC -m statistic --mode random --probability 0.5 -j SEP
		-A SVC -m statistic --mode random --probability 0.5 -j SEP`)+node)
	if tr := checkDeal(t, trace.New(s), outside("10.96.0.1:80"), ""); tr.Outcomes[len(tr.Outcomes)-1].Verdict != trace.Unknown {
		t.Errorf("got %q, want a loop", summary(tr))
	}
}

// checkDeal holds a trace without paths against one with them.
func checkDeal(t interface{ Fatalf(string, ...any) }, tracer *trace.Tracer, f trace.Flow, dump string) *trace.Trace {
	want, err := tracer.Trace(f)
	if err != nil {
		t.Fatalf("%v", err)
	}
	got, err := tracer.TraceOutcomes(f)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if len(want.Outcomes) == 0 {
		t.Fatalf("no outcomes: %v\n%s", f, dump)
	}
	if diff := cmp.Diff(ends(want), ends(got)); diff != "" {
		t.Fatalf("%s %s to %s (-rule by rule +dealt):\n%s\n%s", f.From, f.Source, f.Destination, diff, dump)
	}
	if diff := cmp.Diff(want.Diagnostics, got.Diagnostics); diff != "" {
		t.Fatalf("%s\n%s", diff, dump)
	}
	return got
}

// drawDeal makes a service's chain and those of its endpoints, which may be many.
func drawDeal(t *rapid.T, many bool) string {
	var nat, filter strings.Builder
	questions := 0
	one := func(label string, of ...string) string {
		drawn := rapid.SampledFrom(of).Draw(t, label)
		if strings.Contains(drawn, "bpf") || strings.Contains(drawn, "recent") {
			if questions++; questions > 3 { // they multiply
				return of[0]
			}
		}
		return drawn
	}
	fmt.Fprintf(&nat, "*nat\n-A PREROUTING%s -j SVC\n-A OUTPUT -j SVC\n", one("before", "", " -d 10.96.0.1/32", " -i eth0"))
	nat.WriteString("-A MASQ -j MARK --set-xmark 0x4000/0x4000\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE\n")
	if rapid.Bool().Draw(t, "marks") {
		nat.WriteString("-A SVC ! -s 10.1.0.0/16 -j MASQ\n")
	}
	usual := rapid.Bool().Draw(t, "all usual")
	number := rapid.IntRange(1, 4).Draw(t, "endpoints")
	if usual && many {
		number *= 5 // more than are looked through one by one
	}
	for i := range number {
		chance := ""
		if i < number-1 || !usual && rapid.Bool().Draw(t, "last by chance") {
			chance = one("chance", " -m statistic --mode random --probability 0.25", " -m statistic --mode random --probability 0.5", " -m statistic --mode nth --every 3 --packet 0")
		}
		more := ""
		if !usual {
			more = one("more", "", "", "", " -m comment --comment x", " -p tcp", " -m mark --mark 0x4000/0x4000", " -m bpf --bytecode \"1,6 0 0 65535\"",
				" -m statistic --mode random --probability 0.5", " -m statistic --mode random --probability 0", " -m recent --name R --rcheck --seconds 60 --reap --mask 255.255.255.255 --rsource")
		}
		jump := "-j"
		if !usual {
			jump = one("jump", "-j", "-j", "-j", "-g")
		}
		to := i
		if !usual {
			to = rapid.IntRange(0, number-1).Draw(t, "to")
		}
		fmt.Fprintf(&nat, "-A SVC%s%s %s SEP%d\n", more, chance, jump, to)
		if !usual && rapid.IntRange(0, 5).Draw(t, "between") == 0 {
			fmt.Fprintf(&nat, "-A SVC %s\n", one("other", "-j LOG", "-j MASQ", "-m statistic --mode random --probability 0.5 -j RETURN", "-m bpf --bytecode \"1,6 0 0 65535\" -j MASQ", "-j CONNMARK --set-xmark 0x1/0x1"))
		}
	}
	for i := range number {
		chain := fmt.Sprintf("-A SEP%d", i)
		address := fmt.Sprintf("10.1.0.%d", i+1)
		if usual {
			fmt.Fprintf(&nat, "%s -s %s/32 -j MASQ\n%s -p tcp -m tcp -j DNAT --to-destination %s:8080\n", chain, address, chain, address)
			continue
		}
		if n := rapid.IntRange(0, number+1).Draw(t, "same address"); n < number {
			address = fmt.Sprintf("10.1.0.%d", n+1)
		}
		before := []string{"", "-s " + address + "/32 -j MASQ", "-s " + address + "/32 -j MASQ", "! -s " + address + "/32 -j MASQ", "-s 10.1.0.0/24 -j MASQ", "-j LOG", "-j MASQ", "-m mark --mark 0x4000/0x4000 -j LOG",
			"-m bpf --bytecode \"1,6 0 0 65535\" -j LOG", "-m bpf --bytecode \"1,6 0 0 65535\" -j MASQ", "-m recent --name R --set --mask 255.255.255.255 --rsource", "-i eth0 -j RETURN", "-o eth0 -j RETURN", "-m statistic --mode random --probability 0.5 -j RETURN",
			"-m addrtype --dst-type LOCAL -j RETURN", "-d 10.96.0.1/32 -j MASQ", "-j SVC", "-m mark --mark 0x1 -j SVC"}
		for range rapid.IntRange(0, 2).Draw(t, "rules before") {
			if rule := one("before", before...); rule != "" && !(strings.Contains(rule, "SVC") && rapid.IntRange(0, 9).Draw(t, "loop") > 0) {
				fmt.Fprintf(&nat, "%s %s\n", chain, rule)
			}
		}
		match := one("match", "-p tcp -m tcp", "-p tcp -m tcp", "-p tcp -m tcp --dport 80", "-p udp -m udp", "-p tcp -m recent --name R --set --mask 255.255.255.255 --rsource -m tcp", "-p tcp -m mark --mark 0x4000/0x4000 -m tcp", "-p tcp -m bpf --bytecode \"1,6 0 0 65535\"")
		target := one("target", "DNAT --to-destination "+address+":8080", "DNAT --to-destination "+address+":8080", "DNAT --to-destination "+address, "DNAT --to-destination "+address+":8080-8083", "DNAT --to-destination "+address+":8080-8083 --random",
			"DNAT --to-destination 10.1.0.1-10.1.0.3:80", "DNAT --to-destination 10.96.0.1:80", "DNAT --to-destination 192.0.2.10:80", "REDIRECT --to-ports 80", "RETURN", "ACCEPT", "MASQ", "DNAT --to-destination :81")
		fmt.Fprintf(&nat, "%s %s -j %s\n", chain, match, target)
	}
	filter.WriteString("*filter\n")
	for _, rule := range []string{"-A FORWARD -d 10.1.0.2/32 -j DROP", "-A INPUT -p tcp -m tcp --dport 8081 -j REJECT", "-A FORWARD -d 10.1.0.0/30 -j LOG", "-A FORWARD -m mark ! --mark 0x4000/0x4000 -j REJECT", "-A FORWARD -m conntrack --ctstate DNAT -j ACCEPT"} {
		if rapid.IntRange(0, 3).Draw(t, "filter") == 0 {
			filter.WriteString(rule + "\n")
		}
	}
	return save(slices.DeleteFunc([]string{nat.String(), filter.String()}, func(s string) bool { return s == "" })...)
}
