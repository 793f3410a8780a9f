package nftlist

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// plainElement reads an element as nearly all are, byte by byte: single values,
// with nothing between them but what nft prints, and none of an element's rarer
// parts. It is what element does, and leaves to it whatever is not so.
func (p *parser) plainElement(s *netfilter.Set) bool {
	var room [96]byte
	text, at := p.text, p.at
	key, at, ok := plainValues(room[:0:48], s.Key, text, at)
	if !ok || s.ObjectMap != "" || !s.Readable() {
		return false
	}
	var data []byte
	var verdict netfilter.Statement
	if s.IsMap() {
		if !strings.HasPrefix(text[at:], " : ") {
			return false
		}
		at += len(" : ")
		if s.Verdicts {
			verdict, at = p.plainVerdict(at)
			ok = verdict != nil
		} else {
			data, at, ok = plainValues(room[48:48:96], s.Data, text, at)
		}
	}
	switch {
	case !ok || at >= len(text):
		return false
	case text[at] == ',':
		at++
	case !strings.HasPrefix(text[at:], " }"):
		return false
	}
	s.AddPlain(key, data, verdict, p.line)
	p.at = at
	return true
}

// plainValues reads single values, concatenated.
func plainValues(to []byte, types []netfilter.DataType, text string, at int) (_ []byte, next int, ok bool) {
	for i, t := range types {
		if i > 0 {
			if !strings.HasPrefix(text[at:], " . ") {
				return nil, at, false
			}
			at += len(" . ")
		}
		end := plainEnd(text, at)
		if len(to)+t.Width() > cap(to) {
			return nil, at, false
		}
		if to, ok = appendPlain(to, t, text[at:end]); !ok {
			return nil, at, false
		}
		at = end
	}
	return to, at, len(types) > 0
}

// plainEnd is where the word ends that begins at an offset.
func plainEnd(text string, at int) int {
	for at < len(text) {
		switch text[at] {
		case ' ', ',', '\n', '\t', '\r', '}', '{', '"', ';', '(', ')':
			return at
		}
		at++
	}
	return at
}

// plainVerdict reads a verdict.
func (p *parser) plainVerdict(at int) (v netfilter.Statement, next int) {
	end := plainEnd(p.text, at)
	switch word := p.text[at:end]; word {
	case "accept":
		return netfilter.Accept, end
	case "drop":
		return netfilter.Drop, end
	case "goto", "jump":
		if end == len(p.text) || p.text[end] != ' ' {
			return nil, at
		}
		at = end + 1
		end = plainEnd(p.text, at)
		if end == at || p.text[at] == '#' {
			return nil, at
		}
		if word == "goto" {
			return p.table.Goto(p.text[at:end]), end
		}
		return p.table.Jump(p.text[at:end]), end
	}
	return nil, at
}
