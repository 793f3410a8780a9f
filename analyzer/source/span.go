package source

// A Span is a part of one line of a file, known by where it stands.
type Span struct {
	File   *File
	Offset int // in bytes
	Len    int // in bytes
	Line   int // from 1
}

// Text is the part itself.
func (s Span) Text() string { return s.File.Text[s.Offset : s.Offset+s.Len] }
