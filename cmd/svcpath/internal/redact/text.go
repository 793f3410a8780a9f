package redact

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// Text replaces everything in a text that is to be replaced, whatever printed
// it. What stands between words stays, so that the text has the form that it
// had.
func (r *Redactor) Text(text string) string {
	var out strings.Builder
	out.Grow(len(text) + len(text)/16)
	for line := range strings.Lines(text) {
		r.line(&out, line)
	}
	return out.String()
}

// opaqueWords go with addresses in a form that is not looked into.
var opaqueWords = []string{"-m u32 ", "-m bpf ", "@nh,", "@th,", "@ll,", `"base": "nh"`, `"base": "th"`}

func (r *Redactor) line(out *strings.Builder, line string) {
	if slices.ContainsFunc(opaqueWords, func(w string) bool { return strings.Contains(line, w) }) {
		r.opaque++
	}
	for i := 0; i < len(line); {
		// A colon begins an IPv6 address, and before a chain's name its line.
		if !isWordByte(line[i]) || line[i] == ':' && !strings.HasPrefix(line[i:], "::") {
			out.WriteByte(line[i])
			i++
			continue
		}
		end := i + 1
		for end < len(line) && isWordByte(line[end]) {
			end++
		}
		word := line[i:end]
		i = end
		if kind := freeText(word); kind != keepText {
			out.WriteString(word)
			open, text := quoted(line[i:], strings.HasPrefix(word, "--"))
			if text == "" {
				continue
			}
			out.WriteString(line[i : i+open])
			i += open + len(text)
			if kind == commentText {
				r.comment(out, text)
			} else {
				out.WriteString(r.hidden(text))
			}
			continue
		}
		if word == "range" {
			n := r.jsonRange(out, line[i:])
			if n == 0 && strings.HasPrefix(line, "create ") {
				n = r.bitmapRange(out, line[i:])
			}
			i += n
			if n > 0 {
				continue
			}
		}
		out.WriteString(r.word(word, line[i:]))
	}
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_./:%", c) >= 0
}

// word replaces a word; what follows it can tell what it means.
func (r *Redactor) word(word, after string) string {
	if len(word) < 2 {
		return word
	}
	if to, ok := r.chainWord(word); ok {
		return to
	}
	if strings.IndexByte(word, '/') >= 0 {
		if to, ok := r.nftWord(word); ok {
			return to
		}
		if to, ok := r.serviceWord(word); ok {
			return to
		}
	}
	return r.addressWord(word, after)
}

// What stands behind some words is what people wrote.
const (
	keepText = iota
	commentText
	hiddenText
)

func freeText(word string) int {
	switch word {
	case "--comment", "comment":
		return commentText
	case "--log-prefix", "--nflog-prefix", "--ulog-prefix", "prefix", "--string", "--hex-string":
		return hiddenText
	}
	return keepText
}

// quoted finds the string that follows a word: after is what stands behind it,
// open how far the string's text begins in it. An option's value can also stand
// without quotes. JSON closes the word's own quotes first.
func quoted(after string, option bool) (open int, text string) {
	for _, begin := range []string{` "`, `": "`, `":"`} {
		rest, ok := strings.CutPrefix(after, begin)
		if !ok {
			continue
		}
		for i := 0; i < len(rest); i++ {
			switch rest[i] {
			case '\\':
				i++
			case '"', '\n':
				return len(begin), rest[:i]
			}
		}
		return len(begin), rest
	}
	if !option {
		return 0, ""
	}
	rest, ok := strings.CutPrefix(after, " ")
	if !ok {
		return 0, ""
	}
	if i := strings.IndexAny(rest, " \n"); i >= 0 {
		rest = rest[:i]
	}
	return 1, rest
}

// unescaped is a comment without the backslashes that protect its quotes, and
// without quotes around all of it.
func unescaped(text string) string {
	if strings.IndexByte(text, '\\') >= 0 {
		text = strings.ReplaceAll(text, `\`, "")
	}
	return strings.Trim(text, `"`)
}

// comment replaces a comment: in one of kube-proxy's about a service the names,
// any other one whole, unless it is one of those that kube-proxy writes on
// every node.
func (r *Redactor) comment(out *strings.Builder, text string) {
	plain := unescaped(text)
	if _, ok := kubeproxy.ParseComment(plain); ok {
		for i := 0; i < len(text); {
			end := i
			for end < len(text) && isWordByte(text[end]) {
				end++
			}
			if end == i {
				out.WriteByte(text[i])
				i++
				continue
			}
			out.WriteString(r.word(text[i:end], ""))
			i = end
		}
		return
	}
	if slices.Contains(fixedComments, plain) {
		out.WriteString(text)
		return
	}
	out.WriteString(r.hidden(text))
}

// hidden is what stands for text that people wrote.
func (r *Redactor) hidden(text string) string {
	to, ok := r.comments[text]
	if !ok {
		sum := r.digest("comment", text)
		to = "redacted-" + hex.EncodeToString(sum[:])[:nameDigits]
		r.comments[text] = to
	}
	return to
}
