package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// paths writes how the packet comes to its outcomes: what all of them share
// once, then the branches.
func (p *tracePrinter) paths(t *trace.Trace) {
	if len(t.Outcomes) == 0 {
		return
	}
	p.heading("Path")
	shared := commonPrefix(t.Outcomes)
	var at place
	p.steps("  ", t.Outcomes[0].Path[:shared], &at)
	if len(t.Outcomes) == 1 {
		return
	}
	p.branches(t, shared, at)
}

// fewBranches is how many branches that end alike are written without being
// asked for all.
const fewBranches = 3

func (p *tracePrinter) branches(t *trace.Trace, shared int, at place) {
	type kind struct {
		verdict    trace.Verdict
		masquerade bool
	}
	written := map[kind]int{}
	var before []int // outcomes whose branches were written
	left := 0
	assumptions := assumptionsOf(t.Outcomes)
	for i, o := range t.Outcomes {
		k := kind{o.Verdict, o.Masquerade}
		if written[k] == fewBranches && p.Detail != Verbose {
			left++
			continue
		}
		written[k]++
		p.println()
		p.println("  ", p.branchTitle(t, o, assumptions))
		here := at
		tail := o.Path[shared:]
		if like, same := p.likeBefore(t, shared, i, before); same > 0 {
			p.steps("    ", tail[:len(tail)-same], &here)
			p.println("    then as on the way to ", endpointOf(t.Outcomes[like], t.Flow.Protocol), otherwise(tail, t.Outcomes[like].Path, same))
		} else {
			p.steps("    ", tail, &here)
		}
		before = append(before, i)
	}
	if left > 0 {
		p.println()
		p.println(fmt.Sprintf("  and %s more that end alike; -v shows them all", countBranches(left)))
	}
}

func countBranches(n int) string {
	if n == 1 {
		return "1 branch"
	}
	return fmt.Sprintf("%d branches", n)
}

// branchTitle names a branch by its outcome.
func (p *tracePrinter) branchTitle(t *trace.Trace, o trace.Outcome, assumptions []trace.Assumption) string {
	title := string(o.Verdict)
	if o.Verdict == trace.DNAT {
		title += " to " + endpointOf(o, t.Flow.Protocol)
	}
	title += ", " + percent(o.Probability.Float64())
	if len(o.Assumptions) > 0 {
		var numbers []string
		for _, a := range o.Assumptions {
			numbers = append(numbers, fmt.Sprint(slices.Index(assumptions, a)+1))
		}
		title += ", assuming " + strings.Join(numbers, ", ")
	}
	return p.bold(title)
}

// leastAlike is how many steps a branch must have in common with another one
// for them to be left out.
const leastAlike = 3

// likeBefore finds the branch written before that has the longest end in
// common with outcome i: the same rules, though they may have come to
// something else. same is 0 if there is none worth it.
func (p *tracePrinter) likeBefore(t *trace.Trace, shared, i int, before []int) (like, same int) {
	tail := t.Outcomes[i].Path[shared:]
	for _, j := range before {
		if t.Outcomes[j].Verdict != trace.DNAT {
			continue
		}
		other := t.Outcomes[j].Path[shared:]
		n := 0
		for n < min(len(tail), len(other)) && sameRule(tail[len(tail)-1-n], other[len(other)-1-n]) {
			n++
		}
		if n > same {
			like, same = j, n
		}
	}
	if same < leastAlike {
		return 0, 0
	}
	return like, same
}

func sameRule(a, b *trace.Step) bool {
	return a.Hook == b.Hook && a.Chain == b.Chain && a.Rule == b.Rule && a.Matched == b.Matched && a.Service == b.Service
}

// otherwise are the effects that differ at the common end of two paths.
func otherwise(path, other []*trace.Step, same int) string {
	path, other = path[len(path)-same:], other[len(other)-same:]
	var differ []string
	for i := range path {
		if path[i].Effect != other[i].Effect {
			differ = append(differ, Escape(path[i].Effect))
		}
	}
	if len(differ) == 0 {
		return ""
	}
	return ", but " + strings.Join(differ, ", ")
}

// commonPrefix counts the steps that all outcomes begin with.
func commonPrefix(outcomes []trace.Outcome) int {
	n := len(outcomes[0].Path)
	for _, o := range outcomes[1:] {
		i := 0
		for i < min(n, len(o.Path)) && sameRule(o.Path[i], outcomes[0].Path[i]) && o.Path[i].Effect == outcomes[0].Path[i].Effect {
			i++
		}
		n = i
	}
	return n
}

// A place is where a path has come to.
type place struct {
	hook  netfilter.Hook
	table *netfilter.Table
}

// steps writes steps, with a line for each hook and table that they come to.
// Rules are never wrapped, so that they can be copied.
func (p *tracePrinter) steps(indent string, steps []*trace.Step, at *place) {
	width := 0
	for _, s := range steps {
		if pos, text := s.Evidence(); text != "" {
			width = max(width, len(Escape(pos.String())))
		}
	}
	for _, s := range steps {
		here := place{hook: s.Hook}
		if s.Chain != nil {
			here.table = s.Chain.Table
		}
		if here.table != nil && here != *at {
			p.println(indent, p.bold(s.Hook.String()), ", table ", tableName(here.table))
		}
		*at = here
		switch {
		case s.Rule != nil || s.Service != nil && s.Service.Text() != "":
			at, text := s.Evidence()
			pos := Escape(at.String())
			if s.Service != nil {
				p.println(indent, p.bold(s.Hook.String()), ", IPVS")
			}
			p.println(indent, "  ", pos, strings.Repeat(" ", width-len(pos)+2), clip(Escape(text), maxRule))
			p.println(indent, "  ", strings.Repeat(" ", width+2), p.effect(s))
		case s.Chain != nil:
			p.println(indent, "  ", Escape(s.Chain.Name), ": ", Escape(s.Effect))
		default:
			p.println(indent, Escape(s.Effect))
		}
	}
}

// effect is what a rule came to, with the service that it names.
func (p *tracePrinter) effect(s *trace.Step) string {
	if s.Matched == trace.No {
		if s.Missed == nil {
			return "· no match"
		}
		return "· no match: " + clip(Escape(s.MissedText()), maxRule) + " does not hold"
	}
	text := "→ " + Escape(s.Effect)
	if element := s.ElementText(); element != "" {
		text += " by " + clip(Escape(element), maxRule) + mapName(s)
	}
	if name := p.names.ofStep(s); name != "" {
		text += "  [" + Escape(name) + "]"
	}
	if !s.Chance.IsZero() {
		text += ", by chance " + percent(s.Chance.Float64())
	}
	if s.Matched == trace.Assumed {
		text += " (assumed to match)"
	}
	return p.bold(text)
}

// tableName is "nat", and with its family "ip kube-proxy" for a table of
// nftables, whose names say less.
func tableName(t *netfilter.Table) string {
	if t.Backend != netfilter.Native {
		return Escape(t.Name)
	}
	return t.Family.NFT() + " " + Escape(t.Name)
}

// mapName says which map an element is of, and where it stands.
func mapName(s *trace.Step) string {
	if s.Set.Name == "" {
		return ""
	}
	text := " of map " + Escape(s.Set.Name)
	if pos := s.ElementPos(); pos.IsValid() {
		text += " (" + Escape(pos.String()) + ")"
	}
	return text
}
