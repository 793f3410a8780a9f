package nftlist

import (
	"strconv"
	"strings"
)

// A jsonText writes rules that nft printed as JSON (libnftables-json(5)) the way
// nft prints them as text, for the one parser that there is.
type jsonText struct {
	out []byte
	// hex has numbers written as nft writes raw bytes; quote has strings put
	// in quotation marks.
	hex, quote bool
	depth      int
}

// An object is a JSON object's fields, as text.
type object struct {
	n      int
	keys   [20]string
	values [20]string
}

func readObject(text string) (o object) {
	r := jsonReader{text: text}
	r.fields(func(key string) {
		value := r.skip()
		if o.n < len(o.keys) {
			o.keys[o.n], o.values[o.n] = key, value
			o.n++
		}
	})
	return o
}

// get is a field's text, "" if there is none.
func (o *object) get(key string) string {
	for i := range o.n {
		if o.keys[i] == key {
			return o.values[i]
		}
	}
	return ""
}

// str is a field that is a string, or the text of another value.
func (o *object) str(key string) string { return plainString(o.get(key)) }

// word is a field that is written as it is. What would end a word or a line is
// no part of any word that nft has.
func (o *object) word(key string) string { return cleanWord(o.str(key)) }

func cleanWord(s string) string {
	if !strings.ContainsFunc(s, endsWord) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if endsWord(r) {
			return '?'
		}
		return r
	}, s)
}

func endsWord(r rune) bool {
	return r < ' ' || r == '{' || r == '}' || r == ';' || r == '#' || r == '"'
}

func plainString(text string) string {
	if strings.HasPrefix(text, `"`) {
		r := jsonReader{text: text}
		s, _ := r.string()
		return s
	}
	return text
}

func (w *jsonText) write(parts ...string) {
	for _, p := range parts {
		w.out = append(w.out, p...)
	}
}

// word writes a string as a word, in quotation marks if it would not be one.
func (w *jsonText) word(s string) {
	if w.quote || s == "" {
		w.quoted(s)
		return
	}
	for i := range len(s) {
		if needsQuotes[s[i]] {
			w.quoted(s)
			return
		}
	}
	w.write(s)
}

// needsQuotes are the characters that are in no word.
var needsQuotes = func() (table [256]bool) {
	for _, c := range []byte(" \t\r\n{};,()\"#&|^<>!=") {
		table[c] = true
	}
	return table
}()

// quoted writes a string in quotation marks; nft has no escapes for one in it.
func (w *jsonText) quoted(s string) {
	w.write(`"`, strings.NewReplacer(`"`, `'`, "\n", " ", "\r", " ").Replace(s), `"`)
}

// value writes any expression or constant.
func (w *jsonText) value(text string) {
	r := jsonReader{text: text}
	w.read(&r)
}

// read writes the expression or constant that the reader comes to.
func (w *jsonText) read(r *jsonReader) {
	if w.depth++; w.depth > maxJSONDepth {
		r.fail()
	}
	switch r.next() {
	case '"':
		s, _ := r.string()
		w.word(s)
	case '[':
		w.join(r, ",")
	case '{':
		done := false
		r.fields(func(key string) {
			switch {
			case done:
				r.skip()
			case key == "concat" && r.next() == '[':
				w.join(r, " . ")
			case key == "set" && r.next() == '[':
				w.write("{ ")
				w.readElements(r)
				w.write(" }")
			default:
				w.expression(key, r.skip())
			}
			done = true
		})
	case 0:
		w.write("?")
	default:
		w.literal(r.literal())
	}
	w.depth--
}

// literal writes a number, or whether something is there.
func (w *jsonText) literal(text string) {
	switch text {
	case "true":
		text = "exists"
	case "false":
		text = "missing"
	default:
		if n, err := strconv.ParseUint(text, 10, 64); err == nil && w.hex {
			text = "0x" + strconv.FormatUint(n, 16)
		}
	}
	w.word(text)
}

// joined writes an array's values with something between them.
func (w *jsonText) joined(text, between string) {
	r := jsonReader{text: text}
	w.join(&r, between)
}

func (w *jsonText) join(r *jsonReader, between string) {
	first := true
	r.values(func() {
		if !first {
			w.write(between)
		}
		first = false
		w.read(r)
	})
}

// expression writes an object's only field.
func (w *jsonText) expression(key, text string) {
	switch key {
	case "concat":
		w.joined(text, " . ")
		return
	case "range":
		w.joined(text, "-")
		return
	case "set":
		w.set(text)
		return
	case "|", "^", "&", "<<", ">>":
		w.operation(key, text)
		return
	case "accept", "drop", "continue", "return":
		w.write(key)
		return
	}
	o := readObject(text)
	switch key {
	case "jump", "goto":
		w.write(key, " ")
		w.word(o.str("target"))
	case "payload":
		if o.get("protocol") != "" {
			w.write(o.word("protocol"), " ", o.word("field"))
			return
		}
		w.write("@", o.word("base"), ",", o.word("offset"), ",", o.word("len"))
	case "meta":
		w.write("meta ", o.word("key"))
	case "socket":
		w.write("socket ", o.word("key"))
	case "osf":
		w.write("osf ")
		if ttl := o.get("ttl"); ttl != "" {
			w.write("ttl ", o.word("ttl"), " ")
		}
		w.write(o.word("key"))
	case "rt":
		w.write("rt ")
		if o.get("family") != "" {
			w.write(o.word("family"), " ")
		}
		w.write(o.word("key"))
	case "ct":
		w.write("ct ")
		if o.get("dir") != "" {
			w.write(o.word("dir"), " ")
		}
		w.write(o.word("key"))
	case "fib":
		w.fib(&o)
	case "numgen":
		w.write("numgen ", o.word("mode"))
		w.modulus(&o)
	case "symhash":
		w.write("symhash")
		w.modulus(&o)
	case "jhash":
		w.write("jhash ")
		w.value(o.get("expr"))
		w.modulus(&o)
	case "prefix":
		w.value(o.get("addr"))
		w.write("/", o.word("len"))
	case "map":
		w.value(o.get("key"))
		w.write(" map ")
		w.value(o.get("data"))
	case "elem":
		w.element(&o)
	case "tcp option", "ip option":
		w.write(key, " ", o.word("name"))
		if o.get("field") != "" {
			w.write(" ", o.word("field"))
		}
	case "exthdr":
		if o.get("field") == "" {
			w.write("exthdr ", o.word("name"))
			return
		}
		w.write(o.word("name"), " ", o.word("field"))
	default:
		w.write("?", strings.ReplaceAll(key, " ", "-"))
	}
}

func (w *jsonText) modulus(o *object) {
	w.write(" mod ", o.word("mod"))
	if seed, err := strconv.ParseUint(o.get("seed"), 10, 32); err == nil {
		w.write(" seed 0x", strconv.FormatUint(seed, 16))
	}
	if offset := o.get("offset"); offset != "" && offset != "0" {
		w.write(" offset ", o.word("offset"))
	}
}

func (w *jsonText) fib(o *object) {
	w.write("fib ")
	w.joined(o.get("flags"), " . ")
	w.write(" ", o.word("result"))
}

// operation writes operands with an operation between them. Numbers that raw
// bytes are masked with are hexadecimal, and what is then shifted stands in
// parentheses.
func (w *jsonText) operation(op, text string) {
	r := jsonReader{text: text}
	from, n := len(w.out), 0
	hex := w.hex
	r.values(func() {
		value := r.skip()
		if n > 0 {
			left := string(w.out[from:])
			raw := strings.HasPrefix(left, "@") || strings.HasPrefix(left, "(@")
			if raw && (op == "<<" || op == ">>") && !strings.HasPrefix(left, "(") && strings.Contains(left, " ") {
				w.out = append(append(w.out[:from], '('), left+")"...)
			}
			w.write(" ", op, " ")
			w.hex = raw && op != "<<" && op != ">>"
			if strings.HasPrefix(value, "[") {
				w.write("(")
				w.joined(value, " | ")
				w.write(")")
				n++
				return
			}
		}
		n++
		w.value(value)
		w.hex = hex
	})
	w.hex = hex
}

// set writes a set's elements in braces.
func (w *jsonText) set(text string) {
	w.write("{ ")
	w.elements(text)
	w.write(" }")
}

// elements writes an array of elements: a value each, or a key with its data.
func (w *jsonText) elements(text string) {
	r := jsonReader{text: text}
	if r.next() != '[' {
		w.read(&r) // one element alone
		return
	}
	w.readElements(&r)
}

func (w *jsonText) readElements(r *jsonReader) {
	first := true
	r.values(func() {
		if !first {
			w.write(", ")
		}
		first = false
		if r.next() == '[' {
			w.join(r, " : ")
		} else {
			w.read(r)
		}
	})
}

// element writes an element with what it carries.
func (w *jsonText) element(o *object) {
	w.value(o.get("val"))
	if counter := o.get("counter"); counter != "" {
		w.write(" counter")
		w.counts(counter)
	}
	for _, key := range [...]string{"limit", "quota", "ct count"} {
		if text := o.get(key); text != "" {
			w.write(" ")
			w.statement(key, text)
		}
	}
	if timeout := o.get("timeout"); timeout != "" {
		w.write(" timeout ", o.word("timeout"))
	}
	if expires := o.get("expires"); expires != "" {
		w.write(" expires ", o.word("expires"))
	}
	if o.get("comment") != "" {
		w.write(" comment ")
		w.quoted(o.str("comment"))
	}
}

func (w *jsonText) counts(text string) {
	if strings.HasPrefix(text, "{") {
		o := readObject(text)
		if o.get("packets") != "" {
			w.write(" packets ", o.word("packets"), " bytes ", o.word("bytes"))
		}
	}
}
