package nftlist

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// iptables-nft keeps its tables in nf_tables, where nft lists them. What nft
// has like of it prints as it would print its own; matches and targets of
// x_tables it prints as libxtables translates them, and by name alone, or not
// at all, where there is no translation (nft 1.0.6, xt.c; iptables 1.8.9,
// extensions).

// iptablesTable reports whether a table is one of iptables-nft: it has the
// name, and its base chains are those that iptables has. body is what follows
// the table's opening brace.
func iptablesTable(family netfilter.Family, name, body string, warned bool) bool {
	if family != netfilter.IPv4 && family != netfilter.IPv6 {
		return false
	}
	switch name {
	case "raw", "mangle", "nat", "filter", "security":
	default:
		return false
	}
	if warned {
		return true
	}
	chain, depth, chains := "", 0, 0
	for line := range strings.SplitSeq(body, "\n") {
		l := lexer{text: line}
		t := l.next()
		switch {
		case t.kind == endOfText, t.kind == remark:
			continue
		case depth > 0 && t.is("type"):
			if l.next(); !l.next().is("hook") { // a type of a set or object
				break
			}
			p := parser{lexer: lexer{text: line}, table: netfilter.NewTable(family, name), remarks: &source.Remarks{}, dump: &Dump{}}
			p.next()
			c := &netfilter.Chain{Name: chain, Table: p.table}
			p.baseChain(c)
			base, ok := netfilter.IPTablesBase(name, chain)
			if !ok || c.Base == nil || c.Base.Type != base.Type || c.Base.Hook != base.Hook || c.Base.Priority != base.Priority {
				return false
			}
		case depth == 0:
			switch t.text {
			case "set", "map", "flowtable", "counter", "quota", "limit", "ct", "synproxy", "secmark":
				return false // iptables has none of these
			case "chain":
				chain = l.next().text
				chains++
			}
		}
		if depth += braces(line); depth < 0 {
			return chains > 0 // what follows is not of this table
		}
	}
	return chains > 0
}

// braces is how many braces a line opens and does not close; less than none if
// it closes more.
func braces(line string) int {
	n, quoted := 0, false
	for i := strings.IndexAny(line, `{}"#`); i >= 0 && i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			n++
		case c == '}':
			n--
		case c == '#':
			return n
		}
	}
	return n
}

// fragmentTable tells whose a chain is that stands under no table.
func fragmentTable(body string) (name string, family netfilter.Family, compat bool) {
	const most = 64 << 10
	body = body[:min(len(body), most)]
	family = netfilter.AnyFamily
	switch v6 := strings.Contains(body, "ip6 "); {
	case strings.Contains(body, "ip daddr ") || strings.Contains(body, "ip saddr "):
		family = netfilter.IPv4
	case v6:
		family = netfilter.IPv6
	}
	chain := strings.TrimLeft(body, " \t")
	if !strings.HasPrefix(chain, "KUBE-") {
		if strings.Contains(body, "service-") || strings.Contains(body, "@cluster-ips") || strings.Contains(body, "@no-endpoint-services") {
			name = "kube-proxy"
		}
		return name, family, false
	}
	for _, sign := range [...]string{"KUBE-SVC-", "KUBE-SEP-", "KUBE-XLB-", "KUBE-EXT-", "KUBE-MARK-", "dnat to", "masquerade"} {
		if strings.Contains(body, sign) {
			return "nat", family, true
		}
	}
	return "filter", family, true
}

// extension reads "match NAME" or "target NAME" behind "xt": a part of an
// iptables rule of which nft knows no more than the name.
func (p *parser) extension() bool {
	what := p.next()
	name, ok := p.name("the name of an extension")
	if !ok {
		return false
	}
	text := "xt " + what.text + " " + name
	switch {
	case what.is("match"):
		return p.match(lostMatch(name, text))
	case what.is("target"), what.is("watcher"):
		return p.statement(lostTarget(name, text))
	}
	return p.fail(what, "match or target")
}

// lostMatch is a match of which the listing has but the name. Some say the same
// whatever their options are.
func lostMatch(name, text string) netfilter.Match {
	switch name {
	case "comment":
		return &netfilter.Comment{}
	case "nfacct":
		return &netfilter.NFAcct{}
	}
	return &netfilter.Opaque{Module: name, Text: text}
}

// lostTarget is a target of which the listing has but the name.
func lostTarget(name, text string) netfilter.Statement {
	switch name {
	case "REJECT":
		return &netfilter.Reject{With: "unknown"}
	case "MASQUERADE":
		return &netfilter.Masquerade{}
	case "LOG":
		return &netfilter.Log{Level: netfilter.DefaultLogLevel}
	case "NFLOG":
		return &netfilter.NFLog{}
	case "TRACE":
		return &netfilter.Trace{}
	}
	return &netfilter.OpaqueTarget{Name: name, Text: text}
}

// printed reads an extension that older nft prints as iptables -L would, behind
// a "#": "# match-set KUBE-CLUSTER-IP dst,dst". It ends where a word begins that
// nft has.
func (p *parser) printed(t token) bool {
	p.at = t.start + 1
	first := p.next()
	end := first.end
	target := strings.ToUpper(first.text) == first.text && first.text != "!" // the rule's last part
	for {
		next := p.peek()
		if ends(next) || !target && next.kind == word && beginsPart(next.text) {
			break
		}
		p.next()
		end = next.end
	}
	text := p.text[t.start:end]
	if m := matchSet(strings.Fields(text[1:])); m != nil {
		return p.match(m)
	}
	if target {
		return p.statement(&netfilter.OpaqueTarget{Name: first.text, Text: text})
	}
	return p.match(&netfilter.Opaque{Module: first.text, Text: text})
}

// beginsPart reports whether a match or statement of nft begins with the word.
func beginsPart(w string) bool {
	switch w {
	case "counter", "meta", "ct", "ip", "ip6", "tcp", "udp", "sctp", "th", "iifname", "oifname", "fib", "accept", "drop", "return", "jump", "goto",
		"masquerade", "dnat", "snat", "redirect", "reject", "log", "limit", "xt":
		return true
	}
	return false
}

// matchSet is the match that the words print as (extensions/libxt_set.c,
// set_print_v4_matchinfo): "match-set NAME dst,dst", behind "!" if negated.
func matchSet(w []string) netfilter.Match {
	m := &netfilter.InSet{}
	if len(w) > 0 && w[0] == "!" {
		m.Not, w = true, w[1:]
	}
	if len(w) != 3 || w[0] != "match-set" {
		return nil
	}
	m.Set.Name = w[1]
	for side := range strings.SplitSeq(w[2], ",") {
		switch side {
		case "src":
			m.Set.Sides = append(m.Set.Sides, netfilter.Source)
		case "dst":
			m.Set.Sides = append(m.Set.Sides, netfilter.Destination)
		default:
			return nil
		}
	}
	if len(m.Set.Sides) > 6 {
		return nil
	}
	return m
}

// lostTarget adds what stands for a target that the listing does not show:
// translated to nothing, it leaves a blank at the line's end. Where the text has
// lost its blanks, a rule of iptables' nat table for IPv6 cannot be told from one
// without a target.
func (p *parser) lostTarget(after string) {
	if !p.compat || !p.counted || len(p.statements) > 0 || p.rendered {
		return
	}
	trimmed := p.table.Family == netfilter.IPv6 && p.table.Name == "nat" && !p.keepsBlanks()
	if strings.TrimRight(after, "\r") != "" || trimmed {
		p.statement(&netfilter.OpaqueTarget{})
	}
}

// keepsBlanks reports whether any line of the text ends with a blank.
func (p *parser) keepsBlanks() bool {
	if p.blanks == 0 {
		p.blanks = 1
		if strings.Contains(p.text, " \n") {
			p.blanks = 2
		}
	}
	return p.blanks == 2
}

// Lost finds a rule of which the listing does not show all that matters, if the
// table is one of iptables'.
func Lost(t *netfilter.Table) (r *netfilter.Rule, ok bool) {
	if t.Omits < netfilter.OmitsOptions {
		return nil, false
	}
	for r := range t.Rules() {
		if hasLost(r) {
			return r, true
		}
	}
	return nil, false
}

func hasLost(r *netfilter.Rule) bool {
	for _, m := range r.Matches() {
		if _, opaque := m.(*netfilter.Opaque); opaque {
			return true
		}
	}
	for _, s := range r.Statements() {
		switch s := s.(type) {
		case *netfilter.OpaqueTarget:
			return true
		case *netfilter.Reject:
			if s.With == "unknown" {
				return true
			}
		}
	}
	return false
}
