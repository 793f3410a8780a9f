package netfilter

import (
	"fmt"
	"strconv"
	"strings"
)

// FormatElement writes an element of the set as nft prints it.
func (s *Set) FormatElement(e Element) string {
	var b strings.Builder
	if e.First == "" {
		b.WriteByte('*')
	} else {
		b.WriteString(FormatKeys(s.Key, e.First, e.Last))
	}
	if e.Counters != nil {
		b.WriteString(" " + e.Counters.nft())
	}
	if e.Rest != "" {
		b.WriteString(" " + e.Rest)
	}
	if e.Timeout != 0 {
		b.WriteString(" timeout " + FormatDuration(e.Timeout))
	}
	if e.Expires != 0 {
		b.WriteString(" expires " + FormatDuration(e.Expires))
	}
	if e.Comment != "" {
		b.WriteString(` comment "` + e.Comment + `"`)
	}
	switch v := e.Verdict.(type) {
	case nil:
		if s.Data != nil {
			b.WriteString(" : " + FormatKeys(s.Data, e.Data, e.DataLast))
		}
	case *UseObject:
		b.WriteString(` : "` + v.Name + `"`)
	default:
		b.WriteString(" : " + NFTStatement(s.Table.Family, v))
	}
	return b.String()
}

// NFT is the table as "nft list table" prints it, so that nft loads it: all but
// handles, and the order and arrangement of what does not depend on it.
func (t *Table) NFT() string {
	var b strings.Builder
	fmt.Fprintf(&b, "table %s %s {\n", t.Family.NFT(), t.Name)
	if t.Comment != "" {
		fmt.Fprintf(&b, "\tcomment \"%s\"\n", t.Comment)
	}
	if t.Dormant {
		b.WriteString("\tflags dormant\n")
	}
	first := true
	gap := func() {
		if !first {
			b.WriteByte('\n')
		}
		first = false
	}
	for i := range t.Objects {
		gap()
		o := &t.Objects[i]
		fmt.Fprintf(&b, "\t%s %s {\n", o.Kind, o.Name)
		for _, line := range o.Text {
			fmt.Fprintf(&b, "\t\t%s\n", line)
		}
		b.WriteString("\t}\n")
	}
	for _, s := range t.sets {
		gap()
		s.writeNFT(&b)
	}
	for i := range t.Flowtables {
		gap()
		t.Flowtables[i].writeNFT(&b)
	}
	for _, c := range t.chains {
		gap()
		c.writeNFT(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

func (f *Flowtable) writeNFT(b *strings.Builder) {
	fmt.Fprintf(b, "\tflowtable %s {\n\t\thook %s priority %d\n", f.Name, f.Hook, f.Priority)
	if len(f.Devices) > 0 {
		fmt.Fprintf(b, "\t\tdevices = { %s }\n", strings.Join(f.Devices, ", "))
	}
	if f.Flags != "" {
		fmt.Fprintf(b, "\t\tflags %s\n", f.Flags)
	}
	if f.Counter {
		b.WriteString("\t\tcounter\n")
	}
	b.WriteString("\t}\n")
}

func (c *Chain) writeNFT(b *strings.Builder) {
	fmt.Fprintf(b, "\tchain %s {\n", c.Name)
	if c.Comment() != "" {
		fmt.Fprintf(b, "\t\tcomment \"%s\"\n", c.Comment())
	}
	if base := c.Base; base != nil {
		fmt.Fprintf(b, "\t\ttype %s hook %s ", base.Type, base.Hook)
		switch len(base.Devices) {
		case 0:
		case 1:
			fmt.Fprintf(b, "device \"%s\" ", base.Devices[0])
		default:
			fmt.Fprintf(b, "devices = { %s } ", strings.Join(base.Devices, ", "))
		}
		fmt.Fprintf(b, "priority %d;", base.Priority)
		if base.Policy != NoVerdict {
			fmt.Fprintf(b, " policy %s;", strings.ToLower(base.Policy.Name()))
		}
		b.WriteByte('\n')
	}
	for r := range c.Rules() {
		b.WriteString("\t\t" + r.nft(true) + "\n")
	}
	b.WriteString("\t}\n")
}

func (s *Set) writeNFT(b *strings.Builder) {
	what := "set"
	if s.IsMap() {
		what = "map"
	}
	fmt.Fprintf(b, "\t%s %s {\n\t\t%s\n", what, s.Name, s.declaration())
	if s.Policy != "" {
		fmt.Fprintf(b, "\t\tpolicy %s\n", s.Policy)
	}
	if s.Size != 0 {
		fmt.Fprintf(b, "\t\tsize %d\n", s.Size)
	}
	if flags := s.Flags.String(); flags != "" {
		fmt.Fprintf(b, "\t\tflags %s\n", flags)
	}
	if s.Timeout != 0 {
		fmt.Fprintf(b, "\t\ttimeout %s\n", FormatDuration(s.Timeout))
	}
	if s.GCInterval != 0 {
		fmt.Fprintf(b, "\t\tgc-interval %s\n", FormatDuration(s.GCInterval))
	}
	for _, w := range s.With {
		fmt.Fprintf(b, "\t\t%s\n", w)
	}
	if s.AutoMerge {
		b.WriteString("\t\tauto-merge\n")
	}
	if s.Comment != "" {
		fmt.Fprintf(b, "\t\tcomment \"%s\"\n", s.Comment)
	}
	if s.count+len(s.Rest) > 0 {
		b.WriteString("\t\telements = { ")
		for i := range s.count {
			if i > 0 {
				b.WriteString(",\n\t\t\t     ")
			}
			b.WriteString(s.FormatElement(s.Element(i)))
		}
		for i, text := range s.Rest {
			if i > 0 || s.count > 0 {
				b.WriteString(",\n\t\t\t     ")
			}
			b.WriteString(text)
		}
		b.WriteString(" }\n")
	}
	b.WriteString("\t}\n")
}

// declaration is "type ipv4_addr : verdict" or "typeof ip saddr".
func (s *Set) declaration() string {
	word, key, data := "type ", s.KeyText, s.DataText
	if key == "" {
		key = typeNames(s.Key)
	} else {
		word = "typeof "
	}
	switch {
	case s.Verdicts:
		data = "verdict"
	case s.ObjectMap != "":
		data = s.ObjectMap
	case data == "" && s.Data != nil:
		data = typeNames(s.Data)
	}
	if data != "" {
		data = " : " + data
	}
	return word + key + data
}

func typeNames(types []DataType) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	return strings.Join(names, " . ")
}

// String is the flags as nft prints them: "interval,timeout".
func (f SetFlag) String() string {
	var names []string
	for i, name := range [...]string{"constant", "dynamic", "interval", "timeout"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// String is the type's name in nft(8).
func (t ChainType) String() string {
	switch t {
	case FilterType:
		return "filter"
	case NATType:
		return "nat"
	case RouteType:
		return "route"
	}
	return "ChainType(" + strconv.Itoa(int(t)) + ")"
}
