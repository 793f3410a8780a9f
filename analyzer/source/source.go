// Package source says where in the captured input something stands, and what
// there is to remark about it. Everything else rests on it; it rests on nothing.
package source

import (
	"cmp"
	"strconv"
)

// A File is one captured text as it was given to the tool: a file, a member of
// an archive, standard input.
type File struct {
	// Path is how the user would name the file again. A member of an archive
	// is written "archive.tgz/member", standard input "-".
	Path string
	// Text is the whole content, decompressed. Models keep parts of it
	// without copying, so it must not change and lives as long as they do.
	Text string
}

// A Position is a line in a captured file. The zero Position is no place.
type Position struct {
	File *File
	Line int // from 1; 0 when a remark concerns the file as a whole
}

// IsValid reports whether the position names a file.
func (p Position) IsValid() bool { return p.File != nil }

// Path is the file's path, "" for the zero Position.
func (p Position) Path() string {
	if p.File == nil {
		return ""
	}
	return p.File.Path
}

// String is "path:line", the form that editors jump to.
func (p Position) String() string {
	return string(p.AppendTo(nil))
}

// AppendTo appends String.
func (p Position) AppendTo(b []byte) []byte {
	switch {
	case p.File == nil:
		return append(b, '-')
	case p.Line == 0:
		return append(b, p.File.Path...)
	}
	return strconv.AppendInt(append(append(b, p.File.Path...), ':'), int64(p.Line), 10)
}

// Compare orders positions by path, then line.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Path(), q.Path()), cmp.Compare(p.Line, q.Line))
}
