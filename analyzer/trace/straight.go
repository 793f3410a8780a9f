package trace

import "github.com/svcpath/svcpath/analyzer/netfilter"

// straight is what becomes of a packet in a chain through which it goes as one:
// each rule matches it surely or surely does not, and does one thing with it.
// Most visits are such, and need neither a frame nor to be remembered. ok is
// false for others; then ahead tells how far it came.
func (w *walk) straight(chain *netfilter.Chain, number int32) (e exit, ok bool) {
	if w.all || w.isAhead(chain, number) {
		return e, false
	}
	w.numAhead, w.straightJumps = 0, 0
	picked := w.picked
	w.picked.set = nil
	e, ok = w.goStraight(chain, number)
	w.picked = picked
	return e, ok
}

// The limits of going straight: how deep jumps lie in one another, and how many
// there are. What is not remembered must not be done too often.
const (
	maxStraightDepth = 4
	maxStraightJumps = 16
)

// rulesAhead is where a visit begins: the rules before it were passed straight.
type rulesAhead struct {
	chain  *netfilter.Chain
	packet int32    // that entered the chain
	at     particle // what it has become
	rules  candidates
	rule   int
	holds  ternary
}

// isAhead reports whether it is known how far a packet comes straight in a
// chain.
func (w *walk) isAhead(chain *netfilter.Chain, number int32) bool {
	return w.findAhead(chain, number) != nil
}

func (w *walk) findAhead(chain *netfilter.Chain, number int32) *rulesAhead {
	for i := range w.ahead[:w.numAhead] {
		if a := &w.ahead[i]; a.chain == chain && a.packet == number {
			return a
		}
	}
	return nil
}

// goStraight is straight for one chain of several that lie in one another.
func (w *walk) goStraight(chain *netfilter.Chain, number int32) (e exit, ok bool) {
	if w.numAhead == maxStraightDepth || w.isWalked(chain) {
		return e, false
	}
	for i := range w.ahead[:w.numAhead] {
		if w.ahead[i].chain == chain {
			return e, false
		}
	}
	w.warm(chain)
	a := &w.ahead[w.numAhead]
	w.numAhead++
	*a = rulesAhead{chain: chain, packet: number, at: particle{packet: number, mass: wholeMass}, rules: candidates{in: w.tracer.indexes.of(chain)}}
	for ; ; a.rule++ {
		if a.rule, a.holds = w.next(chain, a.rule, &a.rules, a.at.packet); a.holds == no {
			e = exit{particle: a.at, way: returns}
			break
		}
		if a.holds != yes {
			return e, false
		}
		if e, ok = w.actStraight(chain.Rule(a.rule), a.at); !ok {
			return e, false
		}
		if e.way != goesOn && e.way != breaks {
			break
		}
		a.at = e.particle
	}
	w.numAhead--
	return e, true
}

// actStraight has a rule's statements done to a packet that stays one.
func (w *walk) actStraight(rule *netfilter.Rule, p particle) (e exit, ok bool) {
	statements := rule.Statements()
	if jump, ok := rule.Jump(); ok && len(statements) == 1 {
		return w.jumpStraight(rule, jump, p)
	}
	e.particle = p
	for _, statement := range statements {
		switch s := statement.(type) {
		case *netfilter.Jump:
			if e, ok = w.jumpStraight(rule, s, e.particle); !ok {
				return e, false
			}
		case *netfilter.VerdictMap:
			return e, false
		default:
			w.doing = statement
			w.straightExits = w.apply(rule, statement, e.particle, w.straightExits[:0])
			if len(w.straightExits) != 1 {
				return e, false
			}
			e = w.straightExits[0]
		}
		if e.way != goesOn {
			break
		}
	}
	return e, true
}

func (w *walk) jumpStraight(rule *netfilter.Rule, jump *netfilter.Jump, p particle) (e exit, ok bool) {
	if jump.Chain == nil || w.straightJumps == maxStraightJumps {
		return e, false
	}
	w.straightJumps++
	inner, ok := w.goStraight(jump.Chain, p.packet)
	if !ok {
		return e, false
	}
	var by *event
	return w.comeBack(rule, jump, &by, p, inner), true
}
