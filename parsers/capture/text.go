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
const utf8Mark = "\ufeff"

var (
	utf16LEMark = []byte{0xff, 0xfe}
	utf16BEMark = []byte{0xfe, 0xff}
)

// isBinary tells data from text by the file's first bytes, as git does: data
// has a NUL somewhere.
func isBinary(head []byte) bool {
	return !bytes.HasPrefix(head, utf16LEMark) && !bytes.HasPrefix(head, utf16BEMark) && bytes.IndexByte(head, 0) >= 0
}

// plain turns what was read into UTF-8 with LF at the ends of lines (or CR LF).
func plain(text string) string {
	switch {
	case strings.HasPrefix(text, string(utf16LEMark)):
		text = fromUTF16(text[2:], binary.LittleEndian)
	case strings.HasPrefix(text, string(utf16BEMark)):
		text = fromUTF16(text[2:], binary.BigEndian)
	default:
		text = strings.TrimPrefix(text, utf8Mark)
	}
	// Text whose lines end with CR alone: what some editors make of a paste.
	head := text[:min(len(text), headSize)]
	if strings.Count(head, "\r") > 1 && strings.IndexByte(head, '\n') < 0 {
		return strings.ReplaceAll(text, "\r", "\n")
	}
	return text
}

func fromUTF16(in string, order binary.ByteOrder) string {
	var out strings.Builder
	out.Grow(len(in)/2 + len(in)/8)
	for len(in) >= 2 {
		r := rune(order.Uint16([]byte(in[:2])))
		in = in[2:]
		if utf16.IsSurrogate(r) && len(in) >= 2 {
			if pair := utf16.DecodeRune(r, rune(order.Uint16([]byte(in[:2])))); pair != utf8.RuneError {
				r, in = pair, in[2:]
			}
		}
		out.WriteRune(r)
	}
	return out.String()
}

// text reads one text. damage is the error, if any, that ended it early.
func (op *opener) text(name, text string, damage error, alone bool) {
	r := read(&source.File{Path: name, Text: plain(text)})
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
