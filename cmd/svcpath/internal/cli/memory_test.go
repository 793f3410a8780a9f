package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Files count, and those of a directory do; what is no file counts as nothing.
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
	if got := sizeOf([]string{dir, filepath.Join(dir, "a"), "-", "sample:none", filepath.Join(dir, "missing")}); got != 3+5+3 {
		t.Errorf("sizeOf = %d, want 11", got)
	}
}
