package source

import "strings"

// A Cursor is a place between two lines of a file, for parsers that read it
// line by line. Lines are handed out as parts of the file's text.
type Cursor struct {
	File   *File
	Offset int // in bytes
	Line   int // number of the line that Next gives, from 1
}

// Start is the cursor before the file's first line.
func Start(f *File) Cursor { return Cursor{File: f, Line: 1} }

// More reports whether there is another line.
func (c Cursor) More() bool { return c.Offset < len(c.File.Text) }

// IsCut reports whether the cursor stands at the text's end, behind a line that
// has no line feed: a text that was cut somewhere ends so.
func (c Cursor) IsCut() bool { return !c.More() && !strings.HasSuffix(c.File.Text, "\n") }

// Pos is the position of the line that Next gives.
func (c Cursor) Pos() Position { return Position{File: c.File, Line: c.Line} }

// Next is the next line, without its line feed, and the cursor behind it. A
// carriage return at the line's end stays in the line.
func (c Cursor) Next() (line string, after Cursor) {
	rest := c.File.Text[c.Offset:]
	after = Cursor{File: c.File, Line: c.Line + 1}
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		after.Offset = c.Offset + i + 1
		return rest[:i], after
	}
	after.Offset = len(c.File.Text)
	return rest, after
}
