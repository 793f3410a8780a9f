package nftlist

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// readSet reads a named set or map behind its opening brace.
func (p *parser) readSet(name, kind string, line int) {
	s, added := p.table.AddSet(name, p.here(line))
	if !added {
		p.report(source.Warning, line, "set-twice", fmt.Sprintf("%s %s is declared in line %d already; the second is not used", kind, name, s.Pos.Line), 0)
		s = &netfilter.Set{Table: p.table, Name: name}
	}
	p.block(func(t token) {
		if !p.setProperty(s, t) && p.bad == nil {
			p.fail(t, "a property of a set")
		}
		if p.bad != nil {
			p.reportBad(kind+" "+name, 1)
			p.table.Complete = false
			s.AddUnread("")
			p.skipLine()
		}
	})
	if len(s.Key) == 0 {
		s.SetTypes([]netfilter.DataType{netfilter.TypeText}, nil)
	}
}

// setProperty reads one property of a set.
func (p *parser) setProperty(s *netfilter.Set, t token) (ok bool) {
	if (t.text == "type" || t.text == "typeof") && s.Key != nil {
		return p.fail(t, "one type") // elements may have been read by the first
	}
	switch t.text {
	case "type":
		return p.setType(s)
	case "typeof":
		return p.setTypeOf(s)
	case "policy":
		s.Policy, ok = p.name("a policy")
		return ok
	case "size":
		n, ok := p.number(32)
		s.Size = uint32(n)
		return ok
	case "flags":
		return p.setFlags(s)
	case "timeout":
		s.Timeout, ok = p.duration()
		return ok
	case "gc-interval":
		s.GCInterval, ok = p.duration()
		return ok
	case "auto-merge":
		s.AutoMerge = true
		return true
	case "comment":
		s.Comment, ok = p.quotedText("a comment")
		return ok
	case "elements":
		return p.want("=") && p.want("{") && p.elements(s)
	case "counter", "limit", "quota", "last", "ct":
		if p.peek().is("count") && t.text == "ct" || t.text != "ct" {
			p.at = t.start
			with, ok := p.stateful()
			s.With = append(s.With, with)
			return ok
		}
	}
	return false
}

func (p *parser) setFlags(s *netfilter.Set) bool {
	for {
		t := p.next()
		for flag := range strings.SplitSeq(t.text, ",") {
			switch flag {
			case "constant":
				s.Flags |= netfilter.ConstantSet
			case "dynamic":
				s.Flags |= netfilter.DynamicSet
			case "interval":
				s.Flags |= netfilter.IntervalSet
			case "timeout":
				s.Flags |= netfilter.TimeoutSet
			default:
				return p.fail(t, "constant, dynamic, interval or timeout")
			}
		}
		if !p.accept(",") {
			return true
		}
	}
}

// setType reads "ipv4_addr . inet_service : verdict".
func (p *parser) setType(s *netfilter.Set) bool {
	key, text, ok := p.typeList()
	if !ok {
		return false
	}
	s.KeyText = text
	if !p.accept(":") {
		s.SetTypes(key, nil)
		return true
	}
	switch t := p.peek(); t.text {
	case "verdict":
		s.Verdicts = true
	case "counter", "quota", "limit", "synproxy", "secmark":
		s.ObjectMap = t.text
	case "ct":
		p.next()
		s.ObjectMap = "ct " + p.peek().text
	default:
		data, text, ok := p.typeList()
		s.DataText = text
		s.SetTypes(key, data)
		return ok
	}
	p.next()
	s.SetTypes(key, nil)
	return true
}

// typeList reads names of types. text is empty if all of them are modelled.
func (p *parser) typeList() (types []netfilter.DataType, text string, ok bool) {
	from := p.peek().start
	unknown := false
	for {
		t := p.next()
		if t.kind != word {
			return nil, "", p.fail(t, "a type")
		}
		typ, known := netfilter.DataTypeNamed(t.text)
		unknown = unknown || !known
		types = append(types, typ)
		if !p.accept(".") {
			if unknown {
				text = p.text[from:t.end]
			}
			return types, text, true
		}
	}
}

// setTypeOf reads "ip saddr . tcp dport : meta mark".
func (p *parser) setTypeOf(s *netfilter.Set) bool {
	from := p.peek().start
	e := p.expression()
	if e == nil {
		return false
	}
	s.KeyText = strings.TrimSpace(p.text[from:p.at])
	if !p.accept(":") {
		s.SetTypes(e.Types(), nil)
		return true
	}
	if p.accept("verdict") {
		s.Verdicts = true
		s.SetTypes(e.Types(), nil)
		return true
	}
	from = p.peek().start
	p.accept("interval")
	data := p.expression()
	if data == nil {
		return false
	}
	s.DataText = strings.TrimSpace(p.text[from:p.at])
	s.SetTypes(e.Types(), data.Types())
	return true
}

// number reads a decimal or hexadecimal number of so many bits.
func (p *parser) number(bits int) (uint64, bool) {
	t := p.next()
	n, err := strconv.ParseUint(t.text, 0, bits)
	if err != nil || t.kind != word {
		return 0, p.fail(t, "a number")
	}
	return n, true
}

// elements reads elements behind the opening brace, the closing one too. One
// that cannot be read is kept as text.
func (p *parser) elements(s *netfilter.Set) bool {
	commas := p.commas
	p.commas = !hasFlags(s.Key)
	defer func() { p.commas = commas }()
	s.Expect(p.elementsAhead(s))
	for {
		p.skipNewlines()
		if p.plainElement(s) {
			continue
		}
		t := p.peek()
		switch {
		case t.is("}"):
			p.next()
			return true
		case t.is(","):
			p.next()
			continue
		case t.kind == endOfText, p.breaksOff(t):
			s.AddUnread("")
			return p.fail(t, "an element")
		}
		if p.element(s) {
			continue
		}
		p.seeElision(t)
		line, bad := p.line, p.bad
		if bad != nil {
			line = bad.line
		}
		p.at = t.start
		p.line = line
		text, closed := p.skipElement()
		s.AddUnread(text)
		if bad != nil {
			p.reportBad("set "+s.Name, 1)
		}
		if !closed {
			return p.fail(p.peek(), `"}"`)
		}
	}
}

// elementsAhead is how many elements there will be up to the closing brace, by
// their commas; fewer where they would take more room than their text twice.
func (p *parser) elementsAhead(s *netfilter.Set) int {
	const verdictAndLine = 20
	ahead := p.text[p.at:]
	if end := strings.IndexByte(ahead, '}'); end >= 0 {
		ahead = ahead[:end]
	}
	width := netfilter.KeyWidth(s.Key) + netfilter.KeyWidth(s.Data) + verdictAndLine
	return min(strings.Count(ahead, ",")+1, 2*len(ahead)/width)
}

func hasFlags(types []netfilter.DataType) bool {
	return len(types) == 1 && (types[0].IsFlags() || types[0] == netfilter.TypeText)
}

// skipElement goes behind the comma that ends an element, or before the brace.
// closed is false where the text ends first.
func (p *parser) skipElement() (text string, closed bool) {
	start := p.at
	depth := 0
	for {
		saved := p.lexer
		t := p.next()
		switch {
		case t.kind == endOfText:
			return strings.TrimSpace(p.text[start:t.start]), false
		case t.is("{"):
			depth++
		case t.is("}") && depth > 0:
			depth--
		case depth == 0 && (t.is("}") || t.is(",")):
			p.lexer = saved
			return strings.Join(strings.Fields(p.text[start:t.start]), " "), true
		}
	}
}

// element reads one element, up to the comma or brace behind it.
func (p *parser) element(s *netfilter.Set) bool {
	var e netfilter.Element
	if !s.Readable() {
		return false
	}
	e.Line = p.line
	if p.peek().is("*") {
		p.next()
	} else {
		c, ok := p.constant(s.Key)
		if !ok {
			return false
		}
		e.First, e.Last = c.First, c.Last
	}
	for {
		saved := p.lexer
		t := p.next()
		if t.kind == newline {
			continue
		}
		ok := true
		switch {
		case t.is(","), t.is("}"):
			if s.IsMap() {
				return p.fail(t, `":"`)
			}
			p.lexer = saved
			s.Add(e)
			return true
		case t.is(":"):
			if !s.IsMap() {
				return p.fail(t, `"," or "}"`)
			}
			if !p.elementData(s, &e) {
				return false
			}
			p.skipNewlines()
			if t := p.peek(); !t.is(",") && !t.is("}") {
				return p.fail(t, `"," or "}"`)
			}
			s.Add(e)
			return true
		case t.is("comment"):
			e.Comment, ok = p.quotedText("a comment")
		case t.is("timeout"):
			e.Timeout, ok = p.duration()
		case t.is("expires"):
			e.Expires, ok = p.duration()
		case t.is("counter"):
			var c netfilter.Counters
			if c, _, ok = p.counts(); ok {
				e.Counters = &c
			}
		case t.is("limit"), t.is("quota"), t.is("last"), t.is("ct"):
			p.lexer = saved
			var with netfilter.Statement
			if with, ok = p.stateful(); ok {
				e.Rest = strings.TrimSpace(e.Rest + " " + with.String())
			}
		default:
			return p.fail(t, `"," or "}"`)
		}
		if !ok {
			return false
		}
	}
}

// elementData reads what a map has for an element.
func (p *parser) elementData(s *netfilter.Set, e *netfilter.Element) bool {
	p.skipNewlines()
	switch {
	case s.Verdicts:
		t := p.next()
		v := p.verdict(t)
		if v == nil {
			return p.fail(t, "a verdict")
		}
		e.Verdict = v
		return p.bad == nil
	case s.ObjectMap != "":
		name, ok := p.quotedText("the name of an object")
		e.Verdict = &netfilter.UseObject{Kind: s.ObjectMap, Name: name}
		return ok
	}
	c, ok := p.constant(s.Data)
	e.Data, e.DataLast = c.First, c.Last
	return ok
}

// verdict is the verdict that begins with the word, nil if it begins none.
func (p *parser) verdict(t token) netfilter.Statement {
	if t.kind != word {
		return nil
	}
	switch t.text {
	case "accept":
		return netfilter.Accept
	case "drop":
		return netfilter.Drop
	case "return":
		return netfilter.Return
	case "continue":
		return netfilter.Continue
	case "queue":
		return netfilter.Queue
	case "jump", "goto":
		name, ok := p.name("a chain's name")
		if !ok {
			return nil
		}
		if t.text == "goto" {
			return p.table.Goto(name)
		}
		return p.table.Jump(name)
	}
	return nil
}
