package nftlist

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// expression reads what a value is computed from: fields and the like, with
// operations on them, concatenated. It gives nil, and notes why, where there is
// none.
func (p *parser) expression() netfilter.Expr {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.peek(), "a shorter expression")
		return nil
	}
	defer func() { p.depth-- }()
	e := p.operand()
	if e == nil || !p.peek().is(".") {
		return e
	}
	c := &netfilter.Concat{Parts: make([]netfilter.Expr, 1, 4)}
	c.Parts[0] = e
	for p.accept(".") {
		if len(c.Parts) == 16 {
			p.fail(p.peek(), "fewer parts")
			return nil
		}
		if e = p.operand(); e == nil {
			return nil
		}
		if _, nested := e.(*netfilter.Concat); nested {
			p.fail(p.peek(), "no concatenation in a concatenation")
			return nil
		}
		c.Parts = append(c.Parts, e)
	}
	return c
}

// operand reads an expression with the operations that follow it.
func (p *parser) operand() netfilter.Expr {
	e := p.primary()
	for e != nil {
		op := operation(p.peek().text)
		if op == 0 {
			return e
		}
		p.next()
		e = p.operate(e, op)
	}
	return nil
}

// operation is the operation of that name: "&", "|", "^", "<" for a shift to
// the left, ">" to the right; 0 for other words. Words instead of signs are how
// iptables-nft has them.
func operation(name string) byte {
	switch name {
	case "&", "and":
		return '&'
	case "|", "or":
		return '|'
	case "^", "xor":
		return '^'
	case "<<", "lshift":
		return '<'
	case ">>", "rshift":
		return '>'
	}
	return 0
}

// operate reads the constant behind an operation. Operations in a row come to
// one mask and one value.
func (p *parser) operate(e netfilter.Expr, op byte) netfilter.Expr {
	types := e.Types()
	if o, ok := e.(*netfilter.OpaqueExpr); ok {
		t := p.next()
		if t.kind != word {
			p.fail(t, "a value")
			return nil
		}
		return &netfilter.OpaqueExpr{Text: o.Text + " " + string(op) + strings.Repeat(string(op), btoi(op == '<' || op == '>')) + " " + t.text, Type: o.Type}
	}
	if len(types) != 1 || types[0].Width() == 0 || types[0].Width() > 8 {
		p.fail(p.peek(), "no operation on this value")
		return nil
	}
	if op == '<' || op == '>' {
		n, ok := p.number(6)
		if !ok {
			return nil
		}
		if op == '>' {
			return &netfilter.Shifted{Of: e, Left: -int8(n)}
		}
		return &netfilter.Shifted{Of: e, Left: int8(n)}
	}
	first, last, ok := p.maskValue(types[0])
	if !ok || first != last {
		p.fail(p.peek(), "a mask")
		return nil
	}
	v := first.Uint()
	m, ok := e.(*netfilter.Masked)
	if !ok {
		m = &netfilter.Masked{Of: e, And: fullMask(types[0])}
	}
	switch op {
	case '&':
		m.And, m.Xor = m.And&v, m.Xor&v
	case '|':
		m.And, m.Xor = m.And&^v, m.Xor|v
	case '^':
		m.Xor ^= v
	}
	return m
}

// maskValue is valueRange without taking "|" for a list of flags.
func (p *parser) maskValue(t netfilter.DataType) (first, last netfilter.Key, ok bool) {
	if p.peek().is("(") {
		return p.valueRange(t)
	}
	tok := p.next()
	if tok.kind == word {
		if first, last, ok = parseRange(t, tok); ok {
			return first, last, true
		}
	}
	return "", "", p.fail(tok, "a value of type "+t.String())
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func fullMask(t netfilter.DataType) uint64 {
	if t.Width() >= 8 {
		return 1<<64 - 1
	}
	return 1<<(8*t.Width()) - 1
}

// primary reads one expression that is no operation.
func (p *parser) primary() netfilter.Expr {
	t := p.next()
	if t.is("(") {
		return p.parenthesis(t)
	}
	if t.kind != word {
		p.fail(t, "an expression")
		return nil
	}
	switch t.text {
	case "ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "th", "icmp", "icmpv6", "igmp", "ether", "vlan", "arp", "ah", "esp", "comp", "socket":
		if e, done := p.headerField(t); done {
			return e
		}
	case "meta":
		return p.metaField(p.next())
	case "mark", "iif", "iifname", "iiftype", "oif", "oifname", "oiftype", "iifgroup", "oifgroup", "skuid", "skgid", "nftrace",
		"rtclassid", "ibriport", "obriport", "ibrname", "obrname", "pkttype", "cpu", "cgroup", "l4proto", "nfproto", "protocol":
		return p.metaField(t)
	case "ct":
		return p.connField()
	case "rt":
		return p.routeField(t)
	case "fib":
		return p.fib()
	case "numgen":
		return p.numgen()
	case "jhash", "symhash":
		return p.hash(t.text == "jhash")
	case "exthdr", "hbh", "frag", "dst", "mh", "srh":
		field := p.next()
		if field.kind != word {
			p.fail(field, "a field")
			return nil
		}
		return p.opaqueExpr(t.text + " " + field.text)
	case "osf", "ipsec":
		from := t.start
		for n := 0; n < 4 && (p.peek().is("ttl") || p.peek().is("loose") || p.peek().is("skip") || p.peek().is("in") || p.peek().is("out") ||
			p.peek().is("name") || p.peek().is("version") || p.peek().is("reqid") || p.peek().is("spi")); n++ {
			t = p.next()
		}
		return &netfilter.OpaqueExpr{Text: p.text[from:t.end]}
	}
	if strings.HasPrefix(t.text, "@") && strings.Count(t.text, ",") == 2 {
		return &netfilter.OpaqueExpr{Text: t.text}
	}
	p.fail(t, "an expression")
	return nil
}

// parenthesis takes an expression in parentheses. What nft prints so is
// arithmetic on raw bytes, which is kept as its text.
func (p *parser) parenthesis(open token) netfilter.Expr {
	depth := 1
	for depth > 0 {
		t := p.next()
		switch {
		case t.kind == newline, t.kind == endOfText, t.is("{"), t.is("}"):
			p.fail(t, `")"`)
			return nil
		case t.is("("):
			depth++
		case t.is(")"):
			depth--
		}
	}
	return &netfilter.OpaqueExpr{Text: p.text[open.start:p.at]}
}

// headerField reads the field of a header whose name was read.
func (p *parser) headerField(t token) (e netfilter.Expr, done bool) {
	field := p.next()
	if field.kind != word {
		p.fail(field, "a field of "+t.text)
		return nil, true
	}
	text := p.text[t.start:field.end]
	if field.start != t.end+1 {
		text = t.text + " " + field.text
	}
	if f, ok := netfilter.FieldNamed(text); ok {
		return f, true
	}
	switch {
	case field.text == "option" && (t.text == "tcp" || t.text == "ip"):
		kind := p.next()
		text = t.text + " option " + kind.text
		switch next := p.peek(); next.text {
		case "kind", "length", "size", "count", "left", "right", "tsval", "tsecr", "type", "ptr", "value", "addr", "flags", "subtype":
			p.next()
			return p.opaqueExpr(text + " " + next.text), true
		}
		return p.opaqueExpr(text), true
	case t.text == "arp":
		last := p.next()
		if f, ok := netfilter.FieldNamed("arp " + field.text + " " + last.text); ok {
			return f, true
		}
	case t.text == "socket" && field.text == "cgroupv2":
		p.want("level")
		level := p.next()
		return &netfilter.OpaqueExpr{Text: "socket cgroupv2 level " + level.text}, true
	}
	p.fail(field, "a field of "+t.text)
	return nil, true
}

// opaqueExpr is an expression that can be asked whether it is there at all.
func (p *parser) opaqueExpr(text string) netfilter.Expr {
	e := &netfilter.OpaqueExpr{Text: text}
	if p.asksPresence() {
		e.Type = netfilter.TypeBoolean
	}
	return e
}

// asksPresence reports whether "exists" or "missing" comes next, behind "==" or
// not.
func (p *parser) asksPresence() bool {
	saved := p.lexer
	defer func() { p.lexer = saved }()
	t := p.next()
	if t.is("==") || t.is("!=") {
		t = p.next()
	}
	return t.is("exists") || t.is("missing")
}

func (p *parser) metaField(t token) netfilter.Expr {
	if f, ok := netfilter.FieldNamed("meta " + t.text); ok && t.kind == word {
		return f
	}
	if f, ok := netfilter.FieldNamed(t.text); ok && t.kind == word {
		return f
	}
	p.fail(t, "a field of meta")
	return nil
}

// connField reads a field of the connection behind "ct". Without "ip" or "ip6"
// an address is of the table's family.
func (p *parser) connField() netfilter.Expr {
	t := p.next()
	if !t.is("original") && !t.is("reply") {
		if f, ok := netfilter.FieldNamed("ct " + t.text); ok && t.kind == word {
			return f
		}
		p.fail(t, "a field of ct")
		return nil
	}
	key := p.next()
	text := key.text
	switch text {
	case "ip", "ip6":
		text += " " + p.next().text
	case "saddr", "daddr":
		family := "ip "
		if p.table.Family == netfilter.IPv6 {
			family = "ip6 "
		}
		text = family + text
	}
	if f, ok := netfilter.FieldNamed("ct " + t.text + " " + text); ok {
		return f
	}
	p.fail(key, "a field of ct")
	return nil
}

func (p *parser) routeField(rt token) netfilter.Expr {
	t := p.next()
	text := t.text
	switch text {
	case "ip", "ip6":
		text += " " + p.next().text
	case "nexthop":
		text = "ip nexthop"
		if p.table.Family == netfilter.IPv6 {
			text = "ip6 nexthop"
		}
	}
	if f, ok := netfilter.FieldNamed("rt " + text); ok {
		return f
	}
	switch t.text {
	case "nexthdr", "hdrlength", "type", "seg-left": // of the IPv6 routing header
		return p.opaqueExpr(rt.text + " " + t.text)
	}
	p.fail(t, "a field of rt")
	return nil
}

// fib reads "saddr . iif oif" behind "fib".
func (p *parser) fib() netfilter.Expr {
	e := &netfilter.FIB{}
	for sided := false; ; {
		t := p.next()
		switch t.text {
		case "saddr":
			sided = true
		case "daddr":
			sided, e.Side = true, netfilter.Destination
		case "mark":
			e.Mark = true
		case "iif":
			e.Iif = true
		case "oif":
			e.Oif = true
		default:
			p.fail(t, "saddr, daddr, mark, iif or oif")
			return nil
		}
		if p.accept(".") {
			continue
		}
		if !sided {
			p.fail(t, "saddr or daddr")
			return nil
		}
		break
	}
	switch t := p.next(); t.text {
	case "oif":
	case "oifname":
		e.Result = netfilter.FIBOifName
	case "type":
		e.Result = netfilter.FIBType
	default:
		p.fail(t, "oif, oifname or type")
		return nil
	}
	e.Presence = p.asksPresence()
	return e
}

// numgen reads "random mod 3 offset 5".
func (p *parser) numgen() netfilter.Expr {
	e := &netfilter.Numgen{}
	switch t := p.next(); t.text {
	case "random":
		e.Random = true
	case "inc":
	default:
		p.fail(t, "random or inc")
		return nil
	}
	var ok bool
	if e.Mod, e.Offset, ok = p.modulus(); !ok {
		return nil
	}
	return e
}

// modulus reads "mod 3", and "offset 5" if it follows.
func (p *parser) modulus() (mod, offset uint32, ok bool) {
	if !p.want("mod") {
		return 0, 0, false
	}
	t := p.peek()
	n, ok := p.number(32)
	if ok && n == 0 {
		return 0, 0, p.fail(t, "a number above 0")
	}
	if ok && p.accept("offset") {
		var o uint64
		o, ok = p.number(32)
		offset = uint32(o)
	}
	return uint32(n), offset, ok
}

// hash reads "ip saddr mod 4 seed 0xdead".
func (p *parser) hash(jenkins bool) netfilter.Expr {
	e := &netfilter.Hash{}
	if jenkins {
		if e.Of = p.expression(); e.Of == nil {
			return nil
		}
	}
	var ok bool
	if e.Mod, e.Offset, ok = p.modulus(); !ok {
		return nil
	}
	if p.accept("seed") {
		n, ok := p.number(32)
		if !ok {
			return nil
		}
		e.HasSeed, e.Seed = true, uint32(n)
	}
	if p.accept("offset") {
		n, ok := p.number(32)
		if !ok {
			return nil
		}
		e.Offset = uint32(n)
	}
	return e
}

// value reads what a field is set to: an expression, a value out of a map, or a
// constant of the types.
func (p *parser) value(types []netfilter.DataType) netfilter.Expr {
	if !startsExpression(p.peek()) {
		c, ok := p.constant(types)
		if !ok {
			return nil
		}
		return &c
	}
	e := p.expression()
	if e == nil || !p.accept("map") {
		return e
	}
	if m := p.mapValue(e, types, ""); m != nil {
		return m
	}
	return nil
}

// mapValue reads the map behind "map".
func (p *parser) mapValue(key netfilter.Expr, data []netfilter.DataType, object string) *netfilter.MapValue {
	set := p.setRef(func(s *netfilter.Set) {
		s.ObjectMap = object
		s.SetTypes(key.Types(), data)
	})
	if set == nil {
		return nil
	}
	return &netfilter.MapValue{Key: key, Map: set}
}

// setRef reads "@name", or a set in braces whose types define says.
func (p *parser) setRef(define func(*netfilter.Set)) *netfilter.Set {
	t := p.next()
	switch {
	case t.kind == word && len(t.text) > 1 && t.text[0] == '@':
		return p.table.SetRef(t.text[1:])
	case t.is("{"):
		s := p.table.AnonymousSet(p.here(p.line))
		define(s)
		if !p.elements(s) {
			return nil
		}
		return s
	}
	p.fail(t, `"@" and the name of a set, or "{"`)
	return nil
}

// startsExpression reports whether an expression begins with the word, rather
// than a constant.
func startsExpression(t token) bool {
	if t.is("(") {
		return true
	}
	if t.kind != word {
		return false
	}
	switch t.text {
	case "ip", "ip6", "tcp", "udp", "udplite", "sctp", "dccp", "th", "icmp", "icmpv6", "igmp", "ether", "vlan", "arp", "meta", "ct", "rt", "fib",
		"numgen", "jhash", "symhash", "socket", "mark", "iif", "oif", "iifname", "oifname", "exthdr", "ah", "esp", "comp":
		return true
	}
	return t.text[0] == '@' && strings.Count(t.text, ",") == 2
}
