package trace

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// isNative reports whether a rule is one of nftables.
func isNative(r *netfilter.Rule) bool { return r.Chain().Table.Backend == netfilter.Native }

// asks is an asking about the rule's matches.
func (w *walk) asks(rule *netfilter.Rule, p *packet) asking {
	return asking{walk: w, rule: rule, native: isNative(rule), packet: p, want: true, holds: always}
}

// textOf is an open match in the words of who wrote it, without its negation.
func (q *asking) textOf(negated bool, text func() string) string {
	if !q.native || q.trying == nil {
		return text()
	}
	s := netfilter.NFTMatch(q.rule.Chain().Table.Family, q.trying)
	if negated {
		for _, not := range [...]string{"!= ", "! "} {
			if before, after, found := strings.Cut(s, not); found {
				return before + after
			}
		}
	}
	return s
}
