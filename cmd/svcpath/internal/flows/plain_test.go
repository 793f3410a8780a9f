package flows

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

// seen is what of a node the reader looks at.
type seen struct {
	Kind    yaml.Kind
	Value   string
	Line    int
	Tag     string // null or bool, "" for others
	Content []seen
}

func look(n *yaml.Node) seen {
	s := seen{Kind: n.Kind, Value: n.Value, Line: n.Line}
	if n.Tag == "!!null" || n.Tag == "!!bool" {
		s.Tag = n.Tag
	}
	for i, c := range n.Content {
		of := look(c)
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			of.Line = 0 // which keys of plain text do not know
		}
		s.Content = append(s.Content, of)
	}
	return s
}

func TestPlainFlows(t *testing.T) {
	for _, test := range []struct {
		name, text string
		plain      bool
	}{
		{"blocks", "# of a node\nflows:\n  - name: a pod, by its service (1)\n    port: 80\n    expect:\n      verdict: dnat\n      endpoints: [10.0.0.1:80, 10.0.0.2:80]\n      masquerade: true\n\n  - name: b\n", true},
		{"a list as deep as its key", "flows:\n- port: 80\n  name: 'x y'\n- {name: \"[::1]:80\", expect: {endpoints: []}}\n", true},
		{"a list of scalars", "flows:\n  - fd00::1\n  - true\n", true},
		{"a dash that closes a mapping", "flows:\n  - port: 80\n    - name: b\n", false},
		{"an indent of nothing", "flows:\n    name: a\n  port: 1\n", false},
		{"a scalar of two lines", "flows:\n  name: a\n    b\n", false},
		{"an anchor", "flows: &a [b]\n", false},
		{"null", "flows: ~\n", false},
		{"nothing", "flows:\n", false},
		{"another name of true", "flows: {masquerade: yes}\n", false},
		{"an escape", "flows: \"\\x41\"\n", false},
		{"a quote in quotes", "flows: 'it''s'\n", false},
		{"a comment behind", "flows: a # b\n", false},
		{"no list", "flows:\n  a: b\n", false},
		{"a list in brackets", "flows: [a]\n", false},
		{"another key", "a: b\nflows:\n  - c\n", false},
		{"a key behind", "flows:\n  - c\na: b\n", false},
		{"two documents", "flows: a\n---\nflows: b\n", false},
		{"a key in a value", "flows: a: b\n", false},
		{"a bracket that stays open", "flows: [a,\n  b]\n", false},
		{"a tab", "flows:\n\t- a\n", false},
		{"an empty file", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if plain := sameAsYAML(t, test.text); plain != test.plain {
				t.Errorf("plain: %t, want %t", plain, test.plain)
			}
		})
	}
}

// FuzzPlainFlows holds what is read without YAML's own reader against it.
func FuzzPlainFlows(f *testing.F) {
	f.Add([]byte("flows:\n  - name: a b\n    port: 80\n    expect: {endpoints: [10.0.0.1:80, '[::1]:80'], masquerade: false}\n"))
	f.Add([]byte("flows:\n- a\n-  b\n# c\n-  - d\n"))
	f.Add([]byte("a: [b, {c: d}, \"e\"]\nf:\n  g: 1.5\n  h: 2001-01-01\n"))
	f.Fuzz(func(t *testing.T, content []byte) { sameAsYAML(t, string(content)) })
}

func sameAsYAML(t *testing.T, content string) (plain bool) {
	t.Helper()
	var got []seen
	if !plainFlows(content, func(flow *yaml.Node) { got = append(got, look(flow)) }) {
		return false
	}
	want, err := document(content)
	if err != nil {
		t.Fatalf("read as plain text, and YAML's reader says: %v", err)
	}
	root := seen{Kind: yaml.MappingNode, Line: want.Line, Content: []seen{
		{Kind: yaml.ScalarNode, Value: "flows"},
		{Kind: yaml.SequenceNode, Line: want.Content[1].Line, Content: got},
	}}
	if diff := cmp.Diff(look(want), root); diff != "" {
		t.Errorf("differs from YAML's reader (-yaml +plain):\n%s", diff)
	}
	return true
}
