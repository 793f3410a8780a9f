package drift

import (
	"net/netip"
	"sort"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A quoter finds the line of an object that says something. Objects know where
// they begin; what one says is looked for from there to where the next begins.
type quoter struct {
	objects *cluster.Objects
	starts  map[*source.File][]int // the lines in which objects begin, sorted
	offsets map[*source.File][]int // of lines
	budget  int                    // bytes that may still be looked through
}

func newQuoter(o *cluster.Objects) *quoter {
	return &quoter{objects: o, offsets: map[*source.File][]int{}, budget: mostBytes}
}

// mostLines is how many lines of an object are looked through.
const mostLines = 20000

// mostBytes is how much text is looked through in all.
const mostBytes = 256 << 20

// longestLine is how much of a line is shown: a JSON object can be one line.
const longestLine = 200

// at is a line as it stands.
func (q *quoter) at(pos source.Position) audit.Line {
	text, _ := q.line(pos.File, pos.Line)
	return audit.Line{Pos: pos, Text: shorten(strings.TrimSpace(text), 0)}
}

// service is the line that names a Service.
func (q *quoter) service(s *cluster.Service) audit.Line {
	return q.find(s.Pos, field("name", s.Name))
}

// door is the line that asks for a door.
func (q *quoter) door(p *servicePort, d door) audit.Line {
	switch d.kind {
	case inventory.NodePort:
		return q.find(p.service.Pos, field("nodePort", strconv.Itoa(int(d.port))))
	case inventory.LoadBalancerIP:
		return q.find(p.service.Pos, field("ip", d.address.String()))
	}
	return q.find(p.service.Pos, word(d.address.String()))
}

// field is the line of a Service's field, or that of its name where it has none
// of that value.
func (q *quoter) field(s *cluster.Service, name, value string) audit.Line {
	l := q.find(s.Pos, field(name, value))
	if l.Pos == s.Pos {
		return q.service(s)
	}
	return l
}

// affinity is the line of a Service's session affinity, its timeout's if it has
// one.
func (q *quoter) affinity(s *cluster.Service) audit.Line {
	if s.Affinity != nil {
		return q.field(s, "timeoutSeconds", strconv.FormatUint(uint64(s.Affinity.TimeoutSeconds), 10))
	}
	return q.field(s, "sessionAffinity", "None")
}

// ranges is the line of a Service's first source range.
func (q *quoter) ranges(s *cluster.Service) audit.Line {
	if len(s.SourceRanges) == 0 {
		return q.service(s)
	}
	l := q.find(s.Pos, word(s.SourceRanges[0].String()))
	if l.Pos == s.Pos {
		return q.find(s.Pos, field("loadBalancerSourceRanges", ""))
	}
	return l
}

// slice is the line that names an EndpointSlice.
func (q *quoter) slice(s *cluster.EndpointSlice) audit.Line {
	return q.find(s.Pos, field("name", s.Name))
}

// endpoint is the line that has an endpoint's address.
func (q *quoter) endpoint(s *cluster.EndpointSlice, a netip.Addr) audit.Line {
	return q.find(s.Pos, word(a.String()))
}

// find gives the first line of the object at a place in which something is
// found; the object's first line if nothing is.
func (q *quoter) find(pos source.Position, in func(line string) int) audit.Line {
	end := q.end(pos)
	for n := pos.Line; n < end; n++ {
		text, ok := q.line(pos.File, n)
		if q.budget -= len(text); q.budget < 0 {
			break
		}
		if !ok || n > pos.Line && strings.HasPrefix(text, "---") {
			break
		}
		if at := in(text); at >= 0 {
			return audit.Line{Pos: source.Position{File: pos.File, Line: n}, Text: shorten(text, at)}
		}
	}
	return q.at(pos)
}

// end is the line in which the object after the one at a place begins.
func (q *quoter) end(pos source.Position) int {
	if q.starts == nil {
		q.starts = map[*source.File][]int{}
		add := func(p source.Position) { q.starts[p.File] = append(q.starts[p.File], p.Line) }
		for _, s := range q.objects.Services {
			add(s.Pos)
		}
		for _, s := range q.objects.Slices {
			add(s.Pos)
		}
		for _, n := range q.objects.Nodes {
			add(n.Pos)
		}
		for _, lines := range q.starts {
			sort.Ints(lines)
		}
	}
	starts := q.starts[pos.File]
	if i := sort.SearchInts(starts, pos.Line+1); i < len(starts) {
		return min(starts[i], pos.Line+mostLines)
	}
	return pos.Line + mostLines
}

// line is a line of a file by its number.
func (q *quoter) line(f *source.File, n int) (string, bool) {
	if f == nil || n < 1 {
		return "", false
	}
	offsets, ok := q.offsets[f]
	if !ok {
		offsets = append(offsets, 0)
		for i := 0; i < len(f.Text); i++ {
			if f.Text[i] == '\n' {
				offsets = append(offsets, i+1)
			}
		}
		q.offsets[f] = offsets
	}
	if n > len(offsets) {
		return "", false
	}
	text := f.Text[offsets[n-1]:]
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		text = text[:i]
	}
	return strings.TrimRight(text, "\r"), true
}

// shorten is a line without what stands around it, cut when it is long to what
// stands at a place of it.
func shorten(text string, at int) string {
	if len(text) <= longestLine {
		return strings.TrimSpace(text)
	}
	from := max(0, min(at-longestLine/2, len(text)-longestLine))
	cut := strings.ToValidUTF8(text[from:from+longestLine], "")
	if from > 0 {
		cut = "…" + cut
	}
	if from+longestLine < len(text) {
		cut += "…"
	}
	return cut
}

// word looks for a text that no letter, digit or sign of an address goes on
// around.
func word(w string) func(string) int {
	return func(line string) int {
		for from := 0; ; {
			i := strings.Index(line[from:], w)
			if i < 0 {
				return -1
			}
			i += from
			if (i == 0 || !inWord(line[i-1])) && (i+len(w) == len(line) || !inWord(line[i+len(w)])) {
				return i
			}
			from = i + 1
		}
	}
}

func inWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte(".:-_/", c) >= 0
}

// field looks for a field with a value, in YAML or JSON.
func field(name, value string) func(string) int {
	return func(line string) int {
		for from := 0; ; {
			i := strings.Index(line[from:], name)
			if i < 0 {
				return -1
			}
			i += from
			from = i + 1
			if i > 0 && inWord(line[i-1]) {
				continue
			}
			rest, isField := strings.CutPrefix(strings.TrimPrefix(line[i+len(name):], `"`), ":")
			rest = strings.TrimLeft(rest, " \t\"'")
			rest, same := strings.CutPrefix(rest, value)
			if isField && same && (rest == "" || !inWord(rest[0])) {
				return i
			}
		}
	}
}
