package report

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// hint proposes what to run next: the capture that is missing most, else the
// graph of the service that deserves a look first. "" when there is neither.
func hint(a *analyzer.Analysis, inputs []string) string {
	if len(a.Inventory.Services) == 0 && a.Inventory.Mode != kubeproxy.IPTables && a.Inventory.Mode != kubeproxy.IPVS && a.Inventory.Mode != kubeproxy.NoMode && a.Inventory.Mode != kubeproxy.UnknownMode {
		return "" // more of what is not read would not help
	}
	for _, m := range a.Coverage.Missing {
		if m.Command != "" {
			return "on the node run " + Escape(m.Command) + ", and analyse what it prints together with this input"
		}
	}
	name := serviceToShow(a.Inventory.Services)
	if name == "" || len(inputs) == 0 {
		return ""
	}
	words := []string{"svcpath", "graph"}
	for _, input := range inputs {
		words = append(words, shellWord(input))
	}
	return strings.Join(append(words, "--service", shellWord(name), "-o", "mermaid"), " ")
}

// serviceToShow is the named service to look at first: one with a broken entry,
// else one with an entry that ends elsewhere, else one with an entry that is
// not simply fine, else one with an external entry.
func serviceToShow(services []*inventory.Service) string {
	best, bestRank := "", 0
	for _, s := range services {
		for _, e := range s.Entries {
			rank := 0
			switch {
			case e.Verdict == inventory.Broken:
				rank = 4
			case e.Verdict == inventory.DifferentBackends:
				rank = 3
			case !isFine(e):
				rank = 2
			case isExternal(e):
				rank = 1
			}
			if s.Name != "" && rank > bestRank {
				best, bestRank = s.NamespacedName(), rank
			}
		}
	}
	return best
}

// shellWord writes a word so that a POSIX shell reads it back, and a terminal
// shows it.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-_./:@%+=,", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(Escape(s), "'", `'\''`) + "'"
}
