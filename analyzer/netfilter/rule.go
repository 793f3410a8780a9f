package netfilter

import (
	"iter"
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Rule is one rule of a chain, as the dump shows it: its matches, which must
// all hold, and then its statements, in order. A rule of iptables has at most
// one statement, its target; without one it only counts. A rule of nftables can
// have matches behind statements: they are statements too, of type Provided.
//
// A table has up to a million of them, so a Rule is small, and has but one
// pointer: what it consists of lies in its table, under numbers.
type Rule struct {
	chain          *Chain
	offset, length uint32 // of the text in the table's file; length isOdd: number in Table.odd
	line           int32
	number         int32
	counters       uint32 // see Table.keepCounters
	matches        uint32
	statements     uint32
	numMatches     uint16
	numStatements  uint16
}

// Chain is the chain that the rule stands in.
func (r *Rule) Chain() *Chain { return r.chain }

// Number is the rule's place in its chain, from 1, as
// "iptables -L --line-numbers" counts.
func (r *Rule) Number() int { return int(r.number) }

// Pos is the line of the dump that holds the rule.
func (r *Rule) Pos() source.Position {
	file := r.chain.Table.file
	if r.length == isOdd {
		file = r.chain.Table.odd[r.offset].file
	}
	return source.Position{File: file, Line: int(r.line)}
}

// Text is the rule as captured, byte for byte: "-A KUBE-SERVICES …". A rule that
// was captured as JSON is as nft prints it.
func (r *Rule) Text() string {
	t := r.chain.Table
	if r.length == isOdd {
		if text := t.odd[r.offset].text; text != "" {
			return text
		}
		return r.nft(true)
	}
	// In 64 bits, for the sum of the two may need them.
	return t.file.Text[r.offset : uint64(r.offset)+uint64(r.length)]
}

// Counters are the rule's counters. ok is false when the dump has none, which
// is not the same as no traffic.
func (r *Rule) Counters() (c Counters, ok bool) {
	return r.chain.Table.counted(r.counters)
}

// Matches are the rule's conditions in the order in which the kernel tests
// them: addresses, interfaces and protocol first, then the extensions as they
// were loaded. The caller must not change the slice.
func (r *Rule) Matches() []Match {
	return r.chain.Table.matches.list(r.matches, int(r.numMatches))
}

// Statements are what the rule does with a packet that all matches hold for.
// The caller must not change the slice.
func (r *Rule) Statements() []Statement {
	return r.chain.Table.list(r.statements, int(r.numStatements))
}

// Target is the rule's last statement, nil if it has none: for a rule of
// iptables, what stands after -j or -g.
func (r *Rule) Target() Statement {
	all := r.Statements()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// Jump is the rule's target if it is a jump or goto to a chain.
func (r *Rule) Jump() (*Jump, bool) {
	if r.statements&isJump != 0 {
		return &r.chain.Table.named.at(r.statements &^ isJump).jump, true
	}
	j, ok := r.Target().(*Jump)
	return j, ok
}

// JumpIndex is the Index of the chain that Jump leads to, -1 if the table does
// not declare it. It looks at neither, where the numbers tell: the chains that
// a million rules jump to lie all over memory.
func (r *Rule) JumpIndex() (index int, ok bool) {
	if r.statements&isJump != 0 {
		t, number := r.chain.Table, r.statements&^isJump
		if index := t.named.place(number); !t.astray && index < len(t.chains) {
			return index, true
		}
		return t.named.at(number).Index(), true
	}
	j, ok := r.Jump()
	if !ok || j.Chain == nil {
		return notDeclared, ok
	}
	return j.Chain.Index(), true
}

// Comment is the text of the rule's first comment, "" without one. Comments
// are claims by whoever wrote the rule.
func (r *Rule) Comment() string {
	for _, m := range r.Matches() {
		if c, ok := m.(*Comment); ok {
			return c.Text
		}
	}
	return ""
}

// Jumps runs over the chains that the rule can send a packet to, by itself or
// through a verdict map. A chain can come more than once.
func (r *Rule) Jumps() iter.Seq[*Jump] {
	return func(yield func(*Jump) bool) {
		for _, s := range r.Statements() {
			switch s := s.(type) {
			case *Jump:
				if !yield(s) {
					return
				}
			case *VerdictMap:
				for j := range s.Map.Jumps() {
					if !yield(j) {
						return
					}
				}
			}
		}
	}
}

// Uncounted is the rule written anew without the numbers that it has counted:
// two captures of one rule have the same.
func (r *Rule) Uncounted() string {
	if r.chain.Table.Backend == Native {
		return r.nft(false)
	}
	return r.String()
}

// String is the rule written anew from its parts. A rule of nftables is as nft
// prints it, any other as iptables-save does: "-A CHAIN", the matches, the
// statements.
func (r *Rule) String() string {
	if r.chain.Table.Backend == Native {
		return r.nft(true)
	}
	var b strings.Builder
	b.WriteString("-A " + r.chain.Name)
	for _, m := range r.Matches() {
		b.WriteByte(' ')
		b.WriteString(m.String())
	}
	for _, s := range r.Statements() {
		b.WriteByte(' ')
		b.WriteString(s.String())
	}
	return b.String()
}
