package report

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
)

// hint proposes what to run next: the capture that is missing most, else the
// graph of the service that deserves a look first. "" when there is neither.
func hint(a *analyzer.Analysis, inputs []string) string {
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

// serviceToShow is the first named service with an external entry, one that is
// not fine if there is one.
func serviceToShow(services []*inventory.Service) string {
	first := ""
	for _, s := range services {
		for _, e := range s.Entries {
			if !isExternal(e) || s.Name == "" {
				continue
			}
			if !isFine(e) {
				return s.NamespacedName()
			}
			if first == "" {
				first = s.NamespacedName()
			}
		}
	}
	return first
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
