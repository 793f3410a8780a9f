package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/svcpath/svcpath/cmd/svcpath/internal/cli"
	"github.com/svcpath/svcpath/samples"
)

// recordings are all inputs that come with the project.
func recordings(t *testing.T) []string {
	t.Helper()
	inputs, err := filepath.Glob("../../../../samples/testdata/recordings/*")
	if err != nil || len(inputs) == 0 {
		t.Fatalf("no recordings: %v", err)
	}
	for _, s := range samples.List() {
		inputs = append(inputs, "sample:"+s.Name)
	}
	return inputs
}

// run is what a call writes; it must succeed and say nothing else.
func run(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := cli.Main(args, strings.NewReader(""), &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("svcpath %s: exit code %d, %s", strings.Join(args, " "), code, stderr.String())
	}
	return stdout.String()
}

func TestRecordings(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/analysis.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range recordings(t) {
		for _, args := range [][]string{
			{"analyze", input}, {"analyze", "-v", input}, {"analyze", "-q", input},
			{"analyze", "-o", "json", input}, {"analyze", "-o", "yaml", input},
		} {
			first, second := run(t, args...), run(t, args...)
			if first != second {
				t.Errorf("svcpath %s: two runs differ", strings.Join(args, " "))
			}
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(run(t, "analyze", "-o", "json", input)))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", input, err)
		}
	}
}

// The graph of every recording fits its schema, and is the same twice.
func TestGraphsOfRecordings(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/graph.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range recordings(t) {
		for _, format := range []string{"json", "dot", "mermaid"} {
			first, second := run(t, "graph", "-o", format, input), run(t, "graph", "-o", format, input)
			if first != second {
				t.Errorf("%s: two graphs in %s differ", input, format)
			}
			if format != "json" {
				continue
			}
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("%s: %v", input, err)
			}
		}
	}
}

// Flows of the zoo over every recording: whatever the answers are, they fit
// the schema, and are the same twice.
func TestTracesOfRecordings(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("../../../../docs/schema/trace.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range recordings(t) {
		for _, args := range [][]string{
			{"trace", input, "--flows", "sample:service-zoo"},
			{"trace", input, "--flows", "sample:service-zoo", "-o", "json"},
			{"trace", input, "--to", "172.18.0.3:30082", "--source", "any", "--all-steps", "-o", "json"},
			{"trace", input, "--to", "[fd00:10:96::a01]:80", "--from", "pod", "-o", "json"},
		} {
			first, second := run(t, args...), run(t, args...)
			if first != second {
				t.Errorf("svcpath %s: two runs differ", strings.Join(args, " "))
			}
			if args[len(args)-1] != "json" {
				continue
			}
			doc, err := jsonschema.UnmarshalJSON(strings.NewReader(first))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(doc); err != nil {
				t.Errorf("svcpath %s: %v", strings.Join(args, " "), err)
			}
		}
	}
}

// The order in which texts are given changes nothing but their order.
func TestOrderOfInputs(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../../../samples/service-zoo")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	services := func(inputs ...string) string {
		_, text, _ := strings.Cut(run(t, append([]string{"analyze", "-o", "json"}, inputs...)...), `"services": [`)
		text, _, _ = strings.Cut(text, `"diagnostics"`)
		return text
	}
	one, other := services("iptables-save.txt", "ip6tables-save.txt", "ip-addr.txt"), services("ip-addr.txt", "ip6tables-save.txt", "iptables-save.txt")
	if one != other || len(one) < 1000 {
		t.Errorf("the services differ, or there are none (%d and %d bytes)", len(one), len(other))
	}
}
