package report_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var analyses = map[string]func() *analyzer.Analysis{"loadbalancer": loadBalancer, "medley": medley, "nothing": nothing}

// renderings are what is asked of each analysis, by the ending of its golden file.
var renderings = map[string]func(io.Writer, *analyzer.Analysis) error{
	"json":         report.AnalysisJSON,
	"yaml":         report.AnalysisYAML,
	"txt":          text(report.TextOptions{Inputs: []string{"node.txt"}}),
	"quiet.txt":    text(report.TextOptions{Detail: report.Quiet}),
	"verbose.txt":  text(report.TextOptions{Detail: report.Verbose, Inputs: []string{"a node's file", "-"}}),
	"terminal.txt": text(report.TextOptions{Color: true, Width: 100, Inputs: []string{"node.txt"}}),
}

func text(o report.TextOptions) func(io.Writer, *analyzer.Analysis) error {
	return func(w io.Writer, a *analyzer.Analysis) error { return report.AnalysisText(w, a, o) }
}

func TestGolden(t *testing.T) {
	for name, make := range analyses {
		for ending, render := range renderings {
			t.Run(name+"."+ending, func(t *testing.T) {
				golden(t, name+"."+ending, rendered(t, render, make()))
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", path, diff)
	}
}

func rendered(t *testing.T, render func(io.Writer, *analyzer.Analysis) error, a *analyzer.Analysis) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSameBytesTwice(t *testing.T) {
	a := medley()
	for ending, render := range renderings {
		if first, second := rendered(t, render, a), rendered(t, render, a); !bytes.Equal(first, second) {
			t.Errorf("%s: two renderings differ:\n%s", ending, cmp.Diff(string(first), string(second)))
		}
	}
}

func TestJSONFitsItsSchema(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/analysis.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, make := range analyses {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rendered(t, report.AnalysisJSON, make())))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The schema is only worth something if it knows every field there is.
func TestSchemaIsStrict(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../docs/schema/analysis.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(rendered(t, report.AnalysisJSON, medley())))
	if err != nil {
		t.Fatal(err)
	}
	objects := 0
	eachObject(doc, func(object map[string]any) {
		objects++
		object["surprise"] = "x"
		if schema.Validate(doc) == nil {
			t.Errorf("an unknown field is taken in %v", object)
		}
		delete(object, "surprise")
	})
	if objects < 50 {
		t.Errorf("only %d objects were tried", objects)
	}
}

func eachObject(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			eachObject(inner, visit)
		}
	case []any:
		for _, inner := range v {
			eachObject(inner, visit)
		}
	}
}

// YAML is the same document: the same values, and the same order of fields.
func TestYAMLSaysWhatJSONSays(t *testing.T) {
	for name, make := range analyses {
		inJSON, inYAML := rendered(t, report.AnalysisJSON, make()), rendered(t, report.AnalysisYAML, make())
		var fromJSON, fromYAML any
		if err := json.Unmarshal(inJSON, &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(inYAML, &fromYAML); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		fromYAML = nil
		if err := json.Unmarshal(again, &fromYAML); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(fromJSON, fromYAML); diff != "" {
			t.Errorf("%s: JSON and YAML differ (-JSON +YAML):\n%s", name, diff)
		}
		// JSON is YAML but for its surrogate pairs, so one reader tells the
		// order of both.
		inJSON = regexp.MustCompile(`\\ud[89a-f]..`).ReplaceAll(inJSON, nil)
		var nodeJSON, nodeYAML yaml.Node
		if err := errors.Join(yaml.Unmarshal(inJSON, &nodeJSON), yaml.Unmarshal(inYAML, &nodeYAML)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keys(&nodeJSON), keys(&nodeYAML)); diff != "" {
			t.Errorf("%s: fields stand in another order (-JSON +YAML):\n%s", name, diff)
		}
	}
}

// keys are the keys of all mappings, in the document's order.
func keys(n *yaml.Node) []string {
	var all []string
	for i, inner := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			all = append(all, inner.Value)
		}
		all = append(all, keys(inner)...)
	}
	return all
}

// JSON keeps hostile text exactly, bytes that are no UTF-8 aside.
func TestJSONKeepsText(t *testing.T) {
	var doc struct {
		Services []struct{ Name string }
	}
	if err := json.Unmarshal(rendered(t, report.AnalysisJSON, medley()), &doc); err != nil {
		t.Fatal(err)
	}
	want := strings.ReplaceAll(hostile, "\xff", "\ufffd")
	if got := doc.Services[3].Name; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Nothing that a terminal would act on leaves unescaped, in any format.
func TestNothingHostileComesThrough(t *testing.T) {
	for ending, render := range renderings {
		if ending == "terminal.txt" {
			continue // has colours of its own
		}
		for _, line := range bytes.Split(rendered(t, render, medley()), []byte("\n")) {
			for i := 0; i < len(line); {
				r, n := utf8.DecodeRune(line[i:])
				if r == utf8.RuneError && n == 1 || !unicode.IsPrint(r) {
					t.Errorf("%s: %q holds %q", ending, line, line[i:i+n])
				}
				i += n
			}
		}
	}
}

func TestColoursAreTheOnlyEscapes(t *testing.T) {
	plain := rendered(t, text(report.TextOptions{Width: 100, Inputs: []string{"node.txt"}}), medley())
	colour := string(rendered(t, renderings["terminal.txt"], medley()))
	for _, code := range []string{"\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"} {
		if !strings.Contains(colour, code) {
			t.Errorf("no %q anywhere", code)
		}
		colour = strings.ReplaceAll(colour, code, "")
	}
	if diff := cmp.Diff(string(plain), colour); diff != "" {
		t.Errorf("colour changes more than colour (-plain +colour):\n%s", diff)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestWriterErrorsComeBack(t *testing.T) {
	for ending, render := range renderings {
		for name, make := range analyses {
			if err := render(brokenWriter{}, make()); !errors.Is(err, errBroken) {
				t.Errorf("%s of %s: got %v, want %v", ending, name, err, errBroken)
			}
		}
	}
}

// A huge name stands in its own row and widens no other beyond reason.
func TestHugeNamesDoNotMultiply(t *testing.T) {
	a := medley()
	web := a.Inventory.Services[1]
	web.Name = strings.Repeat("x", 1<<20)
	for range 1000 {
		a.Inventory.Services = append(a.Inventory.Services, a.Inventory.Services[0])
	}
	if n := len(rendered(t, text(report.TextOptions{}), a)); n > 20<<20 {
		t.Errorf("%d bytes of text for one name of 1 MiB", n)
	}
}
