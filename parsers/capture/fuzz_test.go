package capture

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

// FuzzOpenText reads arbitrary bytes as one file. Whatever they are, every line
// that is not blank stands in a source or is reported as skipped.
func FuzzOpenText(f *testing.F) {
	seeds, err := filepath.Glob("testdata/seeds/*")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seeds: ", err)
	}
	for _, name := range seeds {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, bytes []byte) {
		file := &source.File{Path: "fuzz", Text: plain(string(bytes))}
		r := read(file)
		accounted := make(map[int]bool)
		for _, s := range r.sources {
			if s.Lines < 1 || s.Pos.File != file {
				t.Fatalf("source out of place: %+v", s)
			}
			for line := s.Pos.Line; line < s.Pos.Line+s.Lines; line++ {
				if accounted[line] {
					t.Fatalf("line %d stands in two sources", line)
				}
				accounted[line] = true
			}
		}
		lines := strings.Split(file.Text, "\n")
		outside := 0
		for i, line := range lines {
			if !accounted[i+1] && !isBlank(line) {
				outside++
			}
		}
		if outside != r.skipped {
			t.Fatalf("%d lines stand in no source, %d were skipped", outside, r.skipped)
		}
		unread, skipped := 0, 0
		for _, d := range r.diagnostics() {
			if d.Pos.File != file || d.Pos.Line > len(lines) || d.Severity == 0 || d.Code == "" || d.Message == "" {
				t.Fatalf("remark out of place: %+v", d)
			}
			unread += d.Unread
		}
		for _, s := range r.sources {
			skipped += s.SkippedLines
		}
		if len(r.sources) > 0 && unread != skipped {
			t.Fatalf("%d lines are reported as not understood, the sources count %d", unread, skipped)
		}
		if _, diags := chooseTables(r.captured()); len(r.tables) == 0 && len(diags) > 0 {
			t.Fatal("remarks about no table")
		}
	})
}

// FuzzOpenArchive unpacks arbitrary bytes.
func FuzzOpenArchive(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("\x28\xb5\x2f\xfd\x04\x00\x41\x00\x00default via 10.0.0.1 dev eth0\n"))
	f.Add([]byte("a" + strings.Repeat("\x00", 256) + "ustar"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		const most = 1 << 20
		snap, err := Open([]string{"-"}, Options{Stdin: strings.NewReader(string(bytes)), Limits: Limits{FileBytes: most, TotalBytes: most, Files: 10, Layers: 3}})
		if snap == nil && err == nil {
			t.Error("neither a snapshot nor an error")
		}
	})
}
