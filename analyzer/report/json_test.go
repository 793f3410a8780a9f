package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestIndented compares appendIndented with the standard library's Indent, its
// slow twin.
func TestIndented(t *testing.T) {
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaves := []*rapid.Generator[any]{
			rapid.String().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(),
			rapid.SampledFrom([]any{nil, `"`, `\`, `\"`, `{"a":[1,2]}`, "", "\x00,:"}),
		}
		if depth == 0 {
			return rapid.OneOf(leaves...)
		}
		return rapid.OneOf(append(leaves,
			rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 3).AsAny(),
			rapid.MapOfN(rapid.String(), rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 3).AsAny(),
		)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		compact, err := json.Marshal(value(4).Draw(t, "value"))
		if err != nil {
			t.Fatal(err)
		}
		var want bytes.Buffer
		if err := json.Indent(&want, compact, "    ", "  "); err != nil {
			t.Fatal(err)
		}
		got, ascii := appendIndented(nil, compact, 2)
		if string(got) != want.String() {
			t.Errorf("indented as\n%s\nwant\n%s", got, want.String())
		}
		if ascii != isASCII(string(compact)) {
			t.Errorf("%s is said to be ASCII: %t", compact, ascii)
		}
	})
}

// TestPlainLength compares eight bytes at once with one after another, for each
// byte in each place behind, and before, others that are nearly plain.
func TestPlainLength(t *testing.T) {
	plain := func(c byte) bool { return c >= ' ' && c <= '~' && c != '"' && c != '\\' }
	for c := range 256 {
		for _, around := range []byte{' ', '~', '!', '#', '[', ']', 'a'} {
			for at := range 20 {
				for _, behind := range []byte{around, 0, '"', 0x80, 0xff} {
					text := bytes.Repeat([]byte{around}, 20)
					text[at] = byte(c)
					if at+1 < len(text) {
						text[at+1] = behind
					}
					want := 0
					for want < len(text) && plain(text[want]) {
						want++
					}
					if got := plainLength(text); got != want {
						t.Fatalf("%q: %d, expected %d", text, got, want)
					}
				}
			}
		}
	}
}
