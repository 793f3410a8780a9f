package iptablessave

import (
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A ruleParser reads the options of rules. What many rules have alike it makes
// once: a million rules are not four million little objects.
type ruleParser struct {
	family *family
	memory memory
	// last is what is remembered of the rule's last match; nil when that is
	// of this rule alone.
	last *remembered

	addrs       []netfilter.Addr
	comments    []netfilter.Comment
	dnats       []netfilter.DNAT
	lastComment *netfilter.Comment

	// Room that is used again for each rule.
	result  parsedRule
	found   []netfilter.Match
	options []option
	args    []string
	words   []word
	scratch []byte
}

// A parsedRule is what was read of a rule.
type parsedRule struct {
	matches    []netfilter.Match
	statements netfilter.StatementList // that the table keeps
	counted    bool                    // "-c" is among the options
	counters   netfilter.Counters
	place      int // of "-I CHAIN 5"; 0 when not said
	problems   []problem
	// broken says that the rule does not read to its end.
	broken bool
}

// A problem is something in a rule that cannot be used as it stands.
type problem struct {
	severity source.Severity
	code     string
	text     string // what it is about
	message  string
}

// parse reads a rule, the quick way if it is written as iptables-save does.
// What it gives is good until the next rule is parsed.
func (p *ruleParser) parse(t *netfilter.Table, start *ruleStart) *parsedRule {
	p.found, p.last, p.result = p.found[:0], nil, parsedRule{}
	if start.insert || !p.plain(t, start.text, start.options, &p.result) {
		p.found, p.last, p.result = p.found[:0], nil, parsedRule{}
		p.arrange(t, start)
	}
	p.result.matches = p.found
	return &p.result
}

// plain reads options that stand in the order of iptables-save: addresses,
// interfaces, protocol, match modules each with its own options, the target.
// It is false for every other rule.
func (p *ruleParser) plain(t *netfilter.Table, s string, i int, r *parsedRule) bool {
	last := 0
	for i < len(s) {
		// s[i] is the blank before an option.
		start := i + 1
		k := start
		not := false
		if strings.HasPrefix(s[k:], "! ") {
			not = true
			k += 2
		}
		if len(s) < k+2 || s[k] != '-' || len(s) > k+2 && s[k+2] != ' ' {
			return false
		}
		kind := s[k+1]
		place := placeOf(kind)
		if place < last || place == last && kind != 'm' {
			return false
		}
		last = place
		valueAt := min(k+3, len(s))
		if valueAt == len(s) && kind != 'f' {
			return false
		}
		end := valueAt
		switch kind {
		case 's', 'd':
			var ok bool
			if end, ok = p.addr(s, start, valueAt, kind == 'd', not); !ok {
				return false
			}
		case 'i', 'o', 'p', 'f':
			if kind == 'f' {
				end = k + 2
			} else {
				end = bareEnd(s, valueAt)
			}
			key := s[start:end]
			known := p.memory.find(key)
			if known == nil {
				m, err := headerMatch(kind, not, s[valueAt:max(end, valueAt)], p.family)
				if err != nil {
					return false
				}
				known = p.memory.keep(remembered{text: key, match: m})
			}
			p.add(known.match, known)
		case 'm':
			if not {
				return false
			}
			end = moduleEnd(s, valueAt)
			if !p.module(s[start:end]) {
				return false
			}
		case 'c':
			packets := bareEnd(s, valueAt)
			if packets == len(s) || not {
				return false
			}
			end = bareEnd(s, packets+1)
			var ok1, ok2 bool
			r.counters.Packets, ok1 = decimal(s[valueAt:packets])
			r.counters.Bytes, ok2 = decimal(s[packets+1 : end])
			r.counted = true
			if !ok1 || !ok2 {
				return false
			}
		default: // j, g
			if not {
				return false
			}
			var ok bool
			r.statements, ok = p.target(t, s[start:], kind == 'g')
			return ok
		}
		i = end
	}
	return true
}

// placeOf is where iptables-save writes a short option, from 1; 0 for none that
// it writes.
func placeOf(kind byte) int {
	switch kind {
	case 's':
		return 1
	case 'd':
		return 2
	case 'i':
		return 3
	case 'o':
		return 4
	case 'p':
		return 5
	case 'f':
		return 6
	case 'm':
		return 7
	case 'c':
		return 8
	case 'j', 'g':
		return 9
	}
	return 0
}

// add takes a match of the rule. known is what is remembered of it, nil for one
// of this rule alone.
func (p *ruleParser) add(m netfilter.Match, known *remembered) {
	p.found, p.last = append(p.found, m), known
}

// bareEnd is the end of the word at s[i]; i itself if no plain word begins there.
func bareEnd(s string, i int) int {
	for k := i; k < len(s); k++ {
		switch s[k] {
		case ' ':
			return k
		case '"', '!', '\t', '\r':
			return i
		}
	}
	return len(s)
}

// moduleEnd is where the options of the match module at s[i] end: before the
// next short option, or before the "!" of one.
func moduleEnd(s string, i int) int {
	for k := i; k+2 < len(s); k++ {
		switch c := s[k]; {
		case c > '"': // nearly all
		case c == '"':
			end, _, err := quotedEnd(s, k)
			if err != nil {
				return len(s)
			}
			k = end - 1
		case c == ' ':
			o := k + 1
			if s[o] == '!' && s[o+1] == ' ' {
				o += 2
			}
			if o+1 < len(s) && s[o] == '-' && s[o+1] != '-' && (o+2 == len(s) || s[o+2] == ' ') {
				return k
			}
		}
	}
	return len(s)
}

// module reads the match module of that text. It is false if the text does not
// stand for itself.
func (p *ruleParser) module(text string) bool {
	if m := p.comment(text); m != nil {
		p.add(m, nil)
		return true
	}
	if known := p.memory.find(text); known != nil {
		p.add(known.match, known)
		return true
	}
	name, rest, _ := strings.Cut(text[len("-m "):], " ")
	e := matches[name]
	if e == nil || e == comment {
		return false
	}
	if !p.readOptions(e, rest) {
		return false
	}
	if e.fresh == nil {
		p.add(&netfilter.Opaque{Module: name, Text: text}, nil)
		return true
	}
	v, err := e.build(p.options, p.family)
	if err != nil {
		return false
	}
	m := v.(netfilter.Match)
	if e == recent || e == nfacct { // their names make each but unique
		p.add(m, nil)
		return true
	}
	p.add(m, p.memory.keep(remembered{text: text, match: m}))
	return true
}

const commentOption = "-m comment --comment "

// comment reads a comment, the part of a rule that is its own most often.
func (p *ruleParser) comment(text string) netfilter.Match {
	if !strings.HasPrefix(text, commentOption) || len(text) == len(commentOption) {
		return nil
	}
	text = text[len(commentOption):]
	if text[0] != '"' {
		if bareEnd(text, 0) != len(text) {
			return nil
		}
		return p.makeComment(text)
	}
	inner, end, err := quoted(text, 0)
	if err != nil || end != len(text) {
		return nil
	}
	return p.makeComment(inner)
}

func (p *ruleParser) makeComment(text string) *netfilter.Comment {
	if p.lastComment != nil && p.lastComment.Text == text {
		return p.lastComment
	}
	p.lastComment = keep(&p.comments, netfilter.Comment{Text: text})
	return p.lastComment
}

// readOptions reads the options of an extension, and nothing else, from text.
func (p *ruleParser) readOptions(e *extension, text string) bool {
	p.options, p.args = p.options[:0], p.args[:0]
	for i := 0; ; {
		w, ok, err := nextWord(text, i)
		if err != nil {
			return false
		}
		if !ok {
			return true
		}
		not := w.isNot()
		if not {
			if w, ok, err = nextWord(text, w.end); !ok || err != nil {
				return false
			}
		}
		if w.quoted {
			return false
		}
		spec, _ := e.spec(w.text)
		if spec == nil {
			return false
		}
		i = w.end
		first := len(p.args)
		for range spec.args {
			if w, ok, err = nextWord(text, i); !ok || err != nil || w.isNot() {
				return false
			}
			p.args = append(p.args, w.text)
			i = w.end
		}
		p.options = append(p.options, option{name: spec.name, not: not, args: p.args[first:len(p.args):len(p.args)], family: p.family})
	}
}

// target reads the target that is the rule's rest. ok is false if it cannot be
// read in the plain way.
func (p *ruleParser) target(t *netfilter.Table, text string, isGoto bool) (list netfilter.StatementList, ok bool) {
	end, ok := chainWord(text, len("-j "))
	if !ok {
		return list, false
	}
	name, rest, more := text[len("-j "):end], "", end < len(text)
	if more {
		rest = text[end+1:]
	}
	if isGoto {
		if more {
			return list, false
		}
		return t.KeepStatement(t.Goto(name)), true
	}
	var e *extension
	if len(name) <= maxTargetName {
		if v, ok := verdict(name); ok {
			if more {
				return list, false
			}
			return t.KeepStatement(v), true
		}
		if name == "DNAT" {
			if d := p.plainDNAT(rest); d != nil {
				return t.KeepStatement(d), true
			}
		}
		e = targets[name]
	}
	if e == nil {
		if more {
			return list, false
		}
		return t.KeepJump(name), true
	}
	st := p.extension(e, name, text, rest)
	if st == nil {
		return list, false
	}
	return t.KeepStatement(st), true
}

// extension makes the statement of a target with options, nil if they cannot be
// read in the plain way.
func (p *ruleParser) extension(e *extension, name, text, options string) netfilter.Statement {
	if known := p.memory.find(text); known != nil {
		return known.statement
	}
	if !p.readOptions(e, options) {
		return nil
	}
	if e.fresh == nil {
		return &netfilter.OpaqueTarget{Name: name, Text: text}
	}
	v, err := e.build(p.options, p.family)
	if err != nil {
		return nil
	}
	st := v.(netfilter.Statement)
	p.memory.keep(remembered{text: text, statement: st})
	return st
}

// plainDNAT reads the options of a DNAT that has nothing but a destination.
func (p *ruleParser) plainDNAT(options string) *netfilter.DNAT {
	to, ok := strings.CutPrefix(options, "--to-destination ")
	if !ok {
		return nil
	}
	if a, port, ok := dottedPort(to); ok && p.family.see(a) == nil {
		return keep(&p.dnats, netfilter.NewDNAT(netfilter.NATRange{First: a, Last: a, Ports: netfilter.PortRange{First: port, Last: port}, HasPorts: true}, netfilter.NATFlags{}))
	}
	if bareEnd(to, 0) != len(to) || to == "" {
		return nil
	}
	r, err := natRange(to, p.family)
	if err != nil {
		return nil
	}
	return keep(&p.dnats, netfilter.NewDNAT(r, netfilter.NATFlags{}))
}

// addr reads the "-s" or "-d" at s[start], with its value at s[valueAt], and
// where that ends; ok is false if it is no network. What is excluded is the same
// in many rules, what is not is most rules' own.
func (p *ruleParser) addr(s string, start, valueAt int, destination, not bool) (end int, ok bool) {
	var n netfilter.Network
	var known *remembered
	if not {
		end = bareEnd(s, valueAt)
		if known = p.memory.find(s[start:end]); known != nil {
			p.add(known.match, known)
			return end, true
		}
	}
	if n.Prefix, end, ok = dottedPrefix(s, valueAt); !ok {
		if end = bareEnd(s, valueAt); end == valueAt {
			return end, false
		}
		var err error
		if n, err = network(s[valueAt:end], p.family); err != nil {
			return end, false
		}
	} else if p.family.see(n.Prefix.Addr()) != nil {
		return end, false
	}
	m := keep(&p.addrs, netfilter.Addr{Not: not, Net: n})
	if destination {
		m.Side = netfilter.Destination
	}
	if not {
		known = p.memory.keep(remembered{text: s[start:end], match: m})
	}
	p.add(m, known)
	return end, true
}

// keep gives a value its place among many in one allocation, the first few in
// small ones: a text can be many small dumps.
func keep[T any](slab *[]T, value T) *T {
	if len(*slab) == cap(*slab) {
		*slab = make([]T, 0, min(max(2*cap(*slab), 8), 1024))
	}
	*slab = append(*slab, value)
	return &(*slab)[len(*slab)-1]
}

// keepMatches has the table keep the matches of the rule that was parsed last.
func (p *ruleParser) keepMatches(t *netfilter.Table, found []netfilter.Match) netfilter.MatchList {
	known := p.last
	if known == nil {
		return t.KeepMatches(found)
	}
	if known.table != t || !slices.Equal(t.Matches(known.list), found) {
		known.list, known.table = t.KeepMatches(found), t
	}
	return known.list
}

// headerMatch makes the match of "-s", "-d", "-i", "-o", "-p" or "-f".
func headerMatch(kind byte, not bool, value string, f *family) (netfilter.Match, error) {
	if value == "" && kind != 'f' {
		return nil, errEmpty
	}
	side := netfilter.Source
	if kind == 'd' || kind == 'o' {
		side = netfilter.Destination
	}
	switch kind {
	case 's', 'd':
		n, err := network(value, f)
		return &netfilter.Addr{Side: side, Not: not, Net: n}, err
	case 'i', 'o':
		name, prefix := strings.CutSuffix(value, "+")
		return &netfilter.Interface{Side: side, Not: not, Name: name, Prefix: prefix}, interfaceName(value)
	case 'p':
		n, err := protocol(value)
		if n == netfilter.ICMPv6 && f.is == netfilter.AnyFamily {
			f.is = netfilter.IPv6
		}
		return &netfilter.Protocol{Not: not, Number: n, Name: value}, err
	}
	return &netfilter.Fragment{Not: not}, f.seeFamily(netfilter.IPv4)
}
