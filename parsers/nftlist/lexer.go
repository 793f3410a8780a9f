package nftlist

import "strings"

// A kind says what a token is.
type kind uint8

const (
	endOfText kind = iota
	newline
	word
	quoted // in quotation marks, which the token's text does not have
	symbol // one of { } ; , ( )
	remark // "#" and what follows it in the line, the text without the "#"
)

// A token is a part of the text. nft prints blanks between all words, so that
// addresses, ranges and names are one word each.
type token struct {
	kind       kind
	text       string
	start, end int // in the lexer's text
}

// is reports whether the token is that word or symbol, not quoted.
func (t token) is(s string) bool { return (t.kind == word || t.kind == symbol) && t.text == s }

// A lexer cuts a text into tokens, in place.
type lexer struct {
	text string
	at   int
	line int // of what comes next
	// commas says that a comma ends a word wherever it stands, not only before
	// a blank: in a list of elements that are no lists of flags themselves.
	commas bool
	// cut says that the text breaks off in a line: a word at its end may have
	// gone on, and is none.
	cut bool
}

// next is the next token.
func (l *lexer) next() token {
	for l.at < len(l.text) {
		if c := l.text[l.at]; c != ' ' && c != '\t' && c != '\r' {
			break
		}
		l.at++
	}
	start := l.at
	if start == len(l.text) {
		return token{kind: endOfText, start: start, end: start}
	}
	switch c := l.text[start]; c {
	case '\n':
		l.at++
		l.line++
		return token{kind: newline, text: "\n", start: start, end: l.at}
	case '{', '}', ';', ',', '(', ')':
		l.at++
		return token{kind: symbol, text: l.text[start:l.at], start: start, end: l.at}
	case '#':
		l.at = l.lineEnd(start)
		return token{kind: remark, text: l.text[start+1 : l.at], start: start, end: l.at}
	case '"':
		return l.quote(start)
	}
	for l.at < len(l.text) {
		switch c := l.text[l.at]; c {
		case ' ', '\t', '\r', '\n', '{', '}', ';', '(', ')', '"':
		case ',':
			if !l.commas && l.at+1 < len(l.text) && !isBlank(l.text[l.at+1]) {
				l.at++
				continue
			}
		default:
			l.at++
			continue
		}
		break
	}
	if l.cut && l.at == len(l.text) {
		return token{kind: endOfText, start: start, end: l.at}
	}
	return token{kind: word, text: l.text[start:l.at], start: start, end: l.at}
}

// isCut reports whether a text breaks off in a line. One that ends with a block
// lacks a line feed only.
func isCut(text string) bool {
	return !strings.HasSuffix(text, "\n") && !strings.HasSuffix(strings.TrimRight(text, " \t\r"), "}")
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func (l *lexer) lineEnd(from int) int {
	if i := strings.IndexByte(l.text[from:], '\n'); i >= 0 {
		return from + i
	}
	return len(l.text)
}

// quote reads a quoted string. nft knows no escapes in it, and it ends with the
// line. A range of two ("10:00"-"12:00") is one word.
func (l *lexer) quote(start int) token {
	line := l.text[start+1 : l.lineEnd(start)]
	end := strings.IndexByte(line, '"')
	if end < 0 {
		l.at = start + 1 + len(line)
		return token{kind: word, text: l.text[start:l.at], start: start, end: l.at}
	}
	l.at = start + 1 + end + 1
	if strings.HasPrefix(line[end+1:], `-"`) {
		if last := strings.IndexByte(line[end+3:], '"'); last >= 0 {
			l.at += 2 + last + 1
			return token{kind: word, text: l.text[start:l.at], start: start, end: l.at}
		}
	}
	return token{kind: quoted, text: line[:end], start: start, end: l.at}
}

// peek is the token that next gives.
func (l *lexer) peek() token {
	saved := *l
	t := l.next()
	*l = saved
	return t
}

// accept takes the next token if it is that word or symbol.
func (l *lexer) accept(s string) bool {
	at := l.at
	for at < len(l.text) && (l.text[at] == ' ' || l.text[at] == '\t' || l.text[at] == '\r') {
		at++
	}
	if !strings.HasPrefix(l.text[at:], s) {
		return false
	}
	// Only now is it worth while to see where the word ends.
	saved := *l
	l.at = at
	if l.next().is(s) {
		return true
	}
	*l = saved
	return false
}

// skipNewlines takes ends of lines, and remarks.
func (l *lexer) skipNewlines() {
	for l.at < len(l.text) {
		switch l.text[l.at] {
		case ' ', '\t', '\r':
			l.at++
		case '\n':
			l.at++
			l.line++
		case '#':
			l.at = l.lineEnd(l.at)
		default:
			return
		}
	}
}
