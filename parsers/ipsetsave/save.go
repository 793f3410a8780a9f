package ipsetsave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// SaveBegins reports whether a line begins what "ipset save" prints: "create
// NAME TYPE …".
func SaveBegins(line string) bool {
	command, name, rest := command(line)
	typ, _ := cutWord(rest)
	return command == "create" && name != "" && looksLikeType(typ)
}

func looksLikeType(word string) bool {
	kind, parts, ok := strings.Cut(word, ":")
	return ok && parts != "" && (kind == "hash" || kind == "bitmap" || kind == "list")
}

// command cuts "add NAME …".
func command(line string) (command, name, rest string) {
	command, rest = cutWord(line)
	name, rest = cutWord(rest)
	return command, name, rest
}

// cutWord takes the first word off a line. word is "" when there is none.
func cutWord(line string) (word, rest string) {
	begin := 0
	for begin < len(line) && isBlank(line[begin]) {
		begin++
	}
	end := begin
	for end < len(line) && !isBlank(line[end]) {
		end++
	}
	return line[begin:end], line[end:]
}

// ParseSave reads "ipset save" from the cursor on. It ends before a line that
// is neither empty nor a command of ipset, or that foreign claims.
//
// The last set of such a text has no end of its own: it is taken for whole if
// the text ends where a text that was not cut would.
func ParseSave(at source.Cursor, foreign func(line string) bool) (dump *Dump, next source.Cursor) {
	r := &reader{}
	named := map[string]*netfilter.IPSet{}
	next = at
	for at.More() {
		if after := r.plainLines(at); after != at {
			at, next = after, after
			continue
		}
		line, after := at.Next()
		command, name, rest := command(line)
		cut := after.IsCut()
		switch {
		case command == "":
			at = after
			continue
		case command == "create" && SaveBegins(line):
			r.end()
			r.create(at, name, rest)
			if r.set != nil {
				named[name] = r.set
			}
		case command == "add" && name != "":
			if r.set == nil && r.other != name || r.set != nil && r.set.Name != name {
				set := named[name]
				if set == nil {
					r.undeclared(at, name)
					break
				}
				r.end()
				r.set, r.lacking = set, !set.Complete
			}
			if cut {
				break
			}
			r.words = appendWords(r.words[:0], rest)
			r.element(r.words, spanOf(at, line))
		default:
			if foreign(line) || endsText(line) {
				r.end()
			} else if r.set != nil {
				r.cutOff(at.Pos(), "before this line")
			}
			return r.finished(), next
		}
		if cut {
			r.cutOff(at.Pos(), "in the middle of a line")
			return r.finished(), after
		}
		at, next = after, after
	}
	r.end()
	return r.finished(), next
}

// end ends the set that was begun.
func (r *reader) end() {
	if r.set != nil {
		r.set.Complete = !r.lacking
	}
}

// create begins the set that "create" names.
func (r *reader) create(at source.Cursor, name, rest string) {
	typ, rest := cutWord(rest)
	r.words = appendWords(r.words[:0], rest)
	set, err := newSet(name, typ, r.words)
	if err != nil {
		r.other = name
		r.begin(nil)
		r.unread(at.Pos(), "set-not-modelled", fmt.Sprintf("set %s is not read: %v", source.Quote(name), err))
		return
	}
	set.Pos = at.Pos()
	r.begin(set)
}

// undeclared is an element of a set that no line above creates.
func (r *reader) undeclared(at source.Cursor, name string) {
	r.unread(at.Pos(), "undeclared-set", fmt.Sprintf("an element of set %s, expected a line above that creates the set and tells its type", source.Quote(name)))
}
