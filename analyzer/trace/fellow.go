package trace

import (
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A fellow is a packet that went through a base chain as one, and unchanged.
// Behind the translation of destinations, packets to all endpoints of a service
// come to the same chains, the rules of which seldom know anything of endpoints:
// then what became of the first of them becomes of all, in the same way.
type fellow struct {
	kind    kind
	answers uint32 // see answersTo
	exit    exit
}

// maxFellows is how many different packets are compared with others.
const maxFellows = 8

// gatherFellows begins a base chain for so many packets. It gives back what the
// chain's rules ask of destinations, nil if each packet goes by itself.
func (w *walk) gatherFellows(chain *netfilter.Chain, packets int) *restRules {
	if w.fellows = w.fellows[:0]; w.all || packets < w.tracer.fellows.from {
		return nil
	}
	if rules := w.tracer.fellows.of(chain); !rules.untold {
		return rules
	}
	return nil
}

// runAsFellow is run for one packet of several, who are followed once if they
// are alike in all that the rules ask.
func (w *walk) runAsFellow(chain *netfilter.Chain, rules *restRules, number int32) []exit {
	if rules == nil {
		return w.run(chain, number)
	}
	p := w.packet(number)
	if rules.name(p) || p.balanced != 0 {
		return w.run(chain, number)
	}
	answers, ok := w.answersTo(rules, p)
	if !ok {
		return w.run(chain, number)
	}
	alike := p.kind // a copy, for packets may move
	for i := range w.fellows {
		if f := &w.fellows[i]; f.answers == answers && f.kind == alike {
			w.oneExit[0] = f.exit
			w.oneExit[0].packet = number
			return w.oneExit[:]
		}
	}
	questions, remarks := len(w.questions), len(w.remarks)
	exits := w.run(chain, number)
	if len(exits) == 1 && exits[0].packet == number && len(w.fellows) < maxFellows &&
		len(w.questions) == questions && len(w.remarks) == remarks {
		w.fellows = append(w.fellows, fellow{alike, answers, exits[0]})
	}
	return exits
}

// fellowRules is what the rules ask of destinations that packets may come to from
// each base chain. They are looked through when several packets first come there.
type fellowRules struct {
	made sync.Map // of *restRules by *netfilter.Chain
	from int      // fewer packets go by themselves
}

// fewestFellows is how many packets make it worth while to compare them.
const fewestFellows = 3

func (f *fellowRules) of(chain *netfilter.Chain) *restRules {
	known, ok := f.made.Load(chain)
	if !ok {
		known, _ = f.made.LoadOrStore(chain, new(restRules))
	}
	rules := known.(*restRules)
	rules.once.Do(func() { rules.untold = !rules.gather([]*netfilter.Chain{chain}) })
	return rules
}
