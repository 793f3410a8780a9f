package manifests

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer/source"
)

// compareYAML reads a text with the YAML package, too. It reports whether the
// text is plain.
func compareYAML(t *testing.T, text string) bool {
	t.Helper()
	var r plainReader
	r.read("before: {this: [was, another]}\nread: x\n")
	got := r.read(text)
	if got == nil {
		return false
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatalf("%q is read as plain, but: %v", text, err)
	}
	if len(document.Content) != 1 {
		t.Fatalf("%q is read as plain, but is no document", text)
	}
	want := document.Content[0]
	forget(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q (-yaml +plain):\n%s", text, diff)
	}
	return true
}

// forget takes the columns away, which nothing asks for.
func forget(n *yaml.Node) {
	n.Column = 0
	for _, child := range n.Content {
		forget(child)
	}
}

func TestPlainYAML(t *testing.T) {
	for _, tt := range []struct {
		text  string
		plain bool
	}{
		{"a: b\n", true},
		{"a: b c  \n\nd: 1\n", true},
		{"  a: b\n  c:\n  d: \"x # y\"\n", true},
		{"a:\n- b\n- c: 1\n  d: 2\ne:\n  - f\n", true},
		{"-   a: b\n    c: d\n- e\n", true},
		{"a: {b: [c, \"d\", 'e'], f: {}, g: fd00::1}\nh: []\n", true},
		{"time: 2026-11-24T20:00:00Z\nnull: null\nbool: yes\n", true},
		{"app.kubernetes.io/name: x:y\n", true},
		{"a: [1.5, 1.2.3, 10.0.0.1, 1_000, 0x1F, 0o7, 1e3, .5, ., .inf, on, Null, nan]\n", true},
		// What the YAML package reads, or refuses.
		{"", false},
		{"\n", false},
		{"a: b # c\n", false},
		{"a: b\n  c\n", false},
		{"a: b: c\n", false},
		{"a: - b\n", false},
		{"a: |\n  b\n", false},
		{"a: &x b\n", false},
		{"a: \"b\\n\"\n", false},
		{"a: 'it''s'\n", false},
		{"a: [b,\n  c]\n", false},
		{"a: {b: c\n", false},
		{"a: [b: c]\n", false},
		{"\ta: b\n", false},
		{"a:\n    b: c\n  d: e\n", false},
		{"--- a\n", false},
		{"a: \"b\": c\n", false},
		{"a: é\n", false},
		{"a\n", false},
		{"? a\n: b\n", false},
		{"a: ~\n", false},
		{strings.Repeat("- ", 100) + "a: b\n", false},
		{"a: " + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "\n", false},
	} {
		if plain := compareYAML(t, tt.text); plain != tt.plain {
			t.Errorf("%q: plain is %t, want %t", tt.text, plain, tt.plain)
		}
	}
}

// TestPlainYAMLOfSamples compares all recorded objects.
func TestPlainYAMLOfSamples(t *testing.T) {
	plain, all := 0, 0
	err := filepath.WalkDir(filepath.Join("..", "..", "samples"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".yaml" {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		file := &source.File{Text: string(content)}
		at := source.Cursor{File: file, Line: 1}
		end := source.Cursor{File: file, Offset: len(file.Text)}
		for _, p := range splitYAML(at, end) {
			all++
			if compareYAML(t, p.text) {
				plain++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d objects are plain", plain, all)
	if plain*2 < all {
		t.Errorf("only %d of %d objects are plain", plain, all)
	}
}

// FuzzPlainYAML holds what is read as plain against the YAML package.
func FuzzPlainYAML(f *testing.F) {
	for _, text := range []string{"a: b\nc:\n- d: e\n  f: {g: h, i: [j, \"k\"]}\n", "- a: 'b'\n  c: 1.5\n- d: fd00::1\n", "a:\n  b:\n  c: []\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) { compareYAML(t, text) })
}
