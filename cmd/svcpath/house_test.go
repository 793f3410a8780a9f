package main_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// root is the top of the repository, seen from this package.
const root = "../.."

// topLevel is everything that may stand at the top of the repository, besides
// files and directories whose name begins with a dot.
var topLevel = map[string]bool{
	"cmd": true, "analyzer": true, "parsers": true, "rules": true, "samples": true, "docs": true,
	"go.mod": true, "go.sum": true, "Makefile": true, "README.md": true, "LICENSE": true, "CHANGELOG.md": true,
	"bin": true, "dist": true, // built; see .gitignore
}

func TestTopLevelStaysSmall(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !topLevel[name] && !strings.HasPrefix(name, ".") {
			t.Errorf("%s stands at the top of the repository; everything has its place in a directory there", name)
		}
	}
}

func TestPackagesSayWhatTheyAre(t *testing.T) {
	for _, p := range listPackages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Svcpath "
		}
		if len(p.GoFiles) > 0 && !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: the package comment begins with %q, want %q", p.ImportPath, p.Doc, want)
		}
	}
}

// maxLines keeps files readable in one sitting.
const maxLines = 600

func TestFilesStayShort(t *testing.T) {
	eachFile(t, func(path string, content []byte) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		if n := bytes.Count(content, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, more than %d: it holds more than one idea", path, n, maxLines)
		}
	})
}

// TestNoPathsOfOneMachine finds what was copied with the name of a directory
// that only its author has.
func TestNoPathsOfOneMachine(t *testing.T) {
	var foreign [][]byte
	for _, top := range []string{"home", "Users", "work", "farm"} {
		foreign = append(foreign, []byte("/"+top+"/"))
	}
	eachFile(t, func(path string, content []byte) {
		if !utf8.Valid(content) {
			return
		}
		for number, line := range bytes.Split(content, []byte("\n")) {
			for _, f := range foreign {
				if bytes.Contains(line, f) {
					t.Errorf("%s:%d names %s: %q", path, number+1, f, line)
				}
			}
		}
	})
}

// eachFile calls visit for every file of the repository, with its path from
// the top.
func eachFile(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() && (name == ".git" || name == "bin" || name == "dist") {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() || name == ".git" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(name), content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
