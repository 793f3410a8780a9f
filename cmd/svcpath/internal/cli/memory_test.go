package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Files count, and those of a directory and on standard input do; what is no file
// counts as nothing.
func TestSizeOfInputs(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"a": 3, "b": 5} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "deeper"), 0o700); err != nil {
		t.Fatal(err)
	}
	inputs := []string{dir, filepath.Join(dir, "a"), "-", "sample:none", filepath.Join(dir, "missing")}
	if got := (&program{stdin: strings.NewReader("")}).sizeOf(inputs); got != 3+5+3 {
		t.Errorf("sizeOf = %d, want 11", got)
	}
	stdin, err := os.Open(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	if got := (&program{stdin: stdin}).sizeOf(inputs); got != 3+5+3+5 {
		t.Errorf("with a file as standard input: sizeOf = %d, want 16", got)
	}
}
