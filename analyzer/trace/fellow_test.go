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

// Packets that are taken through a chain with others like them come to the same
// ends in the same ways as those that go by themselves.
func TestFellowsAreExact(t *testing.T) {
	same := func(t interface{ Fatalf(string, ...any) }, s *snapshot.Snapshot, flows []trace.Flow) {
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
			same(rt, read(t, dump), flows)
		})
	})
	for _, name := range []string{"service-zoo", "ipvs-service-zoo"} {
		t.Run(name, func(t *testing.T) {
			s := sample(t, name)
			alone := *s
			alone.Addresses, alone.Routes = nil, nil
			var flows []trace.Flow
			for _, to := range destinations(s) {
				for _, from := range []trace.Origin{trace.FromExternal, trace.FromPod, trace.FromNode} {
					flows = append(flows, trace.Flow{From: from, Destination: to.address, Port: to.port, Protocol: to.protocol})
				}
			}
			same(t, s, flows)
			same(t, &alone, flows)
		})
	}
}
