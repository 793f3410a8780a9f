//go:build linux

package oracle

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
)

// An end is what trace and kernel are both asked for: how a packet ended.
type end struct {
	verdict    string         // "passes", "rejected", "dropped"; "unknown" of a trace
	to         netip.AddrPort // where it went, if it passes
	masquerade bool
	local      bool // to a process of the node
	// hidden says that masquerading would not show.
	hidden bool
}

// String is "passes to 10.0.0.1:80, masqueraded", "rejected".
func (e end) String() string {
	if e.verdict != "passes" {
		return e.verdict
	}
	s := "passes to " + e.to.String()
	if e.local {
		s += " on the node"
	}
	if e.masquerade {
		s += ", masqueraded"
	}
	return s
}

// endOf is what a trace's outcome says.
func endOf(flow trace.Flow, o *trace.Outcome) end {
	switch o.Verdict {
	case trace.DNAT:
		return end{verdict: "passes", to: o.Endpoint, masquerade: o.Masquerade, local: o.Local}
	case trace.Accept:
		return end{verdict: "passes", to: netip.AddrPortFrom(flow.Destination, flow.Port), masquerade: o.Masquerade, local: o.Local}
	case trace.Reject:
		return end{verdict: "rejected"}
	case trace.Drop:
		return end{verdict: "dropped"}
	}
	return end{verdict: "unknown"}
}

// seen is what the kernel did.
func (n *network) seen(flow trace.Flow, f kernel.Fate) end {
	switch f.Kind {
	case kernel.Forwarded:
		return end{verdict: "passes", to: f.Destination, masquerade: f.Masqueraded}
	case kernel.Delivered:
		// What comes in and is delivered never meets POSTROUTING: it was INPUT
		// then that replaced its source.
		e := end{verdict: "passes", to: f.Destination, masquerade: f.Masqueraded && flow.From == trace.FromNode, local: true}
		// Over lo MASQUERADE may take the source that the packet has.
		e.hidden = flow.From == trace.FromNode && f.Source.Addr() == flow.Source &&
			(flow.Source == f.Destination.Addr() || flow.Source == n.first)
		return e
	case kernel.Rejected:
		return end{verdict: "rejected"}
	}
	return end{verdict: "dropped"}
}

// fits reports whether the kernel's end is one that the trace's describes.
// Whatever the trace does not know fits.
func (e end) fits(seen end, flow trace.Flow) bool {
	if e.verdict == "unknown" {
		return true
	}
	if e.verdict != "passes" || seen.verdict != "passes" {
		return e.verdict == seen.verdict
	}
	hasPorts := flow.Protocol != kernel.ICMP && flow.Protocol != kernel.ICMPv6
	return (!e.to.Addr().IsValid() || e.to.Addr() == seen.to.Addr()) &&
		(!hasPorts || e.to.Port() == 0 || e.to.Port() == seen.to.Port()) &&
		e.masquerade == seen.masquerade && e.local == seen.local
}

// unmasked is the end of a packet that the node gets, without what nobody can
// tell where masquerading would not show.
func (e end) unmasked() end {
	if e.local {
		e.masquerade, e.hidden = false, false
	}
	return e
}

// A share is an end with its probability.
type share struct {
	end    end
	chance float64
}

// A literal is one answer to an open question, which its key names.
type literal struct {
	question string
	yes      bool
}

// opposites turn the words of one answer into those of the other.
var opposites = []struct{ no, yes string }{
	{" does not match", " matches"},
	{" was not seen before", " was seen before"},
	{" is none of the node's addresses", " is one of the node's addresses"},
	{"the kernel does not choose", "the kernel chooses"},
	{" drops the packet", " accepts the packet"},
	{"no transparent socket listens", "a transparent socket listens"},
	{" does something else with the packet", " lets the packet go on unchanged"},
	{" does not listen to ", " listens to "},
	{"route_localnet is 0", "route_localnet is 1"},
	{" is in none of ", " is in one of "},
	{" is not in set ", " is in set "},
	{" has no element for ", " has an element for "},
	{" does not pass ", " passes "},
	{" is not full", " is full"},
	{" is not ", " is "},
}

func literalOf(a trace.Assumption) literal {
	for _, o := range opposites {
		if before, after, found := strings.Cut(a.Text, o.no); found {
			return literal{before + o.yes + after, false}
		}
	}
	return literal{a.Text, true}
}

// answered tells how the kernel that is asked answers a question: its lists of
// recent addresses and the sets that rules fill are empty, and it routes
// loopback addresses.
func answered(question string) (yes, known bool) {
	switch {
	case strings.Contains(question, " was seen before by ") && !strings.Contains(question, " times"):
		return false, true
	case strings.Contains(question, " is in set "), strings.Contains(question, " is in one of "):
		return false, true
	case strings.Contains(question, "route_localnet is 1"):
		return true, true
	}
	return false, false
}

// varies reports whether packets of one flow get different answers: the match
// counts them.
func varies(question string) bool {
	for _, module := range []string{"-m limit ", "-m hashlimit ", "-m connlimit ", "-m quota ", "--packets-", "--bytes-"} {
		if strings.Contains(question, module) {
			return true
		}
	}
	return false
}

// maxQuestions bounds how many questions are tried with either answer.
const maxQuestions = 10

// scenarios are what the trace predicts for each way in which the questions
// that are open can be answered. whole is false where the answers cannot be
// told apart by their words; then the last scenario has every outcome.
func scenarios(flow trace.Flow, tr *trace.Trace) (all [][]share, whole bool) {
	var open []string
	alike := false // two questions have the same words, or one is answered anew for each packet
	literals := make([][]literal, len(tr.Outcomes))
	for i := range tr.Outcomes {
		for _, a := range tr.Outcomes[i].Assumptions {
			l := literalOf(a)
			alike = alike || varies(l.question) || slices.ContainsFunc(literals[i], func(o literal) bool { return o.question == l.question })
			literals[i] = append(literals[i], l)
			if _, known := answered(l.question); !known && !slices.Contains(open, l.question) {
				open = append(open, l.question)
			}
		}
	}
	if len(open) <= maxQuestions && !alike {
		for answers := range 1 << len(open) {
			agrees := func(l literal) bool {
				yes, known := answered(l.question)
				if !known {
					yes = answers>>slices.Index(open, l.question)&1 == 1
				}
				return yes == l.yes
			}
			var shares []share
			sum := 0.0
			for i := range tr.Outcomes {
				o := &tr.Outcomes[i]
				if !slices.ContainsFunc(literals[i], func(l literal) bool { return !agrees(l) }) {
					shares = append(shares, share{endOf(flow, o), o.Probability.Float64()})
					sum += o.Probability.Float64()
				}
			}
			if math.Abs(sum-1) < 1e-9 {
				all = append(all, merged(shares))
			}
		}
		if len(all) == 1<<len(open) {
			return all, true
		}
	}
	var every []share
	for i := range tr.Outcomes {
		every = append(every, share{endOf(flow, &tr.Outcomes[i]), math.NaN()})
	}
	return append(all, every), false
}

// merged adds up shares of the same end.
func merged(shares []share) []share {
	var out []share
	for _, s := range shares {
		if i := slices.IndexFunc(out, func(o share) bool { return o.end == s.end }); i >= 0 {
			out[i].chance += s.chance
		} else {
			out = append(out, s)
		}
	}
	return out
}

// disagreement says why the kernel's ends are none that any scenario predicts;
// "" if they are.
func disagreement(flow trace.Flow, predictions [][]share, seen []end) string {
	first := ""
	for _, shares := range predictions {
		why := unlike(flow, shares, seen)
		if why == "" {
			return ""
		}
		if first == "" {
			first = why
		}
	}
	if len(predictions) > 1 {
		first += fmt.Sprintf(" (likewise for %d other answers to what is open)", len(predictions)-1)
	}
	return first
}

// unlike compares a distribution with what was seen: every end that was seen
// must be predicted, and the counts must be such as the probabilities give, but
// for one time in a million (Pearson's chi-square test).
func unlike(flow trace.Flow, shares []share, seen []end) string {
	hidden := slices.ContainsFunc(seen, func(e end) bool { return e.hidden })
	if hidden {
		shares = slices.Clone(shares)
		for i := range shares {
			shares[i].end = shares[i].end.unmasked()
		}
		shares = merged(shares)
	}
	counts := make([]int, len(shares))
	for _, s := range seen {
		if hidden {
			s = s.unmasked()
		}
		i := slices.IndexFunc(shares, func(p share) bool { return p.end.fits(s, flow) })
		if i < 0 {
			return fmt.Sprintf("kernel: %v; trace: %s", s, describe(shares))
		}
		counts[i]++
	}
	if len(shares) > 0 && math.IsNaN(shares[0].chance) {
		return ""
	}
	// Ends too rare for the test are taken together, and with the rarest
	// other one if need be.
	order := make([]int, len(shares))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(shares[a].chance, shares[b].chance) })
	statistic, classes := 0.0, 0
	expected, count := 0.0, 0
	for at, i := range order {
		expected += shares[i].chance * float64(len(seen))
		count += counts[i]
		if rest := at == len(order)-1; expected < 10 && !rest {
			continue
		}
		if expected > 0 {
			statistic += (float64(count) - expected) * (float64(count) - expected) / expected
		}
		classes++
		expected, count = 0, 0
	}
	if statistic <= millionth(classes-1) {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "of %d packets", len(seen))
	for i, s := range shares {
		fmt.Fprintf(&b, "; %v: kernel %d, trace %.1f", s.end, counts[i], s.chance*float64(len(seen)))
	}
	return b.String()
}

// millionth is a value that chi-square exceeds less than once in a million
// times (the Wilson-Hilferty approximation, which errs on the safe side here;
// 4.7534 is the quantile of the normal distribution).
func millionth(degrees int) float64 {
	if degrees == 0 {
		return 1e-6 // all in one class: nothing can differ but by rounding
	}
	k := float64(degrees)
	return k * math.Pow(1-2/(9*k)+4.7534*math.Sqrt(2/(9*k)), 3)
}

func describe(shares []share) string {
	var words []string
	for _, s := range shares {
		words = append(words, fmt.Sprintf("%.4g %v", s.chance, s.end))
	}
	return strings.Join(words, "; ")
}

// answersOf are the kinds of REJECT that were seen.
func answersOf(fates []kernel.Fate) []string {
	var kinds []string
	for _, f := range fates {
		if f.Kind == kernel.Rejected && !slices.Contains(kinds, f.Reject) {
			kinds = append(kinds, f.Reject)
		}
	}
	return kinds
}

// wrongAnswer says that the kernel refuses packets in another way than the
// trace says; "" if not. Outcomes are one whatever they refuse with, so that a
// trace names only one of the ways.
func wrongAnswer(tr *trace.Trace, fates []kernel.Fate) string {
	kinds := answersOf(fates)
	var named []string
	for i := range tr.Outcomes {
		if o := &tr.Outcomes[i]; o.Verdict == trace.Reject && o.RejectWith != "" {
			named = append(named, o.RejectWith)
		}
	}
	if len(kinds) == 0 || len(named) == 0 || slices.ContainsFunc(named, func(k string) bool { return slices.Contains(kinds, k) }) {
		return ""
	}
	return fmt.Sprintf("kernel rejects with %s; trace: %s", strings.Join(kinds, ", "), strings.Join(named, ", "))
}

// protocolNames are those of the protocols that probes are sent with.
var protocolNames = map[uint8]string{
	netfilter.TCP: "tcp", netfilter.UDP: "udp", netfilter.SCTP: "sctp", netfilter.ICMP: "icmp", netfilter.ICMPv6: "icmpv6",
}
