package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDependenciesAreExplained compares the modules whose packages are imported
// with the table of docs/dependencies.md.
func TestDependenciesAreExplained(t *testing.T) {
	imported := map[string]bool{}
	required := requiredModules(t)
	for _, p := range listPackages(t) {
		for _, path := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			for _, m := range required {
				if path == m || strings.HasPrefix(path, m+"/") {
					imported[m] = true
				}
			}
		}
	}
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(readFile(t, "docs/dependencies.md"), -1) {
		explained = append(explained, row[1])
	}
	slices.Sort(explained)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(imported)), explained); diff != "" {
		t.Errorf("docs/dependencies.md (-imported +explained):\n%s", diff)
	}
}

// requiredModules are the modules that go.mod names.
func requiredModules(t *testing.T) []string {
	t.Helper()
	var modules []string
	for _, m := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+) v\S+`).FindAllStringSubmatch(readFile(t, "go.mod"), -1) {
		modules = append(modules, m[1])
	}
	if len(modules) == 0 {
		t.Fatal("go.mod names no module")
	}
	return modules
}

// TestPlacesAreDescribed finds every package in docs/architecture.md.
func TestPlacesAreDescribed(t *testing.T) {
	page := readFile(t, "docs/architecture.md")
	for _, p := range listPackages(t) {
		place := strings.TrimPrefix(short(p.ImportPath), "cmd/svcpath/")
		if !strings.Contains(page, "`"+place+"`") {
			t.Errorf("docs/architecture.md does not say what %s holds", place)
		}
	}
}

// TestLinksLeadSomewhere follows every relative link of the documentation.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)[^)]*\)`)
	eachFile(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".md") || strings.Contains(path, "/testdata/") {
			return
		}
		for _, m := range link.FindAllStringSubmatch(string(content), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join(root, filepath.Dir(path), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", path, m[1], err)
			}
		}
	})
}

// TestVerdictsAreExplained compares the verdicts that the code knows with those
// that the documentation explains.
func TestVerdictsAreExplained(t *testing.T) {
	verdicts := regexp.MustCompile(`\bVerdict += "([^"]+)"`).FindAllStringSubmatch(readFile(t, "analyzer/inventory/inventory.go"), -1)
	if len(verdicts) == 0 {
		t.Fatal("analyzer/inventory/inventory.go declares no verdicts")
	}
	readme, page := readFile(t, "README.md"), readFile(t, "docs/verdicts.md")
	headings := strings.Join(regexp.MustCompile("(?m)^## .*").FindAllString(page, -1), "\n")
	for _, v := range verdicts {
		if !strings.Contains(readme, "| `"+v[1]+"` |") {
			t.Errorf("README.md has no row for the verdict %s", v[1])
		}
		if !strings.Contains(headings, "`"+v[1]+"`") {
			t.Errorf("docs/verdicts.md has no heading for the verdict %s", v[1])
		}
	}
}

// TestQuotedRulesAreFromTheSamples finds each rule that stands as an example in
// docs/verdicts.md in a sample, its comment left out.
func TestQuotedRulesAreFromTheSamples(t *testing.T) {
	comment := regexp.MustCompile(` -m comment --comment ("[^"]*"|\S+)`)
	recorded := map[string]bool{}
	for _, text := range []string{"myth2-loadbalancer/iptables-save.txt", "service-zoo/iptables-save.txt", "ipvs-myth2-loadbalancer/ipvsadm-save.txt"} {
		for line := range strings.Lines(readFile(t, "samples/"+text)) {
			if _, rule, ok := strings.Cut(line, "-A "); ok {
				recorded["-A "+comment.ReplaceAllString(rule, "")] = true
			}
		}
	}
	quoted := 0
	for line := range strings.Lines(readFile(t, "docs/verdicts.md")) {
		if !strings.HasPrefix(line, "-A ") {
			continue
		}
		quoted++
		if !recorded[line] {
			t.Errorf("docs/verdicts.md quotes a rule that no sample has: %s", line)
		}
	}
	if quoted == 0 {
		t.Error("docs/verdicts.md quotes no rule")
	}
}

// readFile reads a file of the repository, named from its top.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
