package iptablessave

import (
	"bufio"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A textForm is what printing needs besides the model: where the lines stood,
// how they ended, and those that say nothing of the model or say it in a form
// of their own.
type textForm struct {
	first, end int // line numbers; end is behind the last line
	eol        string
	eols       []lineEnd // of lines that end in another way than most
	kept       []keptLine
	tables     []*table
}

// A lineEnd is what ends a line: "\n", "\r\n", "\r" or nothing.
type lineEnd struct {
	line int
	text string
}

// A keptLine is a line that is printed as it was read.
type keptLine struct {
	line int
	text string
}

// A tableForm is how a table stands in the text.
type tableForm struct {
	order         int
	begin, commit int // lines of "*nat" and COMMIT, 0 without
	policiesEnd   int // line of the last policy at the beginning of a listing
	// The first line that declares a chain, and the first rule with counters,
	// tell the form of all; another line in another form is kept as it is.
	chains, listed           bool // chains are declared, by "-P" and "-N"
	counters, countersInside bool // rules are counted, by "-c 1 2" among the options
}

// ending takes the line's ending off and remembers it.
func (f *textForm) ending(at source.Cursor, line string, next source.Cursor) string {
	body := strings.TrimSuffix(line, "\r")
	end := at.File.Text[at.Offset+len(body) : next.Offset]
	if at.Line == f.first {
		f.eol = end
	}
	if end != f.eol {
		f.eols = append(f.eols, lineEnd{at.Line, end})
	}
	return body
}

// keep remembers a line that is no part of the model.
func (p *parser) keep(pos source.Position, line string) {
	p.dump.text.kept = append(p.dump.text.kept, keptLine{pos.Line, line})
}

// keepUnless remembers a line that the model does not print in this form.
func (p *parser) keepUnless(same bool, pos source.Position, line string) {
	if !same {
		p.keep(pos, line)
	}
}

// A printed is what stands in a line.
type printed struct {
	table *table
	chain *netfilter.Chain
	rule  *netfilter.Rule
	kept  int // number of the kept line, from 1
}

// WriteTo prints the dump as it was read, byte for byte.
func (d *Dump) WriteTo(w io.Writer) (int64, error) {
	f := &d.text
	lines := make([]printed, max(f.end-f.first, 0))
	at := func(line int) *printed {
		if line < f.first || line >= f.end {
			return new(printed)
		}
		return &lines[line-f.first]
	}
	for _, t := range f.tables {
		at(t.lines.begin).table = t
		at(t.lines.commit).table = t
		for _, c := range t.Chains() {
			if !c.Implied {
				*at(c.Pos().Line) = printed{table: t, chain: c}
			}
			for r := range c.Rules() {
				*at(r.Pos().Line) = printed{table: t, rule: r}
			}
		}
	}
	for i, k := range f.kept {
		at(k.line).kept = i + 1
	}
	out := &counted{w: bufio.NewWriterSize(w, 64<<10)}
	var buf []byte
	for i := range lines {
		l := &lines[i]
		buf = buf[:0]
		switch {
		case l.kept > 0:
			out.string(f.kept[l.kept-1].text)
		case l.chain != nil:
			buf = appendChain(buf, l.chain, l.table.lines.listed)
		case l.rule != nil:
			buf = appendRulePrefix(buf, l.rule, l.table.lines.countersInside)
			out.bytes(buf)
			buf = buf[:0]
			out.string(l.rule.Text())
		case l.table != nil && l.table.lines.begin == i+f.first:
			buf = append(append(buf, '*'), l.table.Name...)
		case l.table != nil:
			buf = append(buf, "COMMIT"...)
		}
		out.bytes(buf)
		out.string(f.endOf(i + f.first))
	}
	if out.err == nil {
		out.err = out.w.Flush()
	}
	return out.n, out.err
}

// endOf is what ends a line.
func (f *textForm) endOf(line int) string {
	i := sort.Search(len(f.eols), func(i int) bool { return f.eols[i].line >= line })
	if i < len(f.eols) && f.eols[i].line == line {
		return f.eols[i].text
	}
	return f.eol
}

// counted writes until an error, and counts the bytes.
type counted struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *counted) string(s string) {
	if c.err == nil {
		var n int
		n, c.err = c.w.WriteString(s)
		c.n += int64(n)
	}
}

func (c *counted) bytes(b []byte) {
	if c.err == nil {
		var n int
		n, c.err = c.w.Write(b)
		c.n += int64(n)
	}
}

// appendChain writes the line that declares a chain, as iptables-save or, if
// listed, as "iptables -S" does.
func appendChain(b []byte, c *netfilter.Chain, listed bool) []byte {
	policy := "-"
	if c.Base != nil && c.Base.Policy != netfilter.NoVerdict {
		policy = c.Base.Policy.Name()
	}
	switch {
	case !listed:
		b = append(append(append(append(b, ':'), c.Name...), ' '), policy...)
		if n, ok := c.Counters(); ok {
			b = appendCounters(append(b, ' '), n)
		}
	case policy == "-":
		b = append(append(b, "-N "...), c.Name...)
	default:
		b = append(append(append(append(b, "-P "...), c.Name...), ' '), policy...)
		if n, ok := c.Counters(); ok {
			b = append(b, " -c "...)
			b = strconv.AppendUint(b, n.Packets, 10)
			b = append(b, ' ')
			b = strconv.AppendUint(b, n.Bytes, 10)
		}
	}
	return b
}

// appendRulePrefix writes what stands before a rule: its counters, unless they
// are among its options.
func appendRulePrefix(b []byte, r *netfilter.Rule, inside bool) []byte {
	if c, ok := r.Counters(); ok && !inside {
		b = append(appendCounters(b, c), ' ')
	}
	return b
}

func appendCounters(b []byte, c netfilter.Counters) []byte {
	b = append(b, '[')
	b = strconv.AppendUint(b, c.Packets, 10)
	b = append(b, ':')
	b = strconv.AppendUint(b, c.Bytes, 10)
	return append(b, ']')
}
