package manifests

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// read reads the part of YAML that tools write objects in: block mappings
// and lists, flow ones that end on their line, scalars of one line in plain
// letters or in quotation marks that nothing is escaped in. It knows each line
// for certain or gives nil, and then the YAML package reads the text: both make
// the same nodes, but this takes a tenth of the time, and a cluster's objects
// are longer than all else that is known of a node. The nodes are good until
// the reader reads the next text.
func (r *plainReader) read(text string) *yaml.Node {
	clear(r.nodes[:r.used])
	*r = plainReader{rest: text, nodes: r.nodes, children: r.children[:0], stack: r.stack[:0]}
	r.next()
	if r.done {
		return nil
	}
	root := r.block()
	if root == nil || !r.done {
		return nil
	}
	return root
}

// A plainReader stands at a line. Its methods give nil for what is not plain.
type plainReader struct {
	rest   string // behind the line
	line   int
	indent int
	body   string // without the blanks around it
	done   bool   // there is no further line
	depth  int

	nodes    []yaml.Node // the first used of them are taken
	used     int
	children []*yaml.Node // of all collections, one's behind the other's
	stack    []*yaml.Node // those of collections that are not whole yet
}

// mostPlainDepth is how deep collections may stand in each other.
const mostPlainDepth = 64

// next goes to the next line that is not blank.
func (r *plainReader) next() {
	for r.rest != "" {
		line, rest, _ := strings.Cut(r.rest, "\n")
		r.rest = rest
		r.line++
		if r.body = strings.Trim(line, " "); r.body != "" {
			r.indent = len(line) - len(strings.TrimLeft(line, " "))
			return
		}
	}
	r.done = true
}

func (r *plainReader) node(kind yaml.Kind, tag, value string) *yaml.Node {
	if r.used == len(r.nodes) {
		r.nodes, r.used = make([]yaml.Node, max(64, 2*len(r.nodes))), 0
	}
	n := &r.nodes[r.used]
	r.used++
	n.Kind, n.Tag, n.Value, n.Line = kind, tag, value, r.line
	return n
}

// isItem reports whether the line begins an item of a list.
func (r *plainReader) isItem() bool { return strings.HasPrefix(r.body, "- ") }

// block reads the mapping or the list that begins at the line.
func (r *plainReader) block() *yaml.Node {
	if r.depth++; r.depth > mostPlainDepth {
		return nil
	}
	defer func() { r.depth-- }()
	if r.isItem() {
		return r.list()
	}
	return r.mapping()
}

func (r *plainReader) mapping() *yaml.Node {
	n := r.node(yaml.MappingNode, "!!map", "")
	indent, base := r.indent, len(r.stack)
	for !r.done && r.indent == indent && !r.isItem() {
		key, value, ok := cutKey(r.body)
		if !ok {
			return nil
		}
		r.stack = append(r.stack, r.scalar(key, 0))
		child := r.value(value, indent)
		if child == nil {
			return nil
		}
		r.stack = append(r.stack, child)
	}
	return r.collect(n, base)
}

func (r *plainReader) list() *yaml.Node {
	n := r.node(yaml.SequenceNode, "!!seq", "")
	indent, base := r.indent, len(r.stack)
	for !r.done && r.indent == indent && r.isItem() {
		item := strings.TrimLeft(r.body[1:], " ")
		var child *yaml.Node
		if _, _, isMapping := cutKey(item); isMapping {
			r.indent, r.body = indent+len(r.body)-len(item), item
			child = r.block()
		} else {
			child = r.value(item, indent)
		}
		if child == nil {
			return nil
		}
		r.stack = append(r.stack, child)
	}
	return r.collect(n, base)
}

// collect gives a collection what was read since the stack had its base.
func (r *plainReader) collect(n *yaml.Node, base int) *yaml.Node {
	if len(r.stack) > base {
		begin := len(r.children)
		r.children = append(r.children, r.stack[base:]...)
		n.Content = r.children[begin:len(r.children):len(r.children)]
	}
	r.stack = r.stack[:base]
	return n
}

// value reads what stands behind a key or a dash, and goes to the line behind
// it: that is not indented more than the line of the key.
func (r *plainReader) value(s string, indent int) *yaml.Node {
	if s == "" {
		n := r.scalar("", 0)
		r.next()
		if !r.done && (r.indent > indent || r.indent == indent && r.isItem()) {
			n = r.block()
		}
		return n
	}
	n, rest := r.flow(s, false)
	if rest != "" {
		return nil
	}
	r.next()
	if !r.done && r.indent > indent {
		return nil // it goes on there
	}
	return n
}

func (r *plainReader) scalar(value string, style yaml.Style) *yaml.Node {
	n := r.node(yaml.ScalarNode, "!!str", value)
	if n.Style = style; style == 0 && !isWord(value) {
		n.Tag = ""
		n.Tag = n.ShortTag() // as the YAML package tells numbers from words
	}
	return n
}

// isWord reports whether a plain scalar is one that is no number, no truth
// value, no time and not null for certain: those begin like "yes", "no", "true",
// "false", "on", "off" and "null", or with a digit or a point, and are no
// addresses.
func isWord(s string) bool {
	switch {
	case s == "":
		return false
	case s[0] >= '0' && s[0] <= '9':
		return strings.Trim(s, "0123456789.") == "" && strings.Count(s, ".") > 1
	case s[0] == '.':
		return false
	}
	return strings.IndexByte("yYnNtTfFoO", s[0]) < 0
}

// flow reads a scalar or a flow collection at the beginning of a text, and
// gives what stands behind it and behind blanks.
func (r *plainReader) flow(s string, inside bool) (*yaml.Node, string) {
	switch first := s[0]; {
	case first == '"':
		return r.quoted(s, yaml.DoubleQuotedStyle)
	case first == '\'':
		return r.quoted(s, yaml.SingleQuotedStyle)
	case first == '{' || first == '[':
		return r.collection(s)
	case !plainFirst[first]:
		return nil, s
	}
	end := 0
	for end < len(s) && plainLetters[s[end]] {
		// A colon is part of a word only before its next letter.
		if s[end] == ':' && (end+1 == len(s) || s[end+1] == ' ' || !plainLetters[s[end+1]]) {
			return nil, s
		}
		end++
	}
	if end < len(s) && !inside {
		return nil, s
	}
	return r.scalar(strings.TrimRight(s[:end], " "), 0), s[end:]
}

func (r *plainReader) quoted(s string, style yaml.Style) (*yaml.Node, string) {
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == s[0]:
			rest := strings.TrimLeft(s[i+1:], " ")
			if strings.HasPrefix(s[i+1:], "'") || strings.HasPrefix(rest, ":") {
				return nil, s // a quotation mark within, or a key
			}
			return r.scalar(s[1:i], style), rest
		case c < ' ' || c > '~' || c == '\\':
			return nil, s
		}
	}
	return nil, s
}

// collection reads a flow mapping or a flow list.
func (r *plainReader) collection(s string) (*yaml.Node, string) {
	whole := s
	n, end := r.node(yaml.SequenceNode, "!!seq", ""), byte(']')
	if s[0] == '{' {
		n.Kind, n.Tag, end = yaml.MappingNode, "!!map", '}'
	}
	n.Style = yaml.FlowStyle
	if r.depth++; r.depth > mostPlainDepth {
		return nil, whole
	}
	defer func() { r.depth-- }()
	base := len(r.stack)
	s = strings.TrimLeft(s[1:], " ")
	for first := true; ; first = false {
		if s == "" {
			return nil, whole // it goes on in the next line
		}
		if s[0] == end && first {
			break
		}
		if n.Kind == yaml.MappingNode {
			key, value, ok := cutKey(s)
			if !ok || value == "" {
				return nil, whole
			}
			r.stack = append(r.stack, r.scalar(key, 0))
			s = value
		}
		child, rest := r.flow(s, true)
		if child == nil || rest == "" {
			return nil, whole
		}
		r.stack = append(r.stack, child)
		if s = rest; s[0] == end {
			break
		}
		if s[0] != ',' {
			return nil, whole
		}
		s = strings.TrimLeft(s[1:], " ")
	}
	return r.collect(n, base), strings.TrimLeft(s[1:], " ")
}

// mostKeyBytes is how long a key may be. YAML takes 1024 bytes.
const mostKeyBytes = 512

// cutKey takes a plain key off the beginning of a text.
func cutKey(s string) (key, value string, ok bool) {
	if s == "" || !plainFirst[s[0]] {
		return "", s, false
	}
	for i := 0; i < len(s) && i < mostKeyBytes; i++ {
		switch c := s[i]; {
		case c == ':' && (i+1 == len(s) || s[i+1] == ' '):
			return s[:i], strings.TrimLeft(s[i+1:], " "), true
		case !plainLetters[c] || c == ' ':
			return "", s, false
		case c == ':' && !plainLetters[s[i+1]]:
			return "", s, false
		}
	}
	return "", s, false
}

// plainFirst are the letters that plain scalars begin with here, plainLetters
// those they go on with: none has a meaning of its own there.
var plainFirst, plainLetters = func() (first, all [256]bool) {
	for c := range 256 {
		b := byte(c)
		first[c] = b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b == '_' || b == '/' || b == '.'
		all[c] = first[c] || strings.IndexByte("-+= :()", b) >= 0
	}
	return first, all
}()
