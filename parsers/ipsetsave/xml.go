package ipsetsave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// XMLBegins reports whether a line begins what "ipset list -o xml" prints.
func XMLBegins(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "<ipsets>") }

// ParseXML reads "ipset list -o xml" from the cursor on, to the line that
// closes it.
func ParseXML(at source.Cursor) (dump *Dump, next source.Cursor) {
	const last = "</ipsets>"
	text := at.File.Text[at.Offset:]
	end := strings.Index(text, last)
	if end >= 0 {
		text = text[:end+len(last)]
	}
	x := &xmlReader{tags: tags{text: text}, first: at, line: at}
	for {
		tag, ok := x.tags.next()
		if !ok {
			break
		}
		if tag.name == "ipset" && tag.opens {
			x.readSet(tag)
		}
	}
	if end < 0 {
		x.warn(at.Pos(), "cut-set", "the XML that begins here is never closed: what is not here need not be missing")
	}
	for next = at; next.More() && next.Offset < at.Offset+len(text); {
		_, next = next.Next()
	}
	return x.finished(), next
}

// An xmlReader reads sets from XML: within <header> and within each <member>
// one element an option.
type xmlReader struct {
	reader
	tags  tags
	first source.Cursor
	line  source.Cursor // of the tag that was asked for last
}

// span is where a tag's element stands.
func (x *xmlReader) span(from, to int) source.Span {
	offset := x.first.Offset + from
	for x.line.More() {
		_, after := x.line.Next()
		if after.Offset > offset {
			break
		}
		x.line = after
	}
	return source.Span{File: x.first.File, Offset: offset, Len: to - from, Line: x.line.Line}
}

// readSet reads on to </ipset>.
func (x *xmlReader) readSet(begin tag) {
	pos := x.span(begin.from, begin.to)
	name, _ := begin.attribute("name")
	var typ string
	var header []string
	entries, references := -1, -1
	made, members := false, false
	for {
		t, ok := x.tags.next()
		if !ok {
			break
		}
		if t.name == "ipset" {
			if !made {
				x.makeSet(pos, name, typ, header, entries, references)
			}
			if x.set != nil && !t.opens {
				x.set.HeaderOnly = !members
				x.complete(members, entries)
			}
			return
		}
		switch {
		case !t.opens || t.name == "header" || t.name == "revision" || t.name == "memsize":
		case t.name == "members":
			members, made = true, true
			x.makeSet(pos, name, typ, header, entries, references)
		case t.name == "member":
			x.readMember(t)
		case made: // nothing else stands among the elements
		case t.name == "type":
			typ = x.tags.content(t)
		case t.name == "references":
			references = count(x.tags.content(t))
		case t.name == "numentries":
			entries = count(x.tags.content(t))
		default:
			header = append(header, t.name)
			if !t.closes {
				header = append(header, x.tags.content(t))
			}
		}
	}
	if x.set != nil && made {
		x.cutOff(x.set.Pos, "before its end")
	}
}

func (x *xmlReader) makeSet(at source.Span, name, typ string, header []string, entries, references int) {
	pos := source.Position{File: at.File, Line: at.Line}
	set, err := newSet(name, typ, header)
	if err != nil {
		x.other = name
		x.begin(nil)
		x.unread(pos, "set-not-modelled", fmt.Sprintf("set %s is not read: %v", source.Quote(name), err))
		return
	}
	set.Pos, set.Entries, set.References = pos, entries, references
	x.begin(set)
}

// complete says of a set that was closed whether all its elements were there.
func (x *xmlReader) complete(members bool, entries int) {
	n := x.set.NumElements()
	switch {
	case !members || x.lacking:
	case entries < 0 || n >= entries || x.set.HasTimeout:
		x.set.Complete = true
	default:
		x.warn(x.set.Pos, "cut-set", "set %s says that it has %d elements, and %d are here: what is not here need not be missing", source.Quote(x.set.Name), entries, n)
	}
}

// readMember reads on to </member>.
func (x *xmlReader) readMember(begin tag) {
	x.words = append(x.words[:0], "")
	for {
		t, ok := x.tags.next()
		switch {
		case !ok:
			return
		case t.name == "member":
			x.element(x.words, x.span(begin.from, t.to))
			return
		case !t.opens:
		case t.name == "elem":
			x.words[0] = x.tags.content(t)
		default:
			if x.words = append(x.words, t.name); !t.closes {
				x.words = append(x.words, strings.Trim(x.tags.content(t), `"`))
			}
		}
	}
}

// tags cuts XML into tags, as far as ipset prints it: without comments, CDATA
// and the like.
type tags struct {
	text string
	at   int
}

// A tag is "<name …>", "</name>" or "<name/>".
type tag struct {
	name, attributes string
	opens, closes    bool
	from, to         int // its place
}

func (s *tags) next() (t tag, ok bool) {
	begin := strings.IndexByte(s.text[s.at:], '<')
	if begin < 0 {
		s.at = len(s.text)
		return t, false
	}
	t.from = s.at + begin
	end := strings.IndexByte(s.text[t.from:], '>')
	if end < 0 {
		s.at = len(s.text)
		return t, false
	}
	t.to = t.from + end + 1
	s.at = t.to
	inner := s.text[t.from+1 : t.to-1]
	inner, t.closes = strings.CutSuffix(inner, "/")
	if name, closing := strings.CutPrefix(inner, "/"); closing {
		inner, t.closes = name, true
	} else {
		t.opens = true
	}
	t.name, t.attributes = cutWord(inner)
	return t, true
}

// content is the text between a tag and the next one.
func (s *tags) content(t tag) string {
	if t.closes {
		return ""
	}
	end := strings.IndexByte(s.text[t.to:], '<')
	if end < 0 {
		end = len(s.text) - t.to
	}
	return unescape(strings.TrimSpace(s.text[t.to : t.to+end]))
}

// attribute is the value of name="value".
func (t tag) attribute(name string) (value string, ok bool) {
	_, rest, ok := strings.Cut(t.attributes, name+`="`)
	if !ok {
		return "", false
	}
	value, _, ok = strings.Cut(rest, `"`)
	return unescape(value), ok
}

var entities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&")

func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return entities.Replace(s)
}
