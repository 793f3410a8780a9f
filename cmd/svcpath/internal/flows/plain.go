package flows

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// plainFlows hands out the flows of a text as programs and people mostly write
// them: printable ASCII, blocks of keys and items, lists and mappings in brackets
// that end on their line, scalars without escapes. Reading ten thousand flows
// as YAML in general takes as long as following them. ok is false for every
// other text, also for one that is wrong: YAML's own reader says what it is.
// Tags are set only where they are null or bool, which are all that is asked
// for, and keys do not know their lines. A flow's nodes are gone when take
// returns: the next one's stand in their place.
func plainFlows(content string, take func(flow *yaml.Node)) (ok bool) {
	p := &plainText{rest: content, keys: map[string]*yaml.Node{}}
	if p.next(); p.line != "flows:" || p.indent != 0 {
		return false
	}
	p.next()
	if !p.isItem(p.indent) {
		return false
	}
	for indent := p.indent; p.isItem(indent); p.used = 0 {
		if flow := p.item(indent, 1); !p.wrong {
			take(flow)
		}
	}
	return p.ended && !p.wrong
}

// maxPlainDepth is deeper than flows are.
const maxPlainDepth = 8

// A plainText is read line by line; wrong says that it is none.
type plainText struct {
	rest         string // behind the line
	indent       int    // of the line
	line         string // without its indent, and without the "- " that were read
	number       int
	ended, wrong bool
	nodes        []*yaml.Node // those of a flow, and after them those that await use
	used         int
	keys         map[string]*yaml.Node
}

// next goes to the next line that holds more than a comment.
func (p *plainText) next() {
	for p.rest != "" {
		p.line, p.rest, _ = strings.Cut(p.rest, "\n")
		p.number++
		for i := range len(p.line) {
			if p.line[i] < ' ' || p.line[i] > '~' {
				p.wrong = true
			}
		}
		content := strings.TrimLeft(p.line, " ")
		if p.line != "" && content == "" || strings.HasSuffix(content, " ") {
			p.wrong = true
		}
		if content != "" && content[0] != '#' {
			p.indent, p.line = len(p.line)-len(content), content
			return
		}
	}
	p.ended, p.indent, p.line = true, -1, ""
}

func (p *plainText) node(kind yaml.Kind, value string) *yaml.Node {
	if p.used == len(p.nodes) {
		p.nodes = append(p.nodes, &yaml.Node{})
	}
	n := p.nodes[p.used]
	p.used++
	*n = yaml.Node{Kind: kind, Value: value, Line: p.number, Content: n.Content[:0]}
	return n
}

// key is the node of a key, one for all places that have it.
func (p *plainText) key(key string) *yaml.Node {
	n := p.keys[key]
	if n == nil {
		n = &yaml.Node{Kind: yaml.ScalarNode, Value: key}
		p.keys[key] = n
	}
	return n
}

// block is the mapping or list whose first line this is.
func (p *plainText) block(indent, depth int) *yaml.Node {
	if p.wrong = p.wrong || depth > maxPlainDepth; p.wrong {
		return nil
	}
	if p.isItem(indent) {
		return p.list(indent, depth)
	}
	return p.mapping(indent, depth)
}

func (p *plainText) list(indent, depth int) *yaml.Node {
	n := p.node(yaml.SequenceNode, "")
	for p.isItem(indent) {
		n.Content = append(n.Content, p.item(indent, depth))
	}
	p.wrong = p.wrong || p.indent > indent
	return n
}

// isItem reports whether the line begins an item of the list of that indent.
func (p *plainText) isItem(indent int) bool {
	return !p.wrong && p.indent == indent && strings.HasPrefix(p.line, "- ")
}

func (p *plainText) item(indent, depth int) *yaml.Node {
	p.line = p.line[2:]
	if key, _, _ := strings.Cut(p.line, ":"); isKey(key) && len(key) < len(p.line) {
		p.indent = indent + 2
		return p.mapping(p.indent, depth+1)
	}
	n := p.value(p.line)
	p.next()
	return n
}

func (p *plainText) mapping(indent, depth int) *yaml.Node {
	n := p.node(yaml.MappingNode, "")
	for !p.wrong && p.indent == indent && !strings.HasPrefix(p.line, "- ") {
		key, value, ok := strings.Cut(p.line, ":")
		if !ok || !isKey(key) {
			p.wrong = true
			return n
		}
		n.Content = append(n.Content, p.key(key))
		if strings.HasPrefix(value, " ") {
			n.Content = append(n.Content, p.value(value[1:]))
			p.next()
			continue
		}
		p.next()
		deeper := p.indent > indent || p.indent == indent && strings.HasPrefix(p.line, "- ")
		if value != "" || !deeper {
			p.wrong = true
			return n
		}
		n.Content = append(n.Content, p.block(p.indent, depth+1))
	}
	p.wrong = p.wrong || p.indent > indent
	return n
}

// isKey reports whether a text is a key as FLOWS files have them.
func isKey(s string) bool {
	for i := range len(s) {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return s != "" && len(s) < 32 && isText(s)
}

// isText reports whether YAML takes a plain scalar for a text or a number, and
// not for true, false or null under one of their names.
func isText(s string) bool {
	switch strings.ToLower(s) {
	case "null", "true", "false", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return true
}

// value is what stands behind a key or a dash, to the line's end.
func (p *plainText) value(s string) *yaml.Node {
	if s != "" && strings.IndexByte(`"'[{`, s[0]) >= 0 {
		n, rest := p.inBrackets(s, 0)
		p.wrong = p.wrong || rest != ""
		return n
	}
	return p.scalar(s, " ,()")
}

// scalar is a plain scalar, of characters that mean nothing to YAML where they
// stand.
func (p *plainText) scalar(s, others string) *yaml.Node {
	n := p.node(yaml.ScalarNode, s)
	for i := range len(s) {
		switch c := s[i]; {
		case isLetterOrDigit(c):
		case i == 0 || c == ':' && (i+1 == len(s) || strings.IndexByte(" ,", s[i+1]) >= 0),
			strings.IndexByte("._/-:", c) < 0 && strings.IndexByte(others, c) < 0:
			p.wrong = true
		}
	}
	switch {
	case s == "true" || s == "false":
		n.Tag = "!!bool"
	case s == "" || !isText(s):
		p.wrong = true
	}
	return n
}

func isLetterOrDigit(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// inBrackets is a value that ends at a comma or bracket, or is quoted or in
// brackets itself, and what stands behind it.
func (p *plainText) inBrackets(s string, depth int) (n *yaml.Node, rest string) {
	if p.wrong = p.wrong || s == "" || depth > maxPlainDepth; p.wrong {
		return nil, ""
	}
	switch s[0] {
	case '"', '\'':
		end := strings.IndexByte(s[1:], s[0])
		if end < 0 || strings.IndexByte(s[1:1+end], '\\') >= 0 || strings.HasPrefix(s[2+end:], s[:1]) {
			p.wrong = true
			return nil, ""
		}
		return p.node(yaml.ScalarNode, s[1:1+end]), s[2+end:]
	case '[':
		return p.bracketed(p.node(yaml.SequenceNode, ""), s[1:], ']', depth)
	case '{':
		return p.bracketed(p.node(yaml.MappingNode, ""), s[1:], '}', depth)
	}
	end := strings.IndexAny(s, ",]}")
	if end < 0 {
		p.wrong = true
		return nil, ""
	}
	return p.scalar(s[:end], ""), s[end:]
}

// bracketed fills a list or mapping to the bracket that closes it.
func (p *plainText) bracketed(n *yaml.Node, s string, closing byte, depth int) (_ *yaml.Node, rest string) {
	for first := true; !p.wrong; first = false {
		if first && s != "" && s[0] == closing {
			return n, s[1:]
		}
		if n.Kind == yaml.MappingNode {
			key, value, ok := strings.Cut(s, ": ")
			if !ok || !isKey(key) {
				break
			}
			n.Content, s = append(n.Content, p.key(key)), value
		}
		var item *yaml.Node
		item, s = p.inBrackets(s, depth+1)
		n.Content = append(n.Content, item)
		switch {
		case s != "" && s[0] == closing:
			return n, s[1:]
		case s == "" || s[0] != ',':
			p.wrong = true
		default:
			s = strings.TrimPrefix(s[1:], " ")
		}
	}
	p.wrong = true
	return n, ""
}
