package source

import "fmt"

// mostAlike is how many diagnostics of one code Remarks keeps. One more stands
// for all the others.
const mostAlike = 100

// Remarks gathers the diagnostics about a text, so that one that is all wrong
// does not take more memory for what is said of it than for itself. The zero
// Remarks is empty.
type Remarks struct {
	list   []Diagnostic
	alike  map[string]int // how many of a code
	others map[string]int // which of list stands for those beyond mostAlike
}

// Add takes a diagnostic.
func (r *Remarks) Add(d Diagnostic) {
	if r.alike == nil {
		r.alike, r.others = map[string]int{}, map[string]int{}
	}
	r.alike[d.Code]++
	switch n := r.alike[d.Code]; {
	case n <= mostAlike:
		r.list = append(r.list, d)
	case n == mostAlike+1:
		r.others[d.Code] = len(r.list)
		r.list = append(r.list, d)
	default:
		other := &r.list[r.others[d.Code]]
		other.Unread += d.Unread
		other.Severity = max(other.Severity, d.Severity)
	}
}

// All are the diagnostics in the order in which they were added.
func (r *Remarks) All() []Diagnostic {
	all := append([]Diagnostic(nil), r.list...)
	for code, i := range r.others {
		if n := r.alike[code] - mostAlike; n > 1 {
			all[i].Message = fmt.Sprintf("%d more of the kind %s from here on, first: %s", n, code, all[i].Message)
		}
	}
	return all
}
