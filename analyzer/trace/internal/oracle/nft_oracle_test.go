//go:build linux

package oracle

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// nftRulesetsGenerated is how many are made for each family when the test is
// not scaled up: together more than 1,000 pairs of a ruleset and a packet.
const nftRulesetsGenerated = 36

// TestNFTGenerated compares trace and kernel over generated tables of nftables.
// What the packets meet is the model's own print of what nft lists, so that
// reading, printing and following are all held against the kernel.
func TestNFTGenerated(t *testing.T) {
	kernel.Require(t)
	fixed(t, "rapid.checks", fmt.Sprint(nftRulesetsGenerated*scale(t)))
	fixed(t, "rapid.nofailfile", "true")
	pairs, rulesets, refused, packets, differ, tried := 0, 0, 0, 0, 0, 0
	decided, undecided, vague := 0, 0, 0
	kinds := map[string]bool{}
	network := networkOf(open(t, generatedAddresses, generatedRoutes))
	for seed, family := range []string{"ip", "ip6", "inet"} {
		t.Run(family, func(t *testing.T) {
			fixed(t, "rapid.seed", fmt.Sprint(seed+1))
			node, err := kernel.Start(network.layout)
			if err != nil {
				t.Fatal(err)
			}
			defer node.Close()
			rapid.Check(t, func(rt *rapid.T) {
				v6 := family == "ip6" || family == "inet" && rapid.Bool().Draw(rt, "IPv6")
				g := &nftGenerator{generator: &generator{t: rt, v6: v6}, family: family}
				text := g.tables(flowsGenerated)
				listing, err := loadAndList(node, text)
				if err != nil {
					refused++
					if *keep {
						t.Logf("the kernel does not take it: %v\n%s", err, text)
					}
					rt.Skipf("the kernel does not take it: %v\n%s", err, text)
				}
				snap := open(rt, listing, generatedAddresses, generatedRoutes)
				if err := node.Load(kernel.Ruleset{NFTables: printed(snap)}); err != nil {
					if node.Load(kernel.Ruleset{NFTables: listing}) != nil {
						refused++ // nft does not take back what it lists itself
						rt.Skip(err)
					}
					t.Errorf("the kernel does not take what the model prints: %v\n%s\nof\n%s", err, printed(snap), listing)
					return
				}
				a := &asker{network: network, tracer: trace.New(snap), node: node, alone: g.fills}
				found := a.ask(rt, g.flows)
				pairs, rulesets, packets = pairs+len(g.flows), rulesets+1, packets+a.packets
				decided, undecided, vague = decided+a.decided, undecided+a.open, vague+a.vague
				if len(found) == 0 {
					return
				}
				t.Fail()
				if differ += len(found); tried < maxTried {
					tried++
					c := smallest(t, a, regression{backend: nftables, v6: v6, dump: listing, difference: found[0]})
					if !kinds[c.kind()] {
						kinds[c.kind()] = true
						t.Logf("trace and kernel disagree\n%v", c)
						if *keep {
							c.write(t)
						}
					}
				}
			})
		})
	}
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements", pairs, rulesets, differ)
	t.Logf("%d packets; rules decide on %d flows; of %d the trace leaves open what becomes of them, of %d vaguely; the kernel refused %d rulesets",
		packets, decided, undecided, vague, refused)
	if refused > rulesets/10 {
		t.Errorf("the kernel refused %d rulesets and took %d: the generator makes too many that it does not take", refused, rulesets)
	}
}

// loadAndList is a ruleset as nft lists it.
func loadAndList(node *kernel.Node, text string) (listing string, err error) {
	if err := node.Load(kernel.Ruleset{NFTables: text}); err != nil {
		return "", err
	}
	return node.List()
}

// printed are the snapshot's tables of nftables as the model prints them.
func printed(snap *snapshot.Snapshot) string {
	var b strings.Builder
	for _, table := range snap.Tables {
		if table.Backend == netfilter.Native {
			b.WriteString(table.NFT())
		}
	}
	return b.String()
}
