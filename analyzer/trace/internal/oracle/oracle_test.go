//go:build linux

package oracle

import (
	"flag"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// What is generated for each back end and family when the test is not scaled
// up: together more than 2,000 pairs of a ruleset and a packet.
const (
	rulesetsGenerated = 100
	flowsGenerated    = 12
)

// maxTried is how many disagreements are made small. Of each kind one is shown.
const maxTried = 40

// TestGenerated compares trace and kernel over generated rules. A
// disagreement is made as small as rapid can make it.
func TestGenerated(t *testing.T) {
	kernel.Require(t)
	fixed(t, "rapid.checks", fmt.Sprint(rulesetsGenerated*scale(t)))
	fixed(t, "rapid.nofailfile", "true")
	pairs, rulesets, refused, packets, differ, tried, seed := 0, 0, 0, 0, 0, 0, 0
	decided, undecided, vague, withSets := 0, 0, 0, 0
	kinds := map[string]bool{}
	network := networkOf(open(t, generatedAddresses, generatedRoutes))
	for _, backend := range []kernel.Backend{kernel.Legacy, kernel.NFT} {
		for _, v6 := range []bool{false, true} {
			name := string(backend) + map[bool]string{false: "-ipv4", true: "-ipv6"}[v6]
			seed++
			t.Run(name, func(t *testing.T) {
				fixed(t, "rapid.seed", fmt.Sprint(seed))
				node, err := kernel.Start(network.layout)
				if err != nil {
					t.Fatal(err)
				}
				defer node.Close()
				types := supportedSets(node)
				rapid.Check(t, func(rt *rapid.T) {
					g := &generator{t: rt, v6: v6, setTypes: types}
					var text string
					var flows []trace.Flow
					g.onlySets = g.often("only sets", 3)
					if g.onlySets || g.often("focused", 7) {
						text, flows = g.focused(flowsGenerated)
					} else {
						text = g.dump()
						for range flowsGenerated {
							flows = append(flows, g.flow())
						}
					}
					rules := kernel.Ruleset{Backend: backend, IPv4: text, Sets: g.setText}
					if v6 {
						rules.IPv4, rules.IPv6 = "", text
					}
					if len(g.sets) > 0 {
						withSets++
					}
					if err := node.Load(rules); err != nil {
						refused++
						rt.Skipf("the kernel does not take it: %v\n%s%s", err, g.setText, text)
					}
					ipv4, ipv6, err := node.Save()
					if err != nil {
						rt.Fatal(err)
					}
					sets, err := node.SaveSets()
					if err != nil {
						rt.Fatal(err)
					}
					dump := ipv4 + ipv6
					if dump == "" {
						return
					}
					snap := open(rt, dump, sets, generatedAddresses, generatedRoutes)
					a := &asker{network: network, tracer: trace.New(snap), node: node}
					found := a.ask(rt, flows)
					pairs, rulesets, packets = pairs+len(flows), rulesets+1, packets+a.packets
					decided, undecided, vague = decided+a.decided, undecided+a.open, vague+a.vague
					if len(found) == 0 {
						return
					}
					t.Fail()
					if differ += len(found); tried < maxTried {
						tried++
						c := smallest(t, a, regression{backend, v6, dump, sets, found[0]}) // the others are likely alike
						if !kinds[c.kind()] {
							kinds[c.kind()] = true
							t.Logf("%s: trace and kernel disagree\n%v", backend, c)
							if *keep {
								c.write(t)
							}
						}
					}
				})
			})
		}
	}
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements", pairs, rulesets, differ)
	t.Logf("%d packets; rules decide on %d flows; of %d the trace leaves open what becomes of them, of %d vaguely; %d rulesets have ipsets; the kernel refused %d rulesets",
		packets, decided, undecided, vague, withSets, refused)
	if refused > rulesets/10 {
		t.Errorf("the kernel refused %d rulesets and took %d: the generator makes too many that it does not take", refused, rulesets)
	}
}

// givenFlags are those of the command line; what fixed sets later counts as well
// for flag.Visit.
var givenFlags = sync.OnceValue(func() map[string]bool {
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
})

// fixed sets a flag that the command line leaves alone.
func fixed(t *testing.T, name, value string) {
	t.Helper()
	if givenFlags()[name] {
		return
	}
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, old) })
}
