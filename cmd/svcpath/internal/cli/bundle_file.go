package cli

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A bundleFile is where a bundle is written to. Under its name there never is
// half a bundle, and what was there stays until the new one is whole.
type bundleFile struct {
	io.Writer
	file *os.File // nil for standard output
	name string   // that the file gets in the end; "" when it has it already
}

// createBundle makes a file that only its owner can read, for a bundle tells
// much of a cluster. Like tar, it replaces a file of that name.
func createBundle(name string) (*bundleFile, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.IsDir():
		return nil, &fs.PathError{Op: "write", Path: name, Err: errors.New("it is a directory, expected a file")}
	case err == nil && !info.Mode().IsRegular():
		// A device or a pipe is written to, and stays what it is.
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		return &bundleFile{Writer: file, file: file}, err
	}
	file, err := os.CreateTemp(filepath.Dir(name), ".svcpath-*")
	if err != nil {
		return nil, err
	}
	return &bundleFile{Writer: file, file: file, name: name}, nil
}

// finish gives the bundle its name if it is whole, and else leaves nothing of
// it.
func (f *bundleFile) finish(whole bool) error {
	if f.file == nil {
		return nil
	}
	temporary := f.file.Name()
	err := f.file.Close()
	if f.name == "" {
		return err
	}
	if whole && err == nil {
		if err = os.Rename(temporary, f.name); err == nil {
			return nil
		}
	}
	return errors.Join(err, os.Remove(temporary))
}
