package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// Until a bundle is whole nothing stands under its name but what stood there
// before, and of one that never becomes whole nothing stays.
func TestBundleFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "node.tar.gz")
	record := func(text string, whole bool) {
		t.Helper()
		f, err := createBundle(name)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(name)
		if _, err := f.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if now, _ := os.ReadFile(name); string(now) != string(before) {
			t.Errorf("half a bundle is there: %q", now)
		}
		if err := f.finish(whole); err != nil {
			t.Fatal(err)
		}
	}
	check := func(want string) {
		t.Helper()
		got, _ := os.ReadFile(name)
		if string(got) != want {
			t.Errorf("the bundle holds %q, expected %q", got, want)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) > 1 {
			t.Errorf("%d files are left (%v)", len(files), err)
		}
	}
	record("broken off", false)
	check("")
	record("first", true)
	check("first")
	record("broken off", false)
	check("first")
	record("second", true)
	check("second")

	if f, err := createBundle(dir); err == nil {
		t.Errorf("a bundle in place of a directory: %+v", f)
	}
	if f, err := createBundle(filepath.Join(dir, "missing", "node.tar.gz")); err == nil {
		t.Errorf("a bundle in a directory that is not there: %+v", f)
	}
	if f, err := createBundle(os.DevNull); err != nil || f.finish(true) != nil {
		t.Errorf("a device: %v", err)
	}
}
