//go:build linux

package oracle

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

var keep = flag.Bool("keep", false, "keep the smallest case of each disagreement under testdata/regressions")

// A regression is a case in which trace and kernel once disagreed.
type regression struct {
	backend kernel.Backend
	v6      bool
	dump    string
	sets    string // as ipset save prints them
	difference
}

// nftables stands for rules of nft's own.
const nftables kernel.Backend = "nftables"

func (r *regression) tool() string {
	if r.backend == nftables {
		return "nft"
	}
	return "iptables-" + string(r.backend)
}

// ends are what the kernel does, sorted, each once.
func (r *regression) ends() []string {
	var all []string
	for _, e := range r.seen {
		if s := e.String(); !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return all
}

// write keeps the case: the remark, the flow, the dump, what the kernel does.
func (r *regression) write(t *testing.T) {
	t.Helper()
	archive := &txtar.Archive{
		Comment: []byte(fmt.Sprintf("Found with %s. %s\n\n", r.tool(), r.why)),
		Files: []txtar.File{
			{Name: "flow", Data: []byte(words(r.flow) + "\n")},
			{Name: "dump", Data: []byte(r.dump)},
			{Name: "sets", Data: []byte(r.sets)},
			{Name: "ends", Data: []byte(strings.Join(r.ends(), "\n") + "\n")},
		},
	}
	text := txtar.Format(archive)
	name := fmt.Sprintf("%x.txtar", sha256.Sum256([]byte(r.kind())))[54:]
	if err := os.WriteFile(filepath.Join("testdata", "regressions", name), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// readRegression reads what write has kept.
func readRegression(t *testing.T, path string) (r regression, ends []string) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		switch text := string(f.Data); f.Name {
		case "flow":
			r.flow = flowOf(t, strings.TrimSpace(text))
		case "dump":
			r.dump = text
		case "sets":
			r.sets = text
		case "ends":
			ends = strings.Split(strings.TrimSpace(text), "\n")
		default:
			t.Fatalf("%s: part %q: expected flow, dump, sets or ends", path, f.Name)
		}
	}
	r.v6 = r.flow.Destination.Is6()
	if strings.HasPrefix(r.dump, "table ") {
		r.backend = nftables
	}
	return r, ends
}

// flowOf reads a flow as words writes it.
func flowOf(t *testing.T, text string) trace.Flow {
	t.Helper()
	f := trace.Flow{State: netfilter.StateNew}
	w := strings.Fields(text)
	if state, err := netfilter.ParseConnStates(w[0]); err == nil {
		f.State, w = state, w[1:]
	}
	f.From, w = trace.Origin(w[0]), w[1:]
	if w[0] == "by" {
		f.InInterface, w = w[1], w[2:]
	}
	if len(w) != 4 || w[2] != "->" {
		t.Fatalf("flow %q: expected FROM [by INTERFACE] PROTOCOL SOURCE -> DESTINATION", text)
	}
	for number, name := range protocolNames {
		if name == w[0] {
			f.Protocol = number
		}
	}
	source, destination := netip.MustParseAddrPort(w[1]), netip.MustParseAddrPort(w[3])
	f.Source, f.SourcePort = source.Addr(), source.Port()
	f.Destination, f.Port = destination.Addr(), destination.Port()
	return f
}

// TestRegressions follows the packets of all cases that are kept: without
// asking the kernel against what it once did, and where that can be, asking it.
func TestRegressions(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "regressions", "*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases are kept (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			r, ends := readRegression(t, path)
			tr, err := trace.New(r.open(t)).Trace(r.flow)
			if err != nil {
				t.Fatal(err)
			}
			r.trace = tr
			predictions, _ := scenarios(r.flow, tr)
			var all []string
			for _, shares := range predictions {
				var predicted []string
				for _, s := range shares {
					predicted = append(predicted, s.end.String())
				}
				slices.Sort(predicted)
				if slices.Equal(predicted, ends) {
					return
				}
				all = append(all, strings.Join(predicted, "\n"))
			}
			t.Errorf("trace differs from the kernel (-kernel +trace):\n%s%v", cmp.Diff(strings.Join(ends, "\n"), all[0]), r)
		})
	}
}

// TestRegressionsAgain asks the kernel for the cases that are kept.
func TestRegressionsAgain(t *testing.T) {
	kernel.Require(t)
	paths, err := filepath.Glob(filepath.Join("testdata", "regressions", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	n := networkOf(open(t, generatedAddresses, generatedRoutes))
	for _, backend := range []kernel.Backend{kernel.Legacy, kernel.NFT, nftables} {
		node, err := kernel.Start(n.layout)
		if err != nil {
			t.Fatal(err)
		}
		defer node.Close()
		for _, path := range paths {
			t.Run(string(backend)+"/"+strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
				r, _ := readRegression(t, path)
				if (r.backend == nftables) != (backend == nftables) {
					return
				}
				r.backend = backend
				if err := node.Load(r.ruleset()); err != nil {
					t.Fatal(err)
				}
				a := &asker{network: n, tracer: trace.New(r.open(t)), node: node, alone: strings.Contains(r.dump, "dynamic")}
				for _, d := range a.ask(t, []trace.Flow{r.flow}) {
					r.difference = d
					t.Errorf("trace and kernel disagree\n%v", r)
				}
			})
		}
	}
}

// open makes a snapshot of the case, as the back end that it is loaded into
// would have printed it.
func (r *regression) open(t *testing.T) *snapshot.Snapshot {
	t.Helper()
	dump := r.dump
	if header, rest, ok := strings.Cut(dump, " on "); ok && r.backend != "" && r.backend != nftables {
		header = strings.TrimSuffix(header, " (nf_tables)")
		if r.backend == kernel.NFT {
			header += " (nf_tables)"
		}
		dump = header + " on " + rest
	}
	return open(t, dump, r.sets, generatedAddresses, generatedRoutes)
}

// ruleset is the dump as a node is loaded with it.
func (r *regression) ruleset() kernel.Ruleset {
	if r.backend == nftables {
		return kernel.Ruleset{NFTables: r.dump}
	}
	rules := kernel.Ruleset{Backend: r.backend, IPv4: r.dump, Sets: r.sets}
	if r.v6 {
		rules.IPv4, rules.IPv6 = "", r.dump
	}
	return rules
}

// smallest takes rules away, one by one, for as long as the disagreement stays.
func smallest(t *testing.T, a *asker, r regression) regression {
	t.Helper()
	r.sets = setsNamed(r.sets, r.dump)
	first, rest, _ := strings.Cut(r.dump, "\n") // which names the command
	var kept []string
	for line := range strings.Lines(rest) {
		if !strings.HasPrefix(line, "#") && line != "\n" {
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
			} else if r.backend == nftables && !isNFTRule(lines[i]) {
				if less = withoutBlock(lines, i); less == nil {
					continue
				}
			} else if r.backend != nftables && !strings.HasPrefix(lines[i], "-A ") && !strings.Contains(lines[i], " - [") || isForAnswers(lines[i], r.v6) {
				continue
			}
			smaller := r
			smaller.dump = strings.Join(less, "")
			if a.node.Load(smaller.ruleset()) != nil {
				continue
			}
			a.tracer = trace.New(smaller.open(t))
			if found := a.ask(t, []trace.Flow{r.flow}); len(found) > 0 {
				smaller.difference = found[0]
				r, lines, again = smaller, less, true
			}
		}
	}
	return r
}

// setsNamed are the sets that a dump names, and the members of lists.
func setsNamed(sets, dump string) string {
	var kept strings.Builder
	for line := range strings.Lines(sets) {
		name := strings.Fields(line)[1]
		if strings.Contains(dump, "-set "+name+" ") || strings.Contains(sets, " "+name+"\n") || strings.Contains(sets, " "+name+" timeout ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// kind is what alike cases have in common: the rules but for their values.
func (r *regression) kind() string {
	var b strings.Builder
	for line := range strings.Lines(r.dump) {
		if r.backend == nftables {
			if isNFTRule(line) {
				b.WriteString(strings.Map(withoutDigits, line))
			}
			continue
		}
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
	if strings.HasPrefix(line, "\t\t") {
		return slices.Contains(nftAnswersPass("inet"), strings.TrimSpace(line))
	}
	return slices.ContainsFunc(answersPass(v6), func(rule string) bool { return strings.HasSuffix(line, " "+rule+"\n") })
}

// String shows the case, and how the trace came to its answer.
func (r regression) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n%s%s", words(r.flow), r.why, r.dump, r.sets)
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

// isNFTRule reports whether a line of nft's listing is a rule.
func isNFTRule(line string) bool {
	if !strings.HasPrefix(line, "\t\t") || strings.HasPrefix(line, "\t\t\t") {
		return false
	}
	for _, word := range []string{"type", "flags", "elements", "size", "timeout", "auto-merge", "comment", "policy", "gc-interval"} {
		if first := strings.Fields(line)[0]; first == word {
			return false
		}
	}
	return true
}

// withoutBlock takes the chain, set or map that begins in the line out; nil if
// none does.
func withoutBlock(lines []string, i int) []string {
	if !strings.HasPrefix(lines[i], "\t") || strings.HasPrefix(lines[i], "\t\t") || !strings.HasSuffix(lines[i], "{\n") {
		return nil
	}
	end := i + slices.Index(lines[i:], "\t}\n")
	return slices.Delete(slices.Clone(lines), i, end+1)
}

func withoutDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return '#'
	}
	return r
}
