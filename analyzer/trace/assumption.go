package trace

import (
	"fmt"
	"strings"

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
// after another is one assumption.
func (w *walk) assumptions(answers []answer) []Assumption {
	out := make([]Assumption, 0, len(answers))
	var unseen map[string]*notSeen
	for _, a := range answers {
		q := &w.questions[a.question]
		switch {
		case q.list != "" && !a.yes:
			u := unseen[q.client]
			if u == nil {
				u = &notSeen{at: len(out), client: q.client}
				if unseen == nil {
					unseen = map[string]*notSeen{}
				}
				unseen[q.client] = u
				out = append(out, Assumption{Rule: q.rule, Text: q.text(false)})
			}
			u.lists = append(u.lists, q.list)
		default:
			out = append(out, Assumption{Rule: q.rule, Text: q.text(a.yes)})
		}
	}
	for _, u := range unseen {
		if len(u.lists) > 1 {
			out[u.at].Text = u.text()
		}
	}
	return out
}

// notSeen are the lists that did not see a client.
type notSeen struct {
	at     int // place among the assumptions
	client string
	lists  []string
}

func (u *notSeen) text() string {
	text := fmt.Sprintf("%s was not seen before by any of %d recent lists: %s",
		u.client, len(u.lists), strings.Join(u.lists[:min(len(u.lists), maxNamed)], ", "))
	if len(u.lists) > maxNamed {
		text += ", …"
	}
	return text
}
