package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// traceHeadline is a trace in one line: "33.3% each to 3 endpoints; source
// rewritten by MASQUERADE; 1 assumption".
func traceHeadline(t *trace.Trace, names *serviceNames) string {
	parts := []string{whatBecomes(t, names)}
	if s := sourceFate(t.Outcomes); s != "" {
		parts = append(parts, s)
	}
	if n := len(assumptionsOf(t.Outcomes)); n > 0 {
		parts = append(parts, count(n, "assumption"))
	}
	if names.lackRules(t.Flow.Destination.Is4()) {
		parts = append(parts, rulesLack)
	}
	return strings.Join(parts, "; ")
}

// rulesLack is said where the answer rests on a part of the rules.
const rulesLack = "not all of the rules are in the input"

// whatBecomes says where the packet goes, without its source.
func whatBecomes(t *trace.Trace, names *serviceNames) string {
	if forks(t.Outcomes) {
		return whatDepends(t)
	}
	var parts []string
	for _, group := range byVerdict(t.Outcomes) {
		parts = append(parts, groupFate(t, group, len(group) == len(t.Outcomes), names))
	}
	return strings.Join(parts, ", ")
}

// forks reports whether outcomes rest on different assumptions, so that their
// probabilities do not add up.
func forks(outcomes []trace.Outcome) bool {
	for _, o := range outcomes {
		if !slices.Equal(o.Assumptions, outcomes[0].Assumptions) {
			return true
		}
	}
	return false
}

// byVerdict groups outcomes, in the order in which their verdicts come.
func byVerdict(outcomes []trace.Outcome) [][]trace.Outcome {
	var groups [][]trace.Outcome
	for _, o := range outcomes {
		i := slices.IndexFunc(groups, func(g []trace.Outcome) bool { return g[0].Verdict == o.Verdict })
		if i < 0 {
			i = len(groups)
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], o)
	}
	return groups
}

// groupFate is what happens with a verdict; alone says that nothing else does.
func groupFate(t *trace.Trace, group []trace.Outcome, alone bool, names *serviceNames) string {
	share := ""
	if !alone {
		share = sharesOf(group) + " "
	}
	first := group[0]
	switch first.Verdict {
	case trace.DNAT:
		n := countEndpoints(group)
		switch {
		case n == 1 && alone:
			return "goes to " + endpointOf(first, t.Flow.Protocol)
		case n == 1:
			return share + "to " + endpointOf(first, t.Flow.Protocol)
		}
		return sharesOf(group) + " to " + count(n, "endpoint")
	case trace.Accept:
		switch {
		case first.Local:
			return share + "delivered to the node itself, untranslated"
		case len(group) == 1:
			return share + "goes on untranslated" + by(leavesBy(first))
		}
		return share + "goes on untranslated"
	case trace.Reject:
		with := ""
		if first.RejectWith != "" {
			with = " with " + Escape(first.RejectWith)
		}
		return share + "rejected" + with + concerning(first, names)
	case trace.Drop:
		return share + "dropped" + concerning(first, names)
	}
	return share + "nobody can tell"
}

// whatDepends is what can happen where that depends on assumptions.
func whatDepends(t *trace.Trace) string {
	var parts []string
	for _, group := range byVerdict(t.Outcomes) {
		switch group[0].Verdict {
		case trace.DNAT:
			if n := countEndpoints(group); n > 1 {
				parts = append(parts, fmt.Sprintf("goes to one of %d endpoints", n))
			} else {
				parts = append(parts, "goes to "+endpointOf(group[0], t.Flow.Protocol))
			}
		case trace.Accept:
			parts = append(parts, "goes on untranslated")
		case trace.Reject:
			parts = append(parts, "rejected")
		case trace.Drop:
			parts = append(parts, "dropped")
		default:
			parts = append(parts, "unknown")
		}
	}
	return "it depends: " + strings.Join(parts, " or ")
}

func endpointOf(o trace.Outcome, protocol uint8) string {
	return Escape(trace.EndpointString(o.Endpoint, protocol))
}

func countEndpoints(outcomes []trace.Outcome) int {
	endpoints := map[string]bool{}
	for _, o := range outcomes {
		endpoints[o.Endpoint.String()] = true
	}
	return len(endpoints)
}

// sharesOf is "33.3% each", "25% to 50% each", or a single share.
func sharesOf(outcomes []trace.Outcome) string {
	low := slices.MinFunc(outcomes, func(a, b trace.Outcome) int { return cmp.Compare(a.Probability.Float64(), b.Probability.Float64()) })
	high := slices.MaxFunc(outcomes, func(a, b trace.Outcome) int { return cmp.Compare(a.Probability.Float64(), b.Probability.Float64()) })
	from, to := percent(low.Probability.Float64()), percent(high.Probability.Float64())
	switch {
	case len(outcomes) == 1:
		return from
	case from == to:
		return from + " each"
	}
	return from + " to " + to + " each"
}

func by(link string) string {
	if link == "" {
		return ""
	}
	return ", by " + link
}

// leavesBy is the link that a path ends at, "" if it does not tell.
func leavesBy(o trace.Outcome) string {
	link := ""
	for _, s := range o.Path {
		if to, ok := strings.CutPrefix(s.Effect, "routed to "); ok && s.Chain == nil && !strings.Contains(to, " ") {
			link = Escape(to)
		}
	}
	return link
}

// concerning names the service that the refusing rule concerns, or else the
// chain that it stands in.
func concerning(o trace.Outcome, names *serviceNames) string {
	last := lastMatched(o.Path)
	switch {
	case last == nil:
		return ""
	case last.Rule != nil && names.ofStep(last) != "":
		return fmt.Sprintf(" in %s (%s)", Escape(last.Chain.Name), Escape(names.ofStep(last)))
	case last.Rule != nil:
		return " in " + Escape(last.Chain.Name)
	case last.Chain != nil:
		return " by the policy of " + Escape(last.Chain.Name)
	case last.Service != nil:
		return " by IPVS"
	}
	return " by routing"
}

// lastMatched is the path's last step that is more than a rule passed by.
func lastMatched(path []*trace.Step) *trace.Step {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i].Matched != trace.No {
			return path[i]
		}
	}
	return nil
}

// sourceFate says whether the endpoint sees the client's address.
func sourceFate(outcomes []trace.Outcome) string {
	passed, hidden := 0, 0
	var targets, ends []string
	for _, o := range outcomes {
		if o.Verdict != trace.DNAT && o.Verdict != trace.Accept {
			continue
		}
		passed++
		if !o.Masquerade {
			continue
		}
		hidden++
		if t := rewrittenBy(o.Path); t != "" && !slices.Contains(targets, t) {
			targets = append(targets, t)
		}
		if end := Escape(o.Endpoint.String()); o.Endpoint.IsValid() && !slices.Contains(ends, end) {
			ends = append(ends, end)
		}
	}
	rewritten := "source rewritten"
	if len(targets) > 0 {
		rewritten += " by " + strings.Join(targets, " or ")
	}
	switch {
	case passed == 0:
		return ""
	case hidden == 0:
		return "source kept"
	case hidden == passed:
		return rewritten
	case len(ends) > 0 && len(ends) <= 2 && !forks(outcomes):
		return rewritten + " only on the way to " + strings.Join(ends, " and ")
	}
	return fmt.Sprintf("%s in %d of %d outcomes", rewritten, hidden, passed)
}

// rewrittenBy is the target that rewrites the source: MASQUERADE, SNAT, …
func rewrittenBy(path []*trace.Step) string {
	for _, s := range slices.Backward(path) {
		if s.Rule == nil || s.Matched == trace.No {
			continue
		}
		switch s.Rule.Target().(type) {
		case *netfilter.Masquerade:
			return "MASQUERADE"
		case *netfilter.SNAT:
			return "SNAT"
		}
	}
	return ""
}

// assumptionsOf are the different assumptions of outcomes, as they come.
func assumptionsOf(outcomes []trace.Outcome) []trace.Assumption {
	var all []trace.Assumption
	seen := map[trace.Assumption]bool{}
	for _, o := range outcomes {
		for _, a := range o.Assumptions {
			if !seen[a] {
				seen[a] = true
				all = append(all, a)
			}
		}
	}
	return all
}
