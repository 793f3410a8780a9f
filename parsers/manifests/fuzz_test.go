package manifests_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

// FuzzParse reads arbitrary text as YAML or JSON. Whatever it is, all remarks
// stand in it, and every object does.
func FuzzParse(f *testing.F) {
	for _, text := range []string{serviceYAML, serviceJSON, sliceYAML, endpointsYAML, nodeYAML,
		"kind: List\nitems:\n" + item(serviceYAML) + item(sliceYAML), `{"items":[` + serviceJSON + `]}`, "a: &a [*a]\n---\n- *a\n"} {
		f.Add(text)
	}
	recorded, err := os.ReadFile(filepath.Join("..", "..", "samples", "myth2-loadbalancer", "manifests.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(recorded))
	f.Fuzz(func(t *testing.T, text string) {
		objects, diags := parse(text)
		lines := 1 + strings.Count(text, "\n")
		within := func(pos source.Position) {
			if pos.File == nil || pos.Line < 1 || pos.Line > lines {
				t.Fatalf("%v is no line of %d", pos, lines)
			}
		}
		for _, d := range diags {
			within(d.Pos)
			if d.Message == "" || d.Severity == 0 || d.Code == "" || d.Unread > lines && d.Code == "damaged-object" {
				t.Fatalf("remark out of place: %+v", d)
			}
		}
		for _, s := range objects.Services {
			within(s.Pos)
		}
		for _, s := range objects.Slices {
			within(s.Pos)
		}
		for _, n := range objects.Nodes {
			within(n.Pos)
		}
	})
}
