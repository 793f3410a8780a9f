package trace_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// sameAsAlone compares what packets come to that go with others with what they
// come to each by itself.
func sameAsAlone(t interface{ Fatalf(string, ...any) }, s *snapshot.Snapshot, flows []trace.Flow) {
	// Rests would leave few chains for them.
	together, alone := trace.New(s).WithoutRests().FellowsFrom(2), trace.New(s).WithoutRests().FellowsFrom(math.MaxInt)
	for _, f := range flows {
		for how, follow := range map[string]func(*trace.Tracer, trace.Flow) (*trace.Trace, error){
			"explained": (*trace.Tracer).Trace, "without paths": (*trace.Tracer).TraceOutcomes,
		} {
			got, err := follow(together, f)
			if err != nil {
				t.Fatalf("%v", err)
			}
			want, err := follow(alone, f)
			if err != nil {
				t.Fatalf("%v", err)
			}
			if diff := cmp.Diff(explained(want), explained(got)); diff != "" {
				t.Fatalf("%s, %s %s to %s:%d (-each by itself +with others):\n%s", how, f.From, f.Source, f.Destination, f.Port, diff)
			}
		}
	}
}

// Packets that are taken through a chain with others like them come to the same
// ends in the same ways as those that go by themselves.
func TestFellowsAreExact(t *testing.T) {
	t.Run("random rulesets", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			dump := drawDump(rt)
			add := func(table, rules string) {
				at := strings.Index(dump, "*"+table)
				at += strings.Index(dump[at:], "COMMIT")
				dump = dump[:at] + rules + "\n" + dump[at:]
			}
			for _, chain := range []string{"OUTPUT", "PREROUTING"} {
				for _, to := range []string{"10.1.0.7:8080", "10.1.0.8:80", "203.0.113.6:81", "203.0.113.5:80", "192.0.2.10:81"} {
					add("nat", "-A "+chain+" -p tcp -m statistic --mode random --probability 0.25 -j DNAT --to-destination "+to)
				}
			}
			for range rapid.IntRange(0, 6).Draw(rt, "rules") {
				add(rapid.SampledFrom([]string{"mangle", "filter"}).Draw(rt, "table"),
					"-A "+rapid.SampledFrom([]string{"OUTPUT", "FORWARD"}).Draw(rt, "chain")+" "+rapid.SampledFrom([]string{
						"-d 10.1.0.0/24", "! -d 10.1.0.0/24", "-d 10.1.0.8/32", "! -d 10.1.0.8/32", "-p tcp -m tcp --dport 80", "-p tcp -m multiport --dports 81,8080",
						"-m mark --mark 0x4/0x4", "-m string --string c --algo bm", "-m statistic --mode random --probability 0.5",
					}).Draw(rt, "match")+" -j "+rapid.SampledFrom([]string{"DROP", "ACCEPT", "RETURN", "MARK --set-xmark 0x4/0x4"}).Draw(rt, "target"))
			}
			if rapid.Bool().Draw(rt, "node known") {
				dump += node
			}
			source := rapid.SampledFrom([]string{"198.51.100.7", "10.1.0.5", ""}).Draw(rt, "source")
			var flows []trace.Flow
			for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
				for _, to := range []string{"192.0.2.10:80", "203.0.113.5:80", "10.1.0.5:81", "10.1.0.1:80/udp"} {
					flows = append(flows, flow(from, source, to))
				}
			}
			sameAsAlone(rt, read(t, dump), flows)
		})
	})
	for _, name := range []string{"service-zoo", "ipvs-service-zoo", "nftables-service-zoo"} {
		t.Run(name, func(t *testing.T) {
			s := sample(t, name)
			alone := *s
			alone.Addresses, alone.Routes = nil, nil
			flows := flowsToAll(s)
			sameAsAlone(t, s, flows)
			sameAsAlone(t, &alone, flows)
		})
	}
}

// So do packets that IPVS sent to the real servers of one virtual server, whatever
// rules ask of what it did, of sets and of sources.
func TestBalancedFellowsAreExact(t *testing.T) {
	const sets = "create LOOP hash:ip,port,ip\nadd LOOP 10.1.0.5,tcp:8080,10.1.0.5\nadd LOOP 10.1.0.6,tcp:8080,198.51.100.7\n" +
		"create SOME hash:net\nadd SOME 10.1.0.6/31\nadd SOME 10.2.0.8/32\ncreate LINKS hash:net,iface\nadd LINKS 10.1.0.6/32,cni0\n" +
		"create MARKS hash:ip,mark\nadd MARKS 10.1.0.6,0x4\n"
	own := strings.Replace(nodeWithVIPs, "    inet 10.96.0.1/32 ", "    inet 10.96.0.2/32 scope global kube-ipvs0\n    inet 10.96.0.1/32 ", 1)
	check := func(t interface{ Fatalf(string, ...any) }, outer *testing.T, mangle, nat, filter, table string) {
		s := read(outer, save("*mangle\n"+mangle, "*nat\n:OWN - [0:0]\n"+nat+"-A POSTROUTING -j OWN", "*filter\n:OWN - [0:0]\n"+filter+"-A OUTPUT -j OWN")+own+sets+table)
		var flows []trace.Flow
		for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
			source := map[trace.Origin]string{trace.FromExternal: "198.51.100.7", trace.FromPod: "10.1.0.5"}[from]
			flows = append(flows, flow(from, source, "10.96.0.1:80"), flow(from, source, "10.96.0.2:80"))
		}
		sameAsAlone(t, s, flows)
	}
	table := func(method, flags func() string) string {
		var table strings.Builder
		for _, service := range []string{"-t 10.96.0.1:80", "-t 10.96.0.2:80"} {
			table.WriteString("-A " + service + " -s rr" + flags() + "\n")
			for _, server := range []string{"10.1.0.7:80", "10.1.0.5:8080", "10.1.0.6:8080", "10.1.0.8:8080", "10.2.0.7:8080", "10.2.0.8:8080", "192.0.2.10:8080"} {
				table.WriteString("-a " + service + " -r " + server + method() + " -w 1\n")
			}
		}
		return table.String()
	}
	always := func(s string) func() string { return func() string { return s } }
	const mark, masquerade = "-j MARK --set-xmark 0x4/0x4\n", "-j MASQUERADE\n"
	for name, rules := range map[string][3]string{ // of mangle, nat and filter
		"addresses and sources": {"", "-A POSTROUTING -m set --match-set LOOP dst,dst,src " + masquerade, ""},
		"addresses of some":     {"", "", "-A OUTPUT -m set --match-set SOME dst -j DROP\n"},
		"ports of some":         {"", "", "-A OWN -p tcp -m multiport --dports 8080,8081 -j DROP\n"},
		"by link":               {"", "", "-A OUTPUT -m set --match-set LINKS dst,dst -j DROP\n"},
		"marked before":         {"-A OUTPUT " + mark + "-A OUTPUT -m set --match-set MARKS dst,dst -j DROP\n", "", ""},
		"marked":                {"-A OUTPUT " + mark, "-A POSTROUTING -m mark --mark 0x4/0x4 " + masquerade, ""},
		"marked, some":          {"-A OUTPUT -m set --match-set SOME dst " + mark, "-A POSTROUTING -m mark --mark 0x4/0x4 " + masquerade, ""},
		"virtual server":        {"", "", "-A OUTPUT -m ipvs --vproto 6 --vaddr 10.96.0.1 --vport 80 -j DROP\n"},
		"open":                  {"", "", "-A OUTPUT -m string --string c --algo bm -j DROP\n"},
		// The first rule that asks what a packet's fate rests on is the one that is named, if its own answer changes nothing.
		"open before":        {"-A OUTPUT -m bpf --bytecode \"1,6 0 0 65535\" -j RETURN\n", "", "-A OUTPUT -m bpf --bytecode \"1,6 0 0 65535\" -j DROP\n"},
		"a range of sources": {"", "-A POSTROUTING -j SNAT --to-source 192.0.2.20-192.0.2.21\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			check(t, t, rules[0], rules[1], rules[2], table(always(" -m"), always("")))
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		draw := func(name string, from ...string) string { return rapid.SampledFrom(from).Draw(rt, name) }
		var rules [3]string
		for range rapid.IntRange(0, 8).Draw(rt, "rules") {
			table, chain, target := rapid.IntRange(0, 2).Draw(rt, "table"), "OUTPUT", draw("target", "DROP", "ACCEPT", "RETURN")
			switch table {
			case 0:
				chain, target = draw("chain", "OUTPUT", "POSTROUTING"), draw("target of mangle", target, "MARK --set-xmark 0x4/0x4")
			case 1:
				chain, target = draw("chain", "POSTROUTING", "OWN"), draw("target of nat", "ACCEPT", "RETURN", "MASQUERADE", "SNAT --to-source 192.0.2.10", "SNAT --to-source 192.0.2.20-192.0.2.21")
			case 2:
				chain = draw("chain", "OUTPUT", "OWN")
			}
			rules[table] += "-A " + chain + " " + draw("match", "", "-m ipvs --ipvs", "-m ipvs --vproto 6 --vaddr 10.96.0.1 --vport 80", "-m ipvs --vaddr 10.96.0.1 ! --vport 80",
				"-m ipvs --vmethod MASQ", "-m ipvs ! --vmethod MASQ", "-s 198.51.100.7/32 -m ipvs --vaddr 10.96.0.2", "-m set --match-set LOOP dst,dst,src",
				"-m set ! --match-set LOOP dst,dst,src", "-m set --match-set SOME dst", "-m set --match-set LINKS dst,dst", "-m set --match-set MARKS dst,dst",
				"-m set --match-set UNKNOWN dst", "-m mark --mark 0x4/0x4", "-d 10.1.0.0/24", "-d 10.2.0.7/32", "-o cni0", "-s 10.1.0.5/32",
				"-m string --string c --algo bm", "-m statistic --mode random --probability 0.5") + " -j " + target + "\n"
		}
		check(rt, t, rules[0], rules[1], rules[2], table(
			func() string { return draw("method", " -m", " -m", " -m", " -g", " -i") }, func() string { return draw("persistent", "", "", " -p 60") }))
	})
}

// A packet's virtual server can be one by its mark, or by what it dials. Where the
// mark is gone again, only the virtual servers tell the packets apart: tests for
// IPVS find no connection of one-packet scheduling.
func TestFellowsOfTwoVirtualServers(t *testing.T) {
	table := ""
	for _, service := range []string{"-f 5 -s rr -o", "-u 10.96.0.1:80 -s rr"} {
		name := strings.Join(strings.Fields(service)[:2], " ")
		table += "-A " + service + "\n"
		for _, server := range []string{"10.1.0.7:80", "10.1.0.5:80", "10.1.0.6:80"} {
			table += "-a " + name + " -r " + server + " -m -w 1\n"
		}
	}
	s := read(t, save("*mangle\n-A OUTPUT -m ipvs --ipvs -j MARK --set-xmark 0x0/0xffffffff\n"+
		"-A OUTPUT -m ipvs ! --ipvs -m statistic --mode random --probability 0.5 -j MARK --set-xmark 0x5/0xffffffff\n",
		"*filter\n-A OUTPUT -m ipvs --vaddr 10.96.0.1 -j DROP\n")+nodeWithVIPs+table)
	sameAsAlone(t, s, []trace.Flow{flow(trace.FromNode, "", "10.96.0.1:80/udp")})
}
