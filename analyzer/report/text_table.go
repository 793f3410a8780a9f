package report

import (
	"slices"
	"strings"
	"unicode/utf8"

	prettytext "github.com/jedib0t/go-pretty/v6/text"
)

// A textTable lines columns up with blanks alone. The texts of its cells stand
// one behind another in a few pieces of memory: a large node's tables have a
// hundred thousand.
type textTable struct {
	p      *textPrinter
	titles []int // the width of each column's title
	widths []int // of each column's cells; 0 for a column without any
	blocks []tableBlock
}

// A tableBlock is some rows of a table, whole ones but for the last block's
// last. The first row of all has the titles.
type tableBlock struct {
	text  []byte
	cells []tableCell
}

// A tableCell is how long a cell's text is in bytes, and how many columns of a
// terminal it takes.
type tableCell struct{ length, width uint16 }

func (p *textPrinter) newTable(titles ...string) *textTable {
	t := &textTable{p: p, widths: make([]int, len(titles))}
	t.addBlock()
	t.row(titles...)
	t.titles, t.widths = t.widths, make([]int, len(titles))
	return t
}

// maxCell is how many columns of a cell are shown. No name of Kubernetes comes
// near, and one cell of a damaged dump must not widen all rows without end.
const maxCell = 300

// blockSize is from what size on of its text a block gets no more rows.
const blockSize = 64 << 10

// addBlock adds a block: one that a table before has done with, or one that is
// as large as the last has grown.
func (t *textTable) addBlock() {
	var b tableBlock
	if n := len(t.p.spare); n > 0 {
		b, t.p.spare = t.p.spare[n-1], t.p.spare[:n-1]
	} else if n := len(t.blocks); n > 0 {
		b.text = make([]byte, 0, cap(t.blocks[n-1].text))
		b.cells = make([]tableCell, 0, cap(t.blocks[n-1].cells))
	}
	t.blocks = append(t.blocks, tableBlock{b.text[:0], b.cells[:0]})
}

// text is what the text of the next cell is to be appended to.
func (t *textTable) text() []byte {
	if last := &t.blocks[len(t.blocks)-1]; len(last.text) >= blockSize && len(last.cells)%len(t.widths) == 0 {
		t.addBlock()
	}
	return t.blocks[len(t.blocks)-1].text
}

// cell ends a cell whose text was appended to what text gave.
func (t *textTable) cell(text []byte) {
	b := &t.blocks[len(t.blocks)-1]
	start, column := len(b.text), len(b.cells)%len(t.widths)
	if len(text)-start > maxCell {
		text = append(text[:start], clip(string(text[start:]), maxCell)...)
	}
	width := width(text[start:])
	b.text = text
	b.cells = append(b.cells, tableCell{uint16(len(text) - start), uint16(width)})
	t.widths[column] = max(t.widths[column], width)
}

func (t *textTable) row(cells ...string) {
	for _, c := range cells {
		t.cell(append(t.text(), c...))
	}
}

// isEmpty reports whether the table has no row but the titles.
func (t *textTable) isEmpty() bool {
	return len(t.blocks) == 1 && len(t.blocks[0].cells) == len(t.widths)
}

// width is how many columns of a terminal a text takes, colours aside.
func width(text []byte) int {
	if isASCII(text) {
		return len(text)
	}
	columns := 0
	for i := 0; i < len(text); columns++ {
		if c := text[i]; c >= ' ' && c <= '~' {
			i++
			continue
		}
		switch r, n := utf8.DecodeRune(text[i:]); r {
		case '→', '×', '…': // ours
			i += n
		default:
			return prettytext.StringWidthWithoutEscSequences(string(text))
		}
	}
	return columns
}

const (
	tableIndent = 2
	tableGap    = 2
	usefulWidth = 30 // of a last column that is wrapped
)

// write writes the table, without columns that are empty. Where the terminal's
// width is known, the last column is wrapped to what the others leave of it, as
// long as that is of use.
func (t *textTable) write() {
	if t.isEmpty() {
		return
	}
	last, start := len(t.widths)-1, tableIndent // start of the last column
	for i, cells := range t.widths {
		if cells > 0 {
			t.widths[i] = max(cells, t.titles[i])
			if i < last {
				start += t.widths[i] + tableGap
			}
		}
	}
	room := 0
	if t.p.Width > 0 {
		room = max(t.p.Width-start, usefulWidth)
	}
	line := t.p.line
	for _, b := range t.blocks {
		text := b.text
		for row := range slices.Chunk(b.cells, len(t.widths)) {
			line, text = t.appendRow(line[:0], text, row, start, room)
			t.p.out.Write(line)
		}
	}
	t.p.line = line
	t.p.spare = append(t.p.spare, t.blocks...)
}

// appendRow appends a row whose cells' text is the beginning of text, and gives
// the rest of that: more than one line if its last cell, which begins at column
// start, does not fit into the room; 0 is room without end.
func (t *textTable) appendRow(line, text []byte, row []tableCell, start, room int) (appended, rest []byte) {
	more := ""
	owed := tableIndent // blanks before the next cell; none stand at a line's end
	for i, c := range row {
		cell := text[:c.length]
		text = text[c.length:]
		if t.widths[i] == 0 {
			continue
		}
		if i == len(row)-1 && room > 0 && int(c.width) > room {
			var first string
			first, more, _ = strings.Cut(prettytext.WrapSoft(string(cell), room), "\n")
			cell = []byte(strings.TrimRight(first, " "))
		}
		if len(cell) > 0 {
			line = append(appendBlanks(line, owed), cell...)
			owed = -int(c.width)
		}
		owed += t.widths[i] + tableGap
	}
	line = append(line, '\n')
	for wrapped := range strings.SplitSeq(more, "\n") {
		if more != "" {
			line = append(appendBlanks(line, start), strings.TrimRight(wrapped, " ")...)
			line = append(line, '\n')
		}
	}
	return line, text
}

func appendBlanks(b []byte, n int) []byte {
	const some = "                                "
	for ; n > len(some); n -= len(some) {
		b = append(b, some...)
	}
	return append(b, some[:max(n, 0)]...)
}
