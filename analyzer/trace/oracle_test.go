//go:build linux

package trace_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// What is generated for each back end and family when the test is not scaled
// up: together more than 2,000 pairs of a ruleset and a packet.
const (
	rulesetsGenerated = 60
	flowsGenerated    = 12
)

var keep = flag.Bool("keep", false, "keep the minimal case of a disagreement that is found in generated rules under testdata/regressions")

// TestOracleGenerated compares trace and kernel over generated rules. A
// disagreement is made as small as rapid can make it.
func TestOracleGenerated(t *testing.T) {
	kernel.Require(t)
	fixed(t, "rapid.checks", fmt.Sprint(rulesetsGenerated*scale(t)))
	fixed(t, "rapid.nofailfile", "true")
	pairs, rulesets, refused, packets, differ, tried, seed := 0, 0, 0, 0, 0, 0, 0
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
				rapid.Check(t, func(rt *rapid.T) {
					g := &generator{t: rt, v6: v6}
					text := g.dump()
					var flows []trace.Flow
					for range flowsGenerated {
						flows = append(flows, g.flow())
					}
					rules := kernel.Ruleset{Backend: backend, IPv4: text}
					if v6 {
						rules.IPv4, rules.IPv6 = "", text
					}
					if err := node.Load(rules); err != nil {
						refused++
						rt.Skipf("the kernel does not take it: %v\n%s", err, text)
					}
					ipv4, ipv6, err := node.Save()
					if err != nil {
						rt.Fatal(err)
					}
					dump := ipv4 + ipv6
					if dump == "" {
						return
					}
					snap := open(rt, dump, generatedAddresses, generatedRoutes)
					a := &asker{network: network, tracer: trace.New(snap), node: node}
					found := a.ask(rt, flows)
					pairs, rulesets, packets = pairs+len(flows), rulesets+1, packets+a.packets
					if len(found) == 0 {
						return
					}
					t.Fail()
					if differ += len(found); tried < maxTried {
						tried++
						c := smallest(t, a, regression{backend, v6, dump, found[0]}) // the others are likely alike
						if !kinds[c.kind()] {
							kinds[c.kind()] = true
							t.Logf("%s: trace and kernel disagree\n%v", backend, c)
						}
					}
				})
			})
		}
	}
	t.Logf("oracle: %d flows, %d rulesets, %d disagreements (%d packets; the kernel refused %d rulesets)", pairs, rulesets, differ, packets, refused)
}

// fixed sets a flag that the command line leaves alone.
func fixed(t *testing.T, name, value string) {
	t.Helper()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	old := flag.Lookup(name).Value.String()
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { flag.Set(name, old) })
}

// maxTried is how many disagreements are made small. Of each kind one is shown.
const maxTried = 40

// A regression is a case in which trace and kernel once disagreed.
type regression struct {
	backend kernel.Backend
	v6      bool
	dump    string
	difference
}

// load loads the case's dump, and gives what the kernel made of it.
func (r *regression) ruleset() kernel.Ruleset {
	rules := kernel.Ruleset{Backend: r.backend, IPv4: r.dump}
	if r.v6 {
		rules.IPv4, rules.IPv6 = "", r.dump
	}
	return rules
}

// smallest takes rules away, one by one, for as long as the disagreement stays.
func smallest(t *testing.T, a *asker, r regression) regression {
	t.Helper()
	first, rest, _ := strings.Cut(r.dump, "\n") // which names the command
	var kept []string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "#") {
			kept = append(kept, line)
		}
	}
	r.dump = first + "\n" + strings.Join(kept, "")
	for again := true; again; {
		again = false
		lines := strings.SplitAfter(r.dump, "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			less := slices.Delete(slices.Clone(lines), i, i+1)
			if strings.HasPrefix(lines[i], "*") && lines[i] != "*filter\n" { // with all that the table has
				end := i + slices.Index(lines[i:], "COMMIT\n")
				less = slices.Delete(slices.Clone(lines), i, end+1)
			} else if !strings.HasPrefix(lines[i], "-A ") && !strings.Contains(lines[i], " - [") || isForAnswers(lines[i], r.v6) {
				continue
			}
			smaller := r
			smaller.dump = strings.Join(less, "")
			if a.node.Load(smaller.ruleset()) != nil {
				continue
			}
			a.tracer = trace.New(open(t, smaller.dump, generatedAddresses, generatedRoutes))
			if found := a.ask(t, []trace.Flow{r.flow}); len(found) > 0 {
				smaller.difference = found[0]
				r, lines, again = smaller, less, true
			}
		}
	}
	return r
}

// kind is what alike cases have in common: the rules but for their values.
func (r *regression) kind() string {
	var b strings.Builder
	for line := range strings.Lines(r.dump) {
		if !strings.HasPrefix(line, "-A ") || isForAnswers(line, r.v6) {
			continue
		}
		before := ""
		for _, word := range strings.Fields(line) {
			if strings.HasPrefix(word, "-") || before == "-j" || before == "-m" {
				b.WriteString(word + " ")
			}
			before = word
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// isForAnswers tells one of answersPass by how it is saved.
func isForAnswers(line string, v6 bool) bool {
	return slices.ContainsFunc(answersPass(v6), func(rule string) bool { return strings.HasSuffix(line, " "+rule+"\n") })
}

// String shows the case, and how the trace came to its answer.
func (r regression) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s", words(r.flow), r.why, r.dump)
	for _, o := range r.trace.Outcomes {
		fmt.Fprintf(&b, "trace: %v %v %v, assuming %v\n", o.Probability, o.Verdict, o.Endpoint, o.Assumptions)
		for _, s := range o.Path {
			fmt.Fprintf(&b, "    %v: %s", s.Hook, s.Effect)
			if s.Rule != nil {
				fmt.Fprintf(&b, " by %s", s.Rule.Text())
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}
