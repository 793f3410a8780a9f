package inventory_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/parsers/nftlist"
)

// A part of a text says what the whole says, or less: what is not in it is never
// taken for missing on the node.
func TestPartsOfTexts(t *testing.T) {
	for _, path := range []string{
		"service-zoo/iptables-save.txt", "testdata/recordings/zoo-v1.23-legacy/iptables-save.txt",
		"testdata/recordings/zoo-v1.37-masquerade-all/iptables-save.txt",
		"nftables-service-zoo/nft-ruleset.txt", "testdata/nftables/zoo-v1.29-nftables/nft-ruleset.txt",
		"testdata/nftables/zoo-v1.33-nftables/nft-ruleset.txt",
	} {
		t.Run(path, func(t *testing.T) {
			data, err := os.ReadFile("../../samples/" + path)
			if err != nil {
				t.Fatal(err)
			}
			whole := dialled(analyze(string(data)))
			rapid.Check(t, func(t *rapid.T) {
				text := partOf(t, string(data))
				a := analyze(text)
				for dial, e := range dialled(a) {
					if wrong := contradiction(e, whole[dial]); wrong != "" {
						t.Fatalf("%s: %s; %s\nin\n%s", dial, wrong, e.Explanation(), text)
					}
				}
				for _, d := range a.Inventory.Diagnostics {
					if d.Code == "orphan-chain" || d.Code == "dead-endpoint" || d.Code == "share-left" {
						t.Fatalf("%s: %s\nin\n%s", d.Code, d.Message, text)
					}
				}
				for _, f := range a.Findings {
					t.Fatalf("%s\nin\n%s", f.Message, text)
				}
			})
		})
	}
}

// contradiction is what an entry of a part says that the whole denies.
func contradiction(e, whole *inventory.Entry) string {
	switch {
	case whole == nil:
		return "the whole has no such entry"
	case e.Verdict == inventory.Unknown:
		return ""
	case e.Verdict != whole.Verdict:
		return fmt.Sprintf("%s, of the whole %s", e.Verdict, whole.Verdict)
	case e.Masquerade != whole.Masquerade && e.Masquerade != inventory.MasqueradeUnknown:
		return fmt.Sprintf("masquerades %s, of the whole %s", e.Masquerade, whole.Masquerade)
	case differ(e.Service.Name, whole.Service.Name):
		return e.Service.Name + ", of the whole " + whole.Service.Name
	case differ(e.Service.ExternalPolicy, whole.Service.ExternalPolicy):
		return "external policy " + string(e.Service.ExternalPolicy)
	case differ(e.Service.InternalPolicy, whole.Service.InternalPolicy):
		return "internal policy " + string(e.Service.InternalPolicy)
	case (e.Verdict == inventory.IsClusterIP || e.Verdict == inventory.LocalEndpoints) && e.Endpoints.Len() < whole.Endpoints.Len() &&
		!strings.Contains(e.Explanation(), "that the text does not hold"):
		return "endpoints are missing"
	}
	shares := map[string]float64{}
	for _, x := range whole.Endpoints.All() {
		shares[x.Addr.String()] = x.Probability.Float64()
	}
	for _, x := range e.Endpoints.All() {
		if share, ok := shares[x.Addr.String()]; !ok || x.Probability != nil && x.Probability.Float64() != share {
			return "a share of " + x.Addr.String()
		}
	}
	return ""
}

// differ reports whether a part says something else than the whole; "" is nothing.
func differ[T ~string](part, whole T) bool { return part != "" && part != whole }

// dialled are the entries by what is dialled.
func dialled(a *analyzer.Analysis) map[string]*inventory.Entry {
	all := map[string]*inventory.Entry{}
	for _, svc := range a.Inventory.Services {
		for _, e := range svc.Entries {
			all[svc.Family.String()+" "+keyOf(e)] = e
		}
	}
	return all
}

var hashes = regexp.MustCompile(`KUBE-[A-Z]{3}-[A-Z2-7]{16}`)

// partOf is a part of a text as people paste them.
func partOf(t *rapid.T, text string) string {
	lines := strings.SplitAfter(text, "\n")
	from := rapid.IntRange(0, len(lines)-1).Draw(t, "from")
	to := rapid.IntRange(from, len(lines)).Draw(t, "to")
	switch rapid.SampledFrom([]string{"cut", "lines", "sorted", "twice", "left out", "grep"}).Draw(t, "part") {
	case "cut": // anywhere in a line
		a := rapid.IntRange(0, len(text)-1).Draw(t, "begin")
		return text[a:rapid.IntRange(a, len(text)).Draw(t, "end")]
	case "lines":
		return strings.Join(lines[from:to], "")
	case "sorted":
		slices.Sort(lines)
		return strings.Join(lines, "")
	case "twice":
		if strings.Contains(text, "COMMIT") { // of nft's listings parsers/capture chooses one
			return text + strings.Join(lines[from:to], "")
		}
		return strings.Join(lines[from:to], "")
	case "left out": // between two chains
		for from > 0 && chainOf(lines[from]) == chainOf(lines[from-1]) {
			from--
		}
		for to < len(lines) && to > 0 && chainOf(lines[to]) == chainOf(lines[to-1]) {
			to++
		}
		return strings.Join(lines[:from], "") + "...\n" + strings.Join(lines[to:], "")
	}
	var found []string // all that names a few chains
	names := map[string]bool{}
	for range 8 {
		names[hashes.FindString(lines[rapid.IntRange(0, len(lines)-1).Draw(t, "like")])] = true
	}
	for _, line := range lines {
		for _, name := range hashes.FindAllString(line, -1) {
			// Who looks for an endpoint's chain finds one rule of those that deal.
			if names[name] && (chainOf(line) == name || chainOf(line) != "" && !strings.HasPrefix(name, "KUBE-SEP-")) {
				found = append(found, line)
				break
			}
		}
	}
	return strings.Join(found, "")
}

// chainOf is the chain that a line of iptables-save has a rule for.
func chainOf(line string) string {
	_, rule, ok := strings.Cut(line, "-A ")
	if !ok {
		return ""
	}
	chain, _, _ := strings.Cut(rule, " ")
	return chain
}

// analyze reads a text of rules, whatever it is.
func analyze(text string) *analyzer.Analysis {
	s := &snapshot.Snapshot{}
	for at := source.Start(&source.File{Path: "part.txt", Text: text}); at.More(); {
		line, next := at.Next()
		switch {
		case nftlist.Begins(line):
			dump, after := nftlist.Parse(at, nil)
			s.Tables, next = append(s.Tables, dump.Tables...), after
		case iptablessave.Begins(line):
			dump, after := iptablessave.Parse(at, nftlist.Begins)
			s.Tables, next = append(s.Tables, dump.Tables...), after
		}
		if next.Offset == at.Offset {
			_, next = at.Next()
		}
		at = next
	}
	return analyzer.Analyze(s)
}
