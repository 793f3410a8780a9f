package main_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	benchOutput = flag.String("bench", "", "what \"go test -bench Stages\" printed, to be put into docs/performance.md")
	peersOutput = flag.String("peers", "", "what \"make bench-peers\" printed, to be put into docs/performance.md")
)

// TestPerformancePage is how "make bench" and "make bench-peers" keep what
// they measured.
func TestPerformancePage(t *testing.T) {
	for _, part := range []struct {
		file, name string
		table      func(string) string
	}{
		{*benchOutput, "stages", stagesTable},
		{*peersOutput, "peers", func(output string) string { return markdownLines(output) }},
	} {
		if part.file == "" {
			continue
		}
		output, err := os.ReadFile(part.file)
		if err != nil {
			t.Fatal(err)
		}
		table := part.table(string(output))
		if table == "" {
			t.Fatalf("%s holds no measurements", part.file)
		}
		text := fmt.Sprintf("%s, %s, %s/%s\n\n%s", time.Now().UTC().Format("2006-01-02"), machine(), runtime.GOOS, runtime.GOARCH, table)
		fmt.Println(text)
		page := filepath.Join(root, "docs", "performance.md")
		old := readFile(t, "docs/performance.md")
		if err := os.WriteFile(page, []byte(replacePart(t, old, part.name, text)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// machine names Go and the processor.
func machine() string {
	name := runtime.Version()
	cpu, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpu)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return name + ", " + strings.TrimSpace(value)
		}
	}
	return name
}

// replacePart puts text between the comments that stand around a part of a
// page.
func replacePart(t *testing.T, page, name, text string) string {
	t.Helper()
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	before, rest, ok := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("the page has no part %q", name)
	}
	return before + begin + "\n" + text + "\n" + end + after
}

// markdownLines are the lines of a table, whatever else was printed.
func markdownLines(output string) string {
	var table strings.Builder
	for line := range strings.Lines(output) {
		if i := strings.IndexByte(line, '|'); i >= 0 && strings.HasSuffix(strings.TrimSpace(line), "|") {
			table.WriteString(line[i:])
		}
	}
	return table.String()
}

// stagesTable makes a table of what "go test -bench Stages -benchmem" printed.
func stagesTable(output string) string {
	var table strings.Builder
	for line := range strings.Lines(output) {
		words := strings.Fields(line)
		if len(words) < 4 || !strings.HasPrefix(words[0], "BenchmarkStages") {
			continue
		}
		mode, name, _ := strings.Cut(strings.TrimPrefix(words[0], "BenchmarkStages"), "/")
		name, _, _ = strings.Cut(strings.ReplaceAll(name, "_", " "), "-")
		size, stage, _ := strings.Cut(name, "/")
		if mode != "" {
			size += ", " + strings.Replace(mode, "NFT", "nftables", 1)
		}
		value := map[string]float64{}
		for i := 2; i+1 < len(words); i += 2 {
			value[words[i+1]], _ = strconv.ParseFloat(words[i], 64)
		}
		if table.Len() == 0 {
			table.WriteString("| services | stage | ms | MB/s | rules/s | allocations a rule | MB allocated | held, of the file |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
		}
		fmt.Fprintf(&table, "| %s | %s | %s | %.0f | %.0f | %.3f | %.1f | %.2f |\n", strings.Replace(size, "x", " × ", 1), stage,
			milliseconds(value["ns/op"]), value["MB/s"], value["rules/s"], value["allocs/rule"], value["B/op"]/1e6, value["held/file"])
	}
	return table.String()
}

// milliseconds has three digits for what takes less than one.
func milliseconds(ns float64) string {
	if ns < 1e6 {
		return strconv.FormatFloat(ns/1e6, 'f', 3, 64)
	}
	return strconv.FormatFloat(ns/1e6, 'f', 1, 64)
}

func TestStagesTable(t *testing.T) {
	const output = "goos: linux\n" +
		"BenchmarkStages/1000x5/parse-2 \t 9\t 39579353 ns/op\t 51.33 MB/s\t 1.775 allocs/rule\t 2.691 held/file\t 465824 rules/s\t 6456757 B/op\t 32720 allocs/op\n" +
		"BenchmarkStagesIPVS/1000x5/one_trace-2 \t 9\t 100000 ns/op\t 51.33 MB/s\t 1 allocs/rule\t 2.691 held/file\t 465824 rules/s\t 6456757 B/op\t 32720 allocs/op\n" +
		"BenchmarkStagesNFT/1000x5/read-2 \t 9\t 2000000 ns/op\t 51.33 MB/s\t 1 allocs/rule\t 2.691 held/file\t 465824 rules/s\t 6456757 B/op\t 32720 allocs/op\n" +
		"PASS\n"
	const want = "| services | stage | ms | MB/s | rules/s | allocations a rule | MB allocated | held, of the file |\n|---|---|--:|--:|--:|--:|--:|--:|\n" +
		"| 1000 × 5 | parse | 39.6 | 51 | 465824 | 1.775 | 6.5 | 2.69 |\n" +
		"| 1000 × 5, IPVS | one trace | 0.100 | 51 | 465824 | 1.000 | 6.5 | 2.69 |\n" +
		"| 1000 × 5, nftables | read | 2.0 | 51 | 465824 | 1.000 | 6.5 | 2.69 |\n"
	if diff := cmp.Diff(want, stagesTable(output)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if got := replacePart(t, "a\n<!-- x -->\nold\n<!-- end of x -->\nb\n", "x", "new\n"); got != "a\n<!-- x -->\n\nnew\n\n<!-- end of x -->\nb\n" {
		t.Errorf("a part is replaced to %q", got)
	}
	if got := markdownLines("=== RUN\n    file.go:1: | a | b |\n|---|---|\n  x\n| 1 | 2 |\n"); !bytes.Equal([]byte(got), []byte("| a | b |\n|---|---|\n| 1 | 2 |\n")) {
		t.Errorf("lines of a table: %q", got)
	}
}
