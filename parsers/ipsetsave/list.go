package ipsetsave

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// ListBegins reports whether a line can begin what "ipset list" prints: "Name:
// NAME". ListConfirms looks at the line behind it.
func ListBegins(line string) bool {
	key, name, rest := command(line)
	rest, _ = cutWord(rest)
	return key == "Name:" && name != "" && rest == ""
}

// ListConfirms reports whether a set begins at the cursor: "Type: …" must stand
// in its second line.
func ListConfirms(at source.Cursor) bool {
	_, at = at.Next()
	if !at.More() {
		return false
	}
	line, _ := at.Next()
	key, typ, rest := command(line)
	rest, _ = cutWord(rest)
	return key == "Type:" && looksLikeType(typ) && rest == ""
}

// ParseList reads "ipset list" from the cursor on, with elements or, as with
// -t, without. It ends behind the last set.
func ParseList(at source.Cursor, foreign func(line string) bool) (dump *Dump, next source.Cursor) {
	r := &reader{}
	next = at
	for at.More() {
		line, after := at.Next()
		if word, _ := cutWord(line); word == "" {
			at = after
			continue
		}
		if !ListBegins(line) || !ListConfirms(at) {
			break
		}
		at = r.listed(at, foreign)
		next = at
	}
	return r.finished(), next
}

// listed reads one set. at is behind its last line.
func (r *reader) listed(begin source.Cursor, foreign func(line string) bool) (at source.Cursor) {
	var name, typ, header string
	entries, references, members := -1, -1, false
	pos := begin.Pos()
	for at = begin; at.More(); {
		line, after := at.Next()
		key, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		if ok && after.IsCut() && key != "Members" {
			ok = false // a value that may be cut
		}
		switch {
		case ok && key == "Name" && name == "":
			name = value
		case ok && key == "Type" && typ == "":
			typ = value
		case ok && key == "Header":
			header = value
		case ok && key == "Revision", ok && key == "Size in memory":
		case ok && key == "References":
			references = count(value)
		case ok && key == "Number of entries":
			entries = count(value)
		case ok && key == "Members":
			members = true
		default:
			ok = false
		}
		if !ok {
			break
		}
		at = after
		if members {
			break
		}
	}
	r.words = appendWords(r.words[:0], header)
	set, err := newSet(name, typ, r.words)
	if err != nil {
		r.other = name
		r.begin(nil)
		r.unread(pos, "set-not-modelled", fmt.Sprintf("set %s is not read: %v", source.Quote(name), err))
	} else {
		set.Pos, set.Entries, set.References, set.HeaderOnly = pos, entries, references, !members
		r.begin(set)
	}
	if !members {
		return at
	}
	return r.members(at, entries, foreign)
}

// count reads a number of things, -1 if it is none.
func count(s string) int {
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return -1
	}
	return int(n)
}

// members reads the elements. They go on to a blank line or to the next set; as
// a set says how many it has, what stands behind the last one is none, unless
// it looks like one.
func (r *reader) members(at source.Cursor, entries int, foreign func(line string) bool) (next source.Cursor) {
	n, ended := 0, false // by what only ends a set
	next = at
	for at.More() {
		line, after := at.Next()
		if ended = strings.TrimSpace(line) == ""; ended {
			break
		}
		if ended = ListBegins(line) && ListConfirms(at) || foreign(line); ended {
			break
		}
		if n == entries && !r.looksLikeElement(line) || endsText(line) {
			break
		}
		n++
		if after.IsCut() {
			r.cutOff(at.Pos(), "in the middle of a line")
			r.lacking = true
			return after
		}
		r.words = appendWords(r.words[:0], line)
		r.element(r.words, spanOf(at, line))
		at, next = after, after
	}
	if r.set == nil {
		return next
	}
	// Elements that have expired are counted and not shown, or the reverse.
	lapsing := r.set.HasTimeout && (ended || !at.More())
	switch {
	case r.lacking:
	case entries < 0 && (ended || !at.More()), entries >= 0 && n >= entries, lapsing:
		r.set.Complete = true
	default:
		r.warn(r.set.Pos, "cut-set", "set %s says that it has %d elements, and %d are here: what is not here need not be missing", source.Quote(r.set.Name), entries, n)
	}
	return next
}

// looksLikeElement reports whether a line can be an element of the set.
func (r *reader) looksLikeElement(line string) bool {
	if r.set == nil {
		return false
	}
	r.words = appendWords(r.words[:0], line)
	_, err := parseElement(r.set, r.words)
	return err == nil && r.set.Type != netfilter.ListSet
}
