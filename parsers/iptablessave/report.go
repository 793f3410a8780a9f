package iptablessave

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/svcpath/svcpath/analyzer/source"
)

// maxAlike is how many diagnostics of one code a dump has. One more stands for
// all the others.
const maxAlike = 100

// diagnostics gathers the remarks about a dump.
type diagnostics struct {
	list   []source.Diagnostic
	counts map[string]int
	others []int // those in list that stand for others
}

func (d *diagnostics) add(severity source.Severity, pos source.Position, code, message string) {
	if d.counts == nil {
		d.counts = map[string]int{}
	}
	d.counts[code]++
	switch n := d.counts[code]; {
	case n == maxAlike+1:
		d.others = append(d.others, len(d.list))
		fallthrough
	case n <= maxAlike:
		d.list = append(d.list, source.Diagnostic{Severity: severity, Pos: pos, Code: code, Message: message})
	}
}

// skipped adds the remark about lines that were passed over.
func (d *diagnostics) skipped(pos source.Position, message string, lines int) {
	d.list = append(d.list, source.Diagnostic{
		Severity: source.Warning, Pos: pos, Code: "unread-lines", Message: message, Unread: lines,
	})
}

// all are the diagnostics in the order of the text.
func (d *diagnostics) all() []source.Diagnostic {
	for _, i := range d.others {
		other := &d.list[i]
		if n := d.counts[other.Code] - maxAlike; n > 1 {
			other.Message = fmt.Sprintf("%d more of the kind %s from here on, first: %s", n, other.Code, other.Message)
		}
	}
	slices.SortStableFunc(d.list, func(a, b source.Diagnostic) int { return a.Pos.Compare(b.Pos) })
	return d.list
}

// maxQuoted is how much of a line a message quotes, in runes.
const maxQuoted = 80

// cut shortens text for a message.
func cut(s string) string {
	if len(s) <= maxQuoted {
		return s
	}
	runes := 0
	for i := range s {
		if runes == maxQuoted {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// quote quotes text for a message, shortened.
func quote(s string) string { return strconv.Quote(cut(s)) }

// count is "1 rule", "2 rules".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
