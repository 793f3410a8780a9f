package netfilter

// A waitingJump is the jump of a rule whose chain is not looked for yet. The
// chains of a dump lie all over memory: looking for some of them together takes
// little longer than looking for one.
type waitingJump struct {
	chain *Chain // nil when no rule has the jump
	rule  int    // its number in the chain, from 0
	name  string
}

// waits is the number of the list that is a jump which waits.
const waits = 1<<32 - 1

// KeepJump is KeepStatement for "-j name", for the rule that is added next. The
// table has no such rule that can be read until Settle is called.
func (t *Table) KeepJump(name string) StatementList {
	last := len(t.waiting) - 1
	switch {
	case t.asked.list != 0 && t.asked.name == name:
		return StatementList{number: t.asked.list, length: 1}
	case last >= 0 && t.waiting[last].name == name:
		t.asked.name, t.asked.list = name, t.jump(name)
		return StatementList{number: t.asked.list, length: 1}
	case last == together-1:
		t.Settle()
	}
	t.waiting = append(t.waiting, waitingJump{name: name})
	return StatementList{number: waits, length: 1}
}

// await notes that the jump that waits last is that of the rule to be added.
func (t *Table) await(c *Chain) {
	w := &t.waiting[len(t.waiting)-1]
	w.chain, w.rule = c, c.NumRules()
}

// Settle finds the chains of the jumps that wait.
func (t *Table) Settle() {
	t.settle()
	t.names.fetch(t.waiting)
	for _, w := range t.waiting {
		if list := t.jump(w.name); w.chain != nil {
			w.chain.Rule(w.rule).statements = list
		}
	}
	t.waiting = t.waiting[:0]
}
