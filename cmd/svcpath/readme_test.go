package main_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the output that README.md shows")

const (
	demoBegins = "<!-- demo: the output of \"svcpath analyze sample:myth2-loadbalancer\" -->\n```text\n"
	demoEnds   = "```\n<!-- end of demo -->\n"
)

// TestReadmeShowsTheDemo compares what the README shows of "make demo" with
// what the command prints.
func TestReadmeShowsTheDemo(t *testing.T) {
	command := exec.Command("go", "run", "-buildvcs=false", ".", "analyze", "sample:myth2-loadbalancer")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	printed, err := command.Output()
	if err != nil {
		t.Fatalf("running the demo: %v\n%s", err, stderr.String())
	}
	readme := readFile(t, "README.md")
	before, rest, ok := strings.Cut(readme, demoBegins)
	shown, after, ok2 := strings.Cut(rest, demoEnds)
	if !ok || !ok2 {
		t.Fatalf("README.md has no output of the demo between %q and %q", demoBegins, demoEnds)
	}
	if *update {
		updated := before + demoBegins + string(printed) + demoEnds + after
		if err := os.WriteFile(filepath.Join(root, "README.md"), []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(shown, string(printed)); diff != "" {
		t.Errorf("the demo in README.md (-shown +printed); \"make golden\" rewrites it:\n%s", diff)
	}
}
