package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/samples"
)

// expected ends the messages about inputs with nothing to analyse in them.
const expected = "expected the output of iptables-save or ip6tables-save, best with ip addr beside it"

// An opener turns inputs into texts, has them read, and keeps account of how
// much it may still read.
type opener struct {
	limits    Limits
	stdin     io.Reader
	bytesLeft int64
	piece     []byte // room for what is read at once
	filesLeft int
	exhausted bool // one of the two did not suffice, and that was said

	readings []*reading
	errs     []error
}

func (op *opener) fail(path string, line int, err error) {
	if perr := (*fs.PathError)(nil); errors.As(err, &perr) {
		err = perr.Err // the path is said already
	}
	op.errs = append(op.errs, &InputError{Path: path, Line: line, Err: err})
}

// remark keeps a remark about a file that no text is kept of.
func (op *opener) remark(path string, severity source.Severity, code, message string) {
	r := &reading{file: &source.File{Path: path}}
	r.remarks.Add(source.Diagnostic{Severity: severity, Pos: source.Position{File: r.file}, Code: code, Message: message})
	op.readings = append(op.readings, r)
}

// leaveOut reports a file that is not used: an error if it was asked for by
// name, a remark if it merely lay beside others.
func (op *opener) leaveOut(path string, line int, alone bool, reason string) {
	if alone {
		op.fail(path, line, errors.New(reason+"; "+expected))
		return
	}
	op.remark(path, source.Info, "file-not-used", reason)
}

func (op *opener) open(input string) {
	if op.exhausted {
		op.fail(input, 0, errors.New("not read, for the inputs before it hold more than all together may"))
		return
	}
	if input == "-" {
		if op.stdin == nil {
			op.fail(input, 0, errors.New("standard input is not there, or was read before"))
			return
		}
		op.content(input, op.stdin, 0, true)
		op.stdin = nil
		return
	}
	if name, ok := strings.CutPrefix(input, "sample:"); ok {
		files, err := samples.Open(name)
		if err != nil {
			op.fail(input, 0, err)
			return
		}
		op.many(input, true, func() { op.walk(input, files, nil) })
		return
	}
	info, err := os.Stat(input)
	switch {
	case err != nil:
		op.fail(input, 0, err)
	case info.IsDir():
		op.openDirectory(input)
	default:
		file, err := os.Open(input)
		if err != nil {
			op.fail(input, 0, err)
			return
		}
		defer file.Close()
		op.content(input, file, 0, true)
	}
}

func (op *opener) openDirectory(dir string) {
	// A Root follows no symbolic link that leads out of the directory, not
	// even one that is made while we read.
	root, err := os.OpenRoot(dir)
	if err != nil {
		op.fail(dir, 0, err)
		return
	}
	defer root.Close()
	op.many(dir, true, func() { op.walk(dir, root.FS(), func(name string) bool { return op.follow(dir, name) }) })
}

// follow reports whether a symbolic link in a directory is to be read: it is
// when it leads to a hidden file of the same directory, as in a mounted
// ConfigMap. Other files of the directory are read for themselves.
func (op *opener) follow(dir, name string) bool {
	link := path.Join(dir, name)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		op.fail(dir, 0, err)
		return false
	}
	target, err := filepath.EvalSymlinks(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		op.remark(link, source.Info, "file-not-used", "a symbolic link that leads nowhere")
		return false
	}
	inside, err := filepath.Rel(real, target)
	if err != nil || !filepath.IsLocal(inside) {
		op.remark(link, source.Info, "file-not-used", "a symbolic link out of the directory is not followed")
		return false
	}
	info, err := os.Stat(target)
	return err == nil && info.Mode().IsRegular() && isHidden(filepath.ToSlash(inside))
}

func isHidden(name string) bool {
	return slices.ContainsFunc(strings.Split(name, "/"), func(element string) bool {
		return strings.HasPrefix(element, ".") && element != "."
	})
}

// walk reads all files of a file system; base is how the user names its root.
func (op *opener) walk(base string, files fs.FS, follow func(name string) bool) {
	fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		full := path.Join(base, name)
		switch {
		case err != nil:
			op.fail(full, 0, err)
			return nil
		case op.exhausted:
			return fs.SkipAll
		case isHidden(name) && entry.IsDir():
			return fs.SkipDir
		case isHidden(name) || entry.IsDir():
			return nil
		case entry.Type()&fs.ModeSymlink != 0:
			if !follow(name) {
				return nil
			}
		case !entry.Type().IsRegular():
			op.remark(full, source.Info, "file-not-used", "not a regular file")
			return nil
		}
		if !op.takeFile(full) {
			return fs.SkipAll
		}
		file, err := files.Open(name)
		if err != nil {
			op.fail(full, 0, err)
			return nil
		}
		defer file.Close()
		op.content(full, file, 0, false)
		return nil
	})
}

// takeFile counts a file of a directory or an archive.
func (op *opener) takeFile(path string) bool {
	if op.filesLeft == 0 {
		op.exhausted = true
		op.fail(path, 0, fmt.Errorf("no file after the first %d is read", op.limits.Files))
		return false
	}
	op.filesLeft--
	return true
}

// many runs what reads the files of a directory or an archive, sorts what came
// of it by path, and fails if that is nothing. Only an input itself fails so,
// not an archive in it.
func (op *opener) many(path string, isInput bool, read func()) {
	before, failed := len(op.readings), len(op.errs)
	read()
	added := op.readings[before:]
	slices.SortStableFunc(added, func(a, b *reading) int { return strings.Compare(a.file.Path, b.file.Path) })
	if !isInput || len(op.errs) > failed || slices.ContainsFunc(added, func(r *reading) bool { return len(r.sources) > 0 }) {
		return
	}
	if len(added) == 0 {
		op.fail(path, 0, errors.New("holds no files; "+expected))
		return
	}
	op.fail(path, 0, fmt.Errorf("nothing in it is recognised, found %s; %s", listOf(added), expected))
}

// listOf names the first few files.
func listOf(readings []*reading) string {
	const most = 3
	var names []string
	for _, r := range readings[:min(most, len(readings))] {
		names = append(names, r.file.Path)
	}
	list := strings.Join(names, ", ")
	if more := len(readings) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return list
}
