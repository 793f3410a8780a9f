package source

import (
	"strconv"
	"unicode/utf8"
)

// Quote is a piece of the input as messages show it: in quotation marks, with
// everything that is not printable escaped, and cut when it is long.
func Quote(text string) string {
	const most = 60 // bytes
	if len(text) <= most {
		return strconv.Quote(text)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strconv.Quote(text[:cut]) + "…"
}
