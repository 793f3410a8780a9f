package main_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the output that the documentation shows")

// demo is a call of svcpath and its output, as pages show them.
var demo = regexp.MustCompile("(?s)<!-- demo: the output of \"svcpath ([^\"]+)\" -->\n```text\n(.*?)```\n<!-- end of demo -->\n")

// TestDocumentationShowsWhatIsPrinted compares what pages show of svcpath's
// output with what it prints.
func TestDocumentationShowsWhatIsPrinted(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "svcpath")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building svcpath: %v\n%s", err, out)
	}
	for page, want := range map[string]int{"README.md": 2, "docs/trace.md": 2} {
		text := readFile(t, page)
		demos := demo.FindAllStringSubmatchIndex(text, -1)
		if len(demos) != want || strings.Count(text, "<!-- demo") != want {
			t.Errorf("%s: %d demos, want %d", page, len(demos), want)
		}
		updated, end := "", 0
		for _, at := range demos {
			args, shown := text[at[2]:at[3]], text[at[4]:at[5]]
			command := exec.Command(binary, strings.Fields(args)...)
			printed, err := command.Output()
			if err != nil {
				t.Fatalf("%s: running svcpath %s: %v", page, args, err)
			}
			if diff := cmp.Diff(shown, string(printed)); diff != "" && !*update {
				t.Errorf("%s: the output of svcpath %s (-shown +printed); \"make golden\" rewrites it:\n%s", page, args, diff)
			}
			updated += text[end:at[4]] + string(printed)
			end = at[5]
		}
		if *update {
			if err := os.WriteFile(filepath.Join(root, page), []byte(updated+text[end:]), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
