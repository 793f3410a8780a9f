package netfilter

// A Match is one condition of a rule. The set of implementations is closed:
// whoever evaluates matches can name them all, and an Opaque among them is
// never true or false, only unknown. A match carries its own negation and
// holds parsed values, never option text. Implementations are pointers, so
// that equal matches of many rules can be one.
type Match interface {
	isMatch()
	// String is the match as iptables-save prints it: "-s 10.0.0.0/8",
	// "-m tcp --dport 80".
	String() string
}

// Opaque is a condition that was read but is not modelled: its module is not
// known, or looks at what no capture tells (the payload, the clock, the CPU),
// or its options could not be read. It keeps its text, so that the rule prints
// back unchanged and an analysis can say what it did not understand.
type Opaque struct {
	Module string // "bpf"; "" for a test of no module ("-s some.host")
	Text   string // "-m bpf --bytecode …", negation included
}

// Comment is a remark; it is true for every packet.
type Comment struct {
	Text string // quotes and escapes taken off
}

func (*Opaque) isMatch()  {}
func (*Comment) isMatch() {}

func (m *Opaque) String() string  { return m.Text }
func (m *Comment) String() string { return "-m comment --comment " + Quote(m.Text) }
