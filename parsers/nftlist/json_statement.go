package nftlist

import "strings"

// statement writes a statement, or a match.
func (w *jsonText) statement(key, text string) {
	if strings.HasPrefix(text, `"`) {
		w.reference(key, text)
		return
	}
	switch key {
	case "accept", "drop", "continue", "return", "jump", "goto":
		w.expression(key, text)
		return
	case "notrack":
		w.write(key)
		return
	}
	o := readObject(text)
	switch key {
	case "match":
		w.match(&o)
	case "vmap":
		w.value(o.get("key"))
		w.write(" vmap ")
		w.value(o.get("data"))
	case "mangle":
		w.value(o.get("key"))
		w.quoteFor(0)
		w.write(" set ")
		w.value(o.get("value"))
		w.quote = false
	case "counter", "quota", "limit":
		if m := o.get("map"); m != "" {
			w.write(key, " name ")
			w.expression("map", m)
			return
		}
		w.stateful(key, text, &o)
	case "ct count":
		w.stateful(key, text, &o)
	case "ct helper", "ct timeout", "ct expectation", "synproxy", "secmark":
		if m := o.get("map"); m != "" {
			w.write(key, " ", objectWord(key), " ")
			w.expression("map", m)
			return
		}
		w.write(key)
	case "log":
		w.log(&o)
	case "reject":
		w.write("reject")
		if kind := o.word("type"); kind != "" {
			w.write(" with ", kind)
			if o.get("expr") != "" {
				w.write(" ")
				w.value(o.get("expr"))
			}
		}
	case "dnat", "snat", "redirect", "masquerade":
		w.nat(key, &o)
	case "tproxy":
		w.write("tproxy ")
		if o.get("family") != "" {
			w.write(o.word("family"), " ")
		}
		w.write("to ")
		w.target(&o)
	case "dup":
		w.write("dup to ")
		w.value(o.get("addr"))
		if o.get("dev") != "" {
			w.write(" device ")
			w.value(o.get("dev"))
		}
	case "queue":
		w.write("queue")
		if flags := o.get("flags"); flags != "" {
			w.write(" flags ")
			w.value(flags)
		}
		if num := o.get("num"); num != "" {
			w.write(" to ")
			w.value(num)
		}
	case "set", "map":
		w.changeSet(&o)
	case "flow":
		w.write("flow ", o.word("op"), " ", o.word("flowtable"))
	case "xt":
		w.write("xt ", o.word("type"), " ", o.word("name"))
	case "last":
		w.write("last")
	default:
		w.write("?", strings.ReplaceAll(key, " ", "-"))
	}
}

// reference writes a statement that names an object.
func (w *jsonText) reference(key, text string) {
	w.write(key, " ", objectWord(key), " ")
	w.quoted(plainString(text))
}

func objectWord(key string) string {
	if strings.HasPrefix(key, "ct ") {
		return "set"
	}
	return "name"
}

// quoteFor has strings put in quotation marks where nft does so for what was
// written since from.
func (w *jsonText) quoteFor(from int) {
	switch left := string(w.out[from:]); left {
	case "ct helper", "meta time", "meta day", "meta hour", "meta iifgroup", "meta oifgroup":
		w.quote = true
	default:
		w.quote = strings.HasPrefix(left, "osf ")
	}
}

func (w *jsonText) match(o *object) {
	from := len(w.out)
	w.value(o.get("left"))
	w.quoteFor(from)
	left := string(w.out[from:])
	w.hex = strings.HasPrefix(left, "@") || strings.HasPrefix(left, "(@")
	right := o.get("right")
	set := strings.HasPrefix(right, "{") && strings.HasPrefix(strings.TrimLeft(right[1:], " \t\r\n"), `"set"`) || strings.HasPrefix(right, `"@`)
	switch op := o.word("op"); {
	case op == "in", op == "==" && set:
		w.write(" ")
	default:
		w.write(" ", op, " ")
	}
	w.value(right)
	w.quote, w.hex = false, false
}

func (w *jsonText) stateful(key, text string, o *object) {
	over := ""
	if o.get("inv") == "true" {
		over = "over "
	}
	switch key {
	case "counter":
		w.write("counter")
		w.counts(text)
	case "ct count":
		w.write("ct count ", over, o.word("val"))
	case "quota":
		w.write("quota ", over, o.word("val"), " ", o.word("val_unit"))
		if used := o.get("used"); used != "" && used != "0" {
			w.write(" used ", o.word("used"), " ", o.word("used_unit"))
		}
	case "limit":
		w.write("limit rate ", over, o.word("rate"))
		if unit := o.word("rate_unit"); unit != "" && unit != "packets" {
			w.write(" ", unit)
		}
		w.write("/", o.word("per"))
		if burst := o.get("burst"); burst != "" && burst != "0" {
			unit := o.word("burst_unit")
			if unit == "" {
				unit = "packets"
			}
			w.write(" burst ", o.word("burst"), " ", unit)
		}
	}
}

func (w *jsonText) log(o *object) {
	w.write("log")
	if o.get("prefix") != "" {
		w.write(" prefix ")
		w.quoted(o.str("prefix"))
	}
	for _, key := range [...]string{"level", "group", "snaplen", "queue-threshold"} {
		if o.get(key) != "" {
			w.write(" ", key, " ", o.str(key))
		}
	}
	if flags := o.get("flags"); flags != "" {
		for _, flag := range list(flags) {
			w.write(" flags ", cleanWord(flag))
		}
	}
}

// list is an array of strings, or the one string.
func list(text string) (all []string) {
	if !strings.HasPrefix(text, "[") {
		return []string{plainString(text)}
	}
	r := jsonReader{text: text}
	r.values(func() { all = append(all, plainString(r.skip())) })
	return all
}

func (w *jsonText) nat(key string, o *object) {
	w.write(key)
	if o.get("family") != "" {
		w.write(" ", o.word("family"))
	}
	if types := o.get("type_flags"); types != "" && strings.Contains(types, "prefix") {
		w.write(" prefix")
	}
	if o.get("addr") != "" || o.get("port") != "" {
		w.write(" to ")
		w.target(o)
	}
	if flags := o.get("flags"); flags != "" {
		between := " "
		for _, flag := range list(flags) {
			if flag != "netmap" {
				w.write(between, cleanWord(flag))
				between = ","
			}
		}
	}
}

// target writes an address and a port.
func (w *jsonText) target(o *object) {
	addr, port := o.get("addr"), o.get("port")
	if addr != "" {
		from := len(w.out)
		w.value(addr)
		written := string(w.out[from:])
		if port != "" && strings.Contains(written, ":") && !strings.Contains(written, " ") {
			w.out = append(w.out[:from], "["+strings.ReplaceAll(written, "-", "]-[")+"]"...)
		}
	}
	if port != "" {
		w.write(":")
		w.value(port)
	}
}

func (w *jsonText) changeSet(o *object) {
	w.write(o.word("op"), " ")
	name := o.word("set")
	if name == "" {
		name = o.word("map")
	}
	w.write(name, " { ")
	w.value(o.get("elem"))
	if with := o.get("stmt"); with != "" {
		r := jsonReader{text: with}
		r.values(func() {
			r.fields(func(key string) {
				w.write(" ")
				w.statement(key, r.skip())
			})
		})
	}
	if data := o.get("data"); data != "" {
		w.write(" : ")
		w.value(data)
	}
	w.write(" }")
}
