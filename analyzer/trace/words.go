package trace

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// words writes short texts next to each other in memory: a path has many.
type words struct {
	text    strings.Builder
	scratch []byte
}

// wordsChunk is how many bytes of text are made room for at once.
const wordsChunk = 2048

// joined is a + b.
func (w *words) joined(a, b string) string { return w.keep(append(w.begin(a), b...)) }

// addr is the address in words, behind others.
func (w *words) addr(before string, a netip.Addr) string { return w.keep(a.AppendTo(w.begin(before))) }

// hex is a number in base 16, behind words.
func (w *words) hex(before string, x uint32) string {
	return w.keep(strconv.AppendUint(w.begin(before), uint64(x), 16))
}

// endpoint is appendEndpoint behind words.
func (w *words) endpoint(before string, a netip.Addr, p port, protocol uint8) string {
	return w.keep(appendEndpoint(w.begin(before), a, p, protocol))
}

func (w *words) begin(text string) []byte { return append(w.scratch[:0], text...) }

func (w *words) keep(text []byte) string {
	w.scratch = text
	if w.text.Cap()-w.text.Len() < len(text) {
		w.text = strings.Builder{}
		w.text.Grow(max(wordsChunk, len(text)))
	}
	start := w.text.Len()
	w.text.Write(text)
	return w.text.String()[start:]
}

// appendEndpoint is "10.0.0.1:80", with what is not known left out.
func appendEndpoint(b []byte, a netip.Addr, p port, protocol uint8) []byte {
	switch {
	case !a.IsValid() && !p.known:
		return append(b, "an address that is not known"...)
	case !a.IsValid():
		return fmt.Appendf(b, "an address that is not known, port %d", p.number)
	case !p.known || !HasPorts(protocol):
		return a.AppendTo(b)
	}
	return netip.AddrPortFrom(a, p.number).AppendTo(b)
}
