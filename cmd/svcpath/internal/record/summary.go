package record

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/report"
	"github.com/svcpath/svcpath/parsers/bundle"
)

// Summary says in a few lines what a bundle holds and what it does not.
func Summary(m *bundle.Manifest) []string {
	files := 0
	for _, r := range m.Records {
		if r.File != "" {
			files++
		}
	}
	lines := []string{fmt.Sprintf("%d files and their manifest", files)}
	add := func(what, format string, args ...any) {
		// What commands say when they fail is foreign text.
		lines = append(lines, fmt.Sprintf("%-11s  %s", what, report.Escape(fmt.Sprintf(format, args...))))
	}
	var empty, absent []string
	for _, r := range m.Records {
		switch {
		case r.Truncated:
			add("cut off", "%s: %s: %s", r.What, r.Command, r.Error)
		case r.Status == bundle.Failed, r.Status == bundle.Forbidden:
			add(string(r.Status), "%s: %s: %s", r.What, r.Command, r.Error)
		case r.Status == bundle.Absent:
			absent = append(absent, r.What)
		case r.Status == bundle.Empty:
			empty = append(empty, r.What)
		}
	}
	if len(empty) > 0 {
		add("nothing in", "%s", strings.Join(empty, "; "))
	}
	if len(absent) > 0 {
		add("not there", "%s", strings.Join(absent, "; "))
	}
	if red := m.Redaction; red != nil {
		add("replaced", "%d addresses, %d names, %d comments", red.Addresses, red.Names, red.Comments)
		if red.Ranges > 0 {
			add("replaced", "%d ranges of addresses that are no networks: what lies in them has changed", red.Ranges)
		}
		if red.Opaque > 0 {
			add("kept", "%d lines that can hold addresses in a form that is not looked into", red.Opaque)
		}
	}
	return lines
}
