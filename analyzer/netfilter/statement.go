package netfilter

// A Statement is something a rule does: a verdict, a jump, an address
// translation, a change of mark. The set of implementations is closed, like
// that of Match, and for the same reason.
type Statement interface {
	isStatement()
	// String is the statement as iptables-save prints it: "-j DROP",
	// "-j DNAT --to-destination 10.0.0.1:80".
	String() string
}

// A Verdict ends the walk of a packet through a base chain, or through the
// chain that was jumped to.
type Verdict uint8

// The verdicts that are statements of their own.
const (
	NoVerdict Verdict = iota
	Accept            // no more chains of this base chain; later hooks still see the packet
	Drop
	Return // back to the chain that jumped here; in a base chain, its policy
	Queue
	Continue // nftables: the next rule
)

var verdictNames = [...]string{"", "ACCEPT", "DROP", "RETURN", "QUEUE", "CONTINUE"}

// Name is "ACCEPT", "DROP", …; "" for NoVerdict.
func (v Verdict) Name() string { return verdictNames[v] }

func (v Verdict) String() string { return "-j " + verdictNames[v] }

// A Jump sends the packet to another chain of the table. All rules that jump
// to one chain share one Jump.
type Jump struct {
	Name  string // as the rule has it
	Chain *Chain // nil when the dump does not declare the chain
	// Goto means that a packet that comes to the end of the chain does not
	// come back here, but to the chain that jumped here.
	Goto bool
	// list is the number of the table's list with this alone in it.
	list uint32
}

func (j *Jump) String() string {
	if j.Goto {
		return "-g " + j.Name
	}
	return "-j " + j.Name
}

// OpaqueTarget is a target that was read but is not modelled. Whether a packet
// goes on after it is unknown. A rule that breaks off before its target has
// one as well, with Name and Text "": it surely did something.
type OpaqueTarget struct {
	Name string
	Text string // "-j IDLETIMER --timeout 5 --label x"
}

func (t *OpaqueTarget) String() string { return t.Text }

func (Verdict) isStatement()       {}
func (*Jump) isStatement()         {}
func (*OpaqueTarget) isStatement() {}
