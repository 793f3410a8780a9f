package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/svcpath/svcpath/analyzer/source"
)

// Byte order marks, as editors and shells of other systems put before text.
var (
	utf8Mark    = []byte("\ufeff")
	utf16LEMark = []byte{0xff, 0xfe}
	utf16BEMark = []byte{0xfe, 0xff}
)

// isBinary tells data from text by the file's first bytes, as git does: data
// has a NUL somewhere.
func isBinary(head []byte) bool {
	return !bytes.HasPrefix(head, utf16LEMark) && !bytes.HasPrefix(head, utf16BEMark) && bytes.IndexByte(head, 0) >= 0
}

// plain turns what was read into UTF-8 with LF at the ends of lines (or CR LF).
// It changes the buffer.
func plain(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, utf16LEMark):
		text = fromUTF16(text[2:], binary.LittleEndian)
	case bytes.HasPrefix(text, utf16BEMark):
		text = fromUTF16(text[2:], binary.BigEndian)
	case bytes.HasPrefix(text, utf8Mark):
		text = text[len(utf8Mark):]
	}
	// Text whose lines end with CR alone: what some editors make of a paste.
	head := text[:min(len(text), headSize)]
	if bytes.Count(head, []byte("\r")) > 1 && bytes.IndexByte(head, '\n') < 0 {
		for i, c := range text {
			if c == '\r' {
				text[i] = '\n'
			}
		}
	}
	return text
}

func fromUTF16(in []byte, order binary.ByteOrder) []byte {
	out := make([]byte, 0, len(in)/2+len(in)/8)
	for len(in) >= 2 {
		r := rune(order.Uint16(in))
		in = in[2:]
		if utf16.IsSurrogate(r) && len(in) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16(in))); pair != utf8.RuneError {
				r, in = pair, in[2:]
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// text reads one text. damage is the error, if any, that ended it early.
func (op *opener) text(name string, buffer []byte, damage error, alone bool) {
	r := read(&source.File{Path: name, Text: asString(plain(buffer))})
	if len(r.sources) > 0 {
		if damage != nil {
			last := 1 + strings.Count(strings.TrimSuffix(r.file.Text, "\n"), "\n")
			r.remarks.Add(source.Diagnostic{
				Severity: source.Error, Pos: source.Position{File: r.file, Line: last}, Code: "damaged-file",
				Message: fmt.Sprintf("the file is cut short or damaged here (%v): only what comes before is analysed", damage),
			})
		}
		op.readings = append(op.readings, r)
		return
	}
	if r.skipped == 0 {
		op.leaveOut(name, 0, alone, "empty")
		return
	}
	all := r.diagnostics()[0] // one run of skipped lines
	op.leaveOut(name, all.Pos.Line, alone, "nothing is recognised in "+strings.TrimPrefix(all.Message, "skipped "))
}
