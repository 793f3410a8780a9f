// Package nftlist reads what nft prints of nf_tables' rules: "nft list ruleset"
// and its like, and "nft -j list ruleset". Tables that iptables-nft wrote are
// read as the iptables rules they are, as far as the listing tells.
package nftlist

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Dump is what one listing holds.
type Dump struct {
	Tables      []*netfilter.Table
	Diagnostics []source.Diagnostic
	Skipped     int // lines, or JSON objects, that were not understood
}

// Begins reports whether a listing can begin with the line.
func Begins(line string) bool {
	line = strings.TrimLeft(line, " \t")
	if line == "" || strings.IndexByte("tcsm#", line[0]) < 0 {
		return false
	}
	if strings.HasPrefix(line, "# Warning: table ") {
		return true // "table ip nat is managed by iptables-nft, do not touch!"
	}
	const most = 512
	l := lexer{text: line[:min(len(line), most)]}
	var t [5]token
	n := 0
	for ; n < len(t); n++ {
		if t[n] = l.next(); t[n].kind == endOfText {
			break
		}
	}
	switch {
	case t[0].is("table"):
		return n >= 4 && families[t[1].text] != 0 && t[3].is("{")
	case t[0].is("chain"), t[0].is("set"), t[0].is("map"):
		return n >= 3 && t[1].kind != remark && t[2].is("{") && (n == 3 || t[3].kind == remark || t[3].kind == newline)
	}
	return false
}

var families = map[string]netfilter.Family{
	"ip": netfilter.IPv4, "ip6": netfilter.IPv6, "inet": netfilter.Inet,
	"arp": netfilter.ARP, "bridge": netfilter.Bridge, "netdev": netfilter.Netdev,
}

// Parse reads a listing from the cursor on. It ends at the text's end, or where
// neither a table nor a part of one begins, or before a line that foreign,
// which may be nil, claims. It gives the dump and the cursor where it stopped.
func Parse(at source.Cursor, foreign func(line string) bool) (*Dump, source.Cursor) {
	dump := &Dump{}
	var remarks source.Remarks
	p := &parser{
		lexer: lexer{text: at.File.Text[at.Offset:], line: at.Line, cut: isCut(at.File.Text)}, base: at.Offset,
		file: at.File, remarks: &remarks, dump: dump, foreign: foreign,
	}
	end := p.lexer
	var fragment *netfilter.Table
	for warned := false; ; {
		p.skipBlank()
		line := p.text[p.at:p.lineEnd(p.at)]
		if p.at == len(p.text) || !Begins(line) {
			break
		}
		start := p.line
		switch t := p.next(); {
		case t.kind == remark:
			warned = strings.Contains(t.text, "iptables-nft")
			if p.peek().kind == newline {
				p.next()
			}
		case t.is("table"):
			p.readTable(start, warned)
			warned = false
		default:
			fragment = p.readFragment(fragment, t, start)
		}
		end = p.lexer
	}
	for _, t := range dump.Tables {
		finish(t)
	}
	next := source.Cursor{File: at.File, Offset: at.Offset + end.at, Line: end.line}
	switch {
	case end.at == 0 || at.File.Text[next.Offset-1] == '\n':
	case !next.More():
		next.Line++ // the last line has no end
	default:
		// The rest of the line belongs to the listing.
		rest, after := next.Next()
		if rest = strings.TrimSpace(rest); rest != "" && !strings.HasPrefix(rest, "#") {
			p.report(source.Warning, next.Line, "unread-nft",
				fmt.Sprintf("found %s behind the end of a listing, expected the end of the line", source.Quote(rest)), 1)
		}
		next = after
	}
	dump.Diagnostics = remarks.All()
	return dump, next
}

// skipBlank goes to the first character of the next line that is not blank.
func (p *parser) skipBlank() {
	for p.at < len(p.text) && isBlank(p.text[p.at]) {
		if p.text[p.at] == '\n' {
			p.line++
		}
		p.at++
	}
}

// finish settles what can be told of a table only when all of it is read:
// whether it is whole. A table that names chains or sets which it does not
// declare is a part of one: "nft list chain" prints it so.
func finish(t *netfilter.Table) {
	if !t.Complete {
		return
	}
	for r := range t.Rules() {
		for _, s := range r.Statements() {
			if refersBeyond(s) {
				t.Complete = false
				return
			}
		}
		for _, m := range r.Matches() {
			if c, ok := m.(*netfilter.Compare); ok && c.Set != nil && !c.Set.Declared {
				t.Complete = false
				return
			}
		}
	}
	for _, s := range t.Sets() {
		for j := range s.Jumps() {
			if j.Chain == nil {
				t.Complete = false
				return
			}
		}
	}
}

func refersBeyond(s netfilter.Statement) bool {
	switch s := s.(type) {
	case *netfilter.Jump:
		return s.Chain == nil
	case *netfilter.VerdictMap:
		for j := range s.Map.Jumps() {
			if j.Chain == nil {
				return true
			}
		}
		return !s.Map.Declared
	case *netfilter.ChangeSet:
		return !s.Set.Declared
	}
	return false
}
