package nftlist

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// readRule reads a rule that begins with the token, and adds it to the chain.
// From a word on that is not understood, the rest of the rule is one opaque
// statement.
func (p *parser) readRule(c *netfilter.Chain, first token) {
	p.at = first.start
	line := p.line
	end := p.parts(first.start)
	text := source.Span{File: p.file, Offset: p.base + first.start, Len: end - first.start, Line: line}
	var counters *netfilter.Counters
	if p.counted {
		counters = &p.counters
	}
	if p.comment != "" {
		p.matches = append(p.matches, &netfilter.Comment{Text: p.comment})
	}
	const most = 1<<16 - 1
	if len(p.matches) > most || len(p.statements) > most {
		p.report(source.Warning, line, "unread-nft", "the rule has more parts than any kernel takes", 1)
		p.matches, p.statements = nil, []netfilter.Statement{&netfilter.OpaqueTarget{Text: p.text[first.start:end]}}
	}
	if p.rendered {
		if next := p.peek(); next.kind != endOfText {
			p.report(source.Warning, line, "unread-nft", fmt.Sprintf("rule in chain %s: found %s, expected its end", c.Name, next.shown()), 1)
			p.statement(&netfilter.OpaqueTarget{Text: strings.Join(strings.Fields(p.text[next.start:]), " ")})
		}
		d := netfilter.NewRule(p.pos, "", p.matches, p.statements)
		if counters != nil {
			d = d.WithCounters(*counters)
		}
		c.AddRule(d)
		return
	}
	c.AddLine(text, p.table.KeepMatches(p.matches), p.table.KeepStatements(p.statements), counters)
}

// parts reads the matches and statements of a rule, and gives where it ends.
func (p *parser) parts(start int) (end int) {
	p.matches, p.statements = p.matches[:0], p.statements[:0]
	p.counters, p.counted, p.comment = netfilter.Counters{}, false, ""
	end = start
	for {
		saved := p.lexer
		t := p.next()
		if ends(t) && t.kind != remark || t.kind == remark && isHandle(t.text) {
			if t.kind == newline || t.is("}") {
				p.lexer = saved // for whoever reads the block
			}
			p.lostTarget(p.text[end:t.start])
			if t.kind == endOfText && p.cut {
				p.statement(&netfilter.OpaqueTarget{}) // nobody knows what stood here
			}
			return end
		}
		ok := false
		if t.kind == remark && p.compat {
			ok = p.printed(t)
		} else if t.kind != remark {
			ok = p.part(t)
		}
		if ok && p.bad == nil {
			end = p.at
			continue
		}
		p.fail(t, "a match or statement")
		p.lexer = saved
		end = p.restOfRule()
		p.reportBad("rule", 1)
		return end
	}
}

func isHandle(text string) bool { return strings.HasPrefix(strings.TrimSpace(text), "handle ") }

// restOfRule makes an opaque statement of what is left of the line.
func (p *parser) restOfRule() (end int) {
	from := p.peek().start
	p.skipLine()
	end = p.at
	if end > from && p.text[end-1] == '\n' {
		end--
		p.at, p.line = end, p.line-1
	}
	text := p.text[from:end]
	if i := strings.Index(text, "# handle "); i >= 0 {
		text = text[:i]
	}
	text = strings.TrimSpace(text)
	p.statement(&netfilter.OpaqueTarget{Text: text})
	return from + len(text)
}

// match adds a condition: behind a statement it is one itself.
func (p *parser) match(m netfilter.Match) bool {
	if m == nil {
		return false
	}
	if len(p.statements) > 0 {
		return p.statement(&netfilter.Provided{Match: m})
	}
	p.matches = append(p.matches, m)
	return true
}

func (p *parser) statement(s netfilter.Statement) bool {
	p.statements = append(p.statements, s)
	return true
}

// part reads one match or statement.
func (p *parser) part(t token) bool {
	if t.is("(") {
		p.at = t.start
		return p.fromExpression()
	}
	if t.kind != word {
		return p.fail(t, "a match or statement")
	}
	switch t.text {
	case "accept", "drop", "return", "continue", "jump", "goto":
		v := p.verdict(t)
		return v != nil && p.statement(v)
	case "counter":
		return p.counter()
	case "comment":
		var ok bool
		p.comment, ok = p.quotedText("a comment")
		return ok
	case "limit", "quota":
		p.at = t.start
		return p.stateMatch()
	case "log":
		return p.log()
	case "reject":
		return p.reject()
	case "queue":
		return p.queue()
	case "dnat", "snat", "redirect", "masquerade":
		return p.nat(t.text)
	case "notrack":
		return p.statement(&netfilter.Track{NoTrack: true, Bare: true})
	case "tproxy":
		return p.tproxy()
	case "dup":
		return p.dup()
	case "add", "update", "delete":
		if next := p.peek(); next.kind == word && next.text[0] == '@' {
			return p.changeSet(t.text)
		}
	case "synproxy", "secmark":
		if p.accept("name") {
			return p.useObject(t.text)
		}
		return p.unmodelled(t)
	case "fwd", "flow", "last", "nftrace", "meter", "set":
		return p.unmodelled(t)
	case "xt":
		return p.extension()
	case "ct":
		switch next := p.peek(); {
		case next.is("count"):
			p.at = t.start
			return p.stateMatch()
		case next.is("helper"), next.is("timeout"), next.is("expectation"):
			saved := p.lexer
			p.next()
			if p.accept("set") {
				return p.useObject("ct " + next.text)
			}
			p.lexer = saved
		}
	}
	p.at = t.start
	return p.fromExpression()
}

// unmodelled takes the rest of the rule as an opaque statement, without a
// remark: nft has such a statement.
func (p *parser) unmodelled(t token) bool {
	p.at = t.start
	end := p.restOfRule()
	p.at = end
	if o, ok := p.statements[len(p.statements)-1].(*netfilter.OpaqueTarget); ok {
		o.Name = t.text
	}
	return true
}

// counter reads a counter. The first one's numbers are the rule's; in a table
// of iptables it is no part of the rule.
func (p *parser) counter() bool {
	if p.accept("name") {
		return p.useObject("counter")
	}
	c, counted, ok := p.counts()
	if !ok {
		return false
	}
	first := !p.counted
	if first && counted {
		p.counters, p.counted = c, true
	}
	switch {
	case p.compat:
	case first:
		p.statement(count)
	default:
		p.statement(&netfilter.Count{Own: &c})
	}
	return true
}

// count is what all rules share that count.
var count = &netfilter.Count{}

// useObject reads the name of a stateful object, or a map to it.
func (p *parser) useObject(kind string) bool {
	name, by, ok := p.objectName(kind)
	return ok && p.statement(&netfilter.UseObject{Kind: kind, Name: name, By: by})
}

func (p *parser) objectName(kind string) (name string, by *netfilter.MapValue, ok bool) {
	if t := p.peek(); startsExpression(t) {
		key := p.expression()
		if key == nil || !p.want("map") {
			return "", nil, false
		}
		by = p.mapValue(key, nil, kind)
		return "", by, by != nil
	}
	name, ok = p.quotedText("the name of an object")
	return name, nil, ok
}

// stateMatch reads a limit, quota or count of connections.
func (p *parser) stateMatch() bool {
	s, ok := p.stateful()
	if !ok {
		return false
	}
	if m, ok := s.(*netfilter.Provided); ok {
		return p.match(m.Match)
	}
	return p.statement(s)
}

// fromExpression reads a match, or a statement, that begins with an expression.
func (p *parser) fromExpression() bool {
	from := p.peek()
	left := p.expression()
	if left == nil {
		return false
	}
	switch {
	case p.accept("set"):
		return p.assign(left, from)
	case p.accept("vmap"):
		set := p.setRef(func(s *netfilter.Set) {
			s.Verdicts = true
			s.SetTypes(left.Types(), nil)
		})
		return set != nil && p.statement(&netfilter.VerdictMap{Key: left, Map: set})
	}
	return p.match(p.relation(left))
}

// assign reads what is set behind "set".
func (p *parser) assign(to netfilter.Expr, from token) bool {
	f, isField := to.(netfilter.Field)
	value := p.value(to.Types())
	if value == nil {
		return false
	}
	if isField {
		return p.statement(setField(f, value))
	}
	if o, ok := to.(*netfilter.OpaqueExpr); ok {
		return p.statement(&netfilter.Assign{ToRaw: o.Text, Value: value})
	}
	return p.fail(from, "something that can be set")
}

// relation reads what an expression is compared with.
func (p *parser) relation(left netfilter.Expr) netfilter.Match {
	op, written := netfilter.Is, false
	switch t := p.peek(); t.text {
	case "==":
		written = true
	case "!=":
		op, written = netfilter.IsNot, true
	case "<":
		op, written = netfilter.IsLess, true
	case ">":
		op, written = netfilter.IsGreater, true
	case "<=":
		op, written = netfilter.IsAtMost, true
	case ">=":
		op, written = netfilter.IsAtLeast, true
	case "!":
		op, written = netfilter.IsNoneOf, true
	}
	if written {
		p.next()
	}
	types := left.Types()
	t := p.peek()
	if t.is("{") || t.kind == word && len(t.text) > 1 && t.text[0] == '@' && op <= netfilter.IsNot {
		set := p.setRef(func(s *netfilter.Set) { s.SetTypes(types, nil) })
		if set == nil {
			return nil
		}
		return &netfilter.Compare{Left: left, Op: op, Set: set}
	}
	c, ok := p.constant(types)
	if !ok {
		return nil
	}
	if len(types) == 1 && types[0] == netfilter.TypeTCPFlags && p.accept("/") {
		mask, ok := p.flagWord(types[0])
		if !ok {
			return nil
		}
		left = &netfilter.Masked{Of: left, And: mask}
		return p.compare(left, op, c)
	}
	if !written && len(types) == 1 && types[0].IsFlags() {
		if _, masked := left.(*netfilter.Masked); !masked {
			op = netfilter.IsAnyOf
		}
	}
	return p.compare(left, op, c)
}

func (p *parser) flagWord(t netfilter.DataType) (uint64, bool) {
	c, _, ok := p.valueRange(t)
	return c.Uint(), ok
}
