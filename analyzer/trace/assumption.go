package trace

import (
	"strconv"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An Assumption is an answer to something that the capture does not tell.
type Assumption struct {
	// Rule is the rule that asked first; nil for a fact about the node.
	Rule *netfilter.Rule
	// Text is one clause: "-m bpf … matches".
	Text string
}

// String is the assumption with the line that it concerns:
// "node.txt:12: -m bpf … matches".
func (a Assumption) String() string {
	if a.Rule == nil || !a.Rule.Pos().IsValid() {
		return a.Text
	}
	return a.Rule.Pos().String() + ": " + a.Text
}

// maxNamed is how many lists of "-m recent" an assumption names.
const maxNamed = 3

// assumptions are the answers in words. That a client was not seen by one list
// after another is one assumption, and so it is with sets that rules fill.
func (w *walk) assumptions(answers []answer) []Assumption {
	w.unseen = w.unseen[:0]
	n, grouped := 0, false
	for _, a := range answers {
		q := &w.questions[a.question]
		if q.list == "" || a.yes || w.notSeenBy(q) {
			n++
		}
		grouped = grouped || q.group != nil
	}
	out := make([]Assumption, 0, n)
	var groups map[*group]*answered
	if grouped {
		groups = w.groups(answers)
	}
	next := 0 // of those that were not seen
	for _, a := range answers {
		q := &w.questions[a.question]
		if q.group != nil && !a.yes {
			switch g := groups[q.group]; {
			case g.chosen:
				continue // another one, so not this one
			case g.denied == q.group.size && q.group.none != "":
				if !g.told {
					out = append(out, Assumption{Rule: q.rule, Text: q.group.none})
				}
				g.told = true
				continue
			}
		}
		if q.list == "" || a.yes {
			out = append(out, Assumption{Rule: q.rule, Text: w.words.answer(q, a.yes)})
			continue
		}
		if next == len(w.unseen) || w.unseen[next].first != q {
			continue
		}
		text := w.words.answer(q, false)
		if u := &w.unseen[next]; u.lists > 1 {
			text = w.notSeen(u)
		}
		next++
		out = append(out, Assumption{Rule: q.rule, Text: text})
	}
	return out
}

// answered is what is answered of a group.
type answered struct {
	chosen bool // one of its questions with yes
	told   bool // what it means that all are answered with no
	denied int
}

// groups are what is answered of the groups that the answers are of.
func (w *walk) groups(answers []answer) map[*group]*answered {
	groups := map[*group]*answered{}
	for _, a := range answers {
		g := w.questions[a.question].group
		if g == nil {
			continue
		}
		if groups[g] == nil {
			groups[g] = &answered{}
		}
		if a.yes {
			groups[g].chosen = true
		} else {
			groups[g].denied++
		}
	}
	return groups
}

// notSeen are the lists that did not see a client.
type notSeen struct {
	first *question // that asked for the client
	lists int
	names [maxNamed]string // of the first of them
}

// notSeenBy adds a list that did not see its client. It reports whether the
// client is a new one: there are few.
func (w *walk) notSeenBy(q *question) (isNew bool) {
	i := 0
	for i < len(w.unseen) && (w.unseen[i].first.client != q.client || w.unseen[i].first.isSet != q.isSet) {
		i++
	}
	if isNew = i == len(w.unseen); isNew {
		w.unseen = append(w.unseen, notSeen{first: q})
	}
	u := &w.unseen[i]
	if u.lists < maxNamed {
		u.names[u.lists] = q.list
	}
	u.lists++
	return isNew
}

// maxToldUnseen is how many texts are kept for other outcomes.
const maxToldUnseen = 32

// toldUnseen is what was said last of so many lists.
type toldUnseen struct {
	notSeen
	text string
}

// notSeen says which lists did not see a client. Many outcomes say the same.
func (w *walk) notSeen(u *notSeen) string {
	known := &w.toldUnseen[u.lists%maxToldUnseen]
	if known.notSeen != *u {
		*known = toldUnseen{*u, w.words.notSeen(u)}
	}
	return known.text
}

// notSeen says which lists did not see a client.
func (w *words) notSeen(u *notSeen) string {
	before, behind := " was not seen before by any of ", " recent lists: "
	if u.first.isSet {
		before, behind = " is in none of ", " sets: "
	}
	b := append(w.begin(u.first.client), before...)
	b = append(strconv.AppendInt(b, int64(u.lists), 10), behind...)
	for i, name := range u.names[:min(u.lists, maxNamed)] {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, name...)
	}
	if u.lists > maxNamed {
		b = append(b, ", …"...)
	}
	return w.keep(b)
}
