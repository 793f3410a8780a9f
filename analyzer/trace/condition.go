package trace

// A condition is a statement about what the capture does not tell: a boolean
// function of the questions that were left open, as a binary decision diagram.
// Equal functions are equal numbers, so a question that turns out not to
// matter is gone from a condition by itself, and one that is asked twice is
// answered alike.
//
// The youngest question stands at the top: a walk adds questions at its end,
// and so each costs one node.
type condition int32

// The constant conditions.
const (
	never condition = iota
	always

	notKnown condition = -1
)

// choice is a node: if question then yes else no.
type choice struct {
	question int32
	yes, no  condition
}

// An operation is and if a is the smaller one, else or.
type operation struct {
	a, b condition
}

func (n choice) hash() uint32 {
	return uint32(mixed(uint64(n.question), uint64(n.yes)<<32|uint64(n.no)))
}

func (op operation) hash() uint32 { return uint32(mixed(uint64(op.a), uint64(op.b))) }

// diagrams holds all conditions of one trace.
type diagrams struct {
	nodes      numbering[choice]
	operations numbering[operation]
	// What the operations come to, by their numbers, and the opposites of
	// conditions; notKnown where nobody asked.
	results, opposite []condition
	cube              []answer

	noted notes
	stack []condition
}

// notes are what a walk over conditions notes of each, all of which the next
// walk forgets.
type notes struct {
	walk    uint32
	of      []uint32 // the walk that made the note
	comesTo []condition
}

// begin forgets all notes, and makes room for so many conditions: a walk takes
// none of those that it makes.
func (n *notes) begin(conditions int) {
	if n.walk++; n.walk == 0 { // once in four billion walks
		clear(n.of)
		n.walk = 1
	}
	if more := conditions - len(n.of); more > 0 {
		n.of = append(n.of, make([]uint32, more)...)
		n.comesTo = append(n.comesTo, make([]condition, more)...)
	}
}

// see reports whether the walk comes to the condition for the first time.
func (n *notes) see(c condition) (first bool) {
	first = n.of[c] != n.walk
	n.of[c] = n.walk
	return first
}

func (n *notes) known(c condition) (condition, bool) { return n.comesTo[c], n.of[c] == n.walk }

func (n *notes) note(c, comesTo condition) { n.of[c], n.comesTo[c] = n.walk, comesTo }

// maxConditionNodes bounds the memory for conditions.
const maxConditionNodes = 1 << 20

func newDiagrams() (d diagrams) {
	d.reset()
	return d
}

// reset forgets all conditions but the constant ones.
func (d *diagrams) reset() {
	d.nodes.reset()
	d.operations.reset()
	d.results, d.opposite = d.results[:0], d.opposite[:0]
	for i := range int32(2) {
		constant := choice{question: -1 - i}
		d.nodes.number(&constant, constant.hash())
		d.opposite = append(d.opposite, always-condition(i))
	}
}

// full reports that conditions took more room than is allowed. What is
// computed afterwards means nothing.
func (d *diagrams) full() bool { return len(d.nodes.things) > maxConditionNodes }

// literal is the condition that the question is answered with yes.
func (d *diagrams) literal(question int32) condition { return d.node(question, always, never) }

func (d *diagrams) node(question int32, yes, no condition) condition {
	if yes == no {
		return yes
	}
	if d.full() {
		return never
	}
	n := choice{question, yes, no}
	c, isNew := d.nodes.number(&n, n.hash())
	if isNew {
		d.opposite = append(d.opposite, notKnown)
	}
	return condition(c)
}

func (d *diagrams) and(a, b condition) condition {
	switch {
	case a == b || b == always:
		return a
	case a == always:
		return b
	case a == never || b == never:
		return never
	}
	return d.combine(operation{min(a, b), max(a, b)}, (*diagrams).and)
}

func (d *diagrams) or(a, b condition) condition {
	switch {
	case a == b || b == never:
		return a
	case a == never:
		return b
	case a == always || b == always:
		return always
	}
	return d.combine(operation{max(a, b), min(a, b)}, (*diagrams).or) // the other way round than and
}

// exclude reports whether two conditions cannot hold together. Mostly both are
// the answers to some questions, and differ in one: then nothing is computed.
func (d *diagrams) exclude(a, b condition) bool {
	for a > always && b > always {
		_, x, y := d.apart(a, b)
		noYes, noNo := x.yes == never || y.yes == never, x.no == never || y.no == never
		switch {
		case noYes && noNo:
			return true
		case noYes:
			a, b = x.no, y.no
		case noNo:
			a, b = x.yes, y.yes
		default:
			return d.and(a, b) == never
		}
	}
	return a == never || b == never
}

// combine is what an operation makes of two conditions: it is done to what they
// are for each answer to their youngest question, once.
func (d *diagrams) combine(op operation, do func(d *diagrams, a, b condition) condition) condition {
	number, isNew := d.operations.number(&op, op.hash())
	if !isNew {
		return d.results[number]
	}
	d.results = append(d.results, never)
	question, x, y := d.apart(op.a, op.b)
	c := d.node(question, do(d, x.yes, y.yes), do(d, x.no, y.no))
	d.results[number] = c
	return c
}

// apart are two conditions by the answers to the youngest question of both.
func (d *diagrams) apart(a, b condition) (question int32, x, y choice) {
	x, y = d.nodes.things[a], d.nodes.things[b]
	question = max(x.question, y.question)
	if x.question != question {
		x.yes, x.no = a, a
	}
	if y.question != question {
		y.yes, y.no = b, b
	}
	return question, x, y
}

func (d *diagrams) not(a condition) condition {
	if c := d.opposite[a]; c != notKnown {
		return c
	}
	n := d.nodes.things[a]
	c := d.node(n.question, d.not(n.yes), d.not(n.no))
	d.opposite[a] = c
	if c > always {
		d.opposite[c] = a
	}
	return c
}

// An answer is a question with yes or no to it.
type answer struct {
	question int32
	yes      bool
}

// cubes runs over sets of answers that make the condition true: no two of them
// can hold at once, and together they are all there is. They are in the order
// of the questions, the oldest first. yield says whether to go on.
func (d *diagrams) cubes(c condition, yield func([]answer) bool) bool {
	if c == never {
		return true
	}
	if d.cube = d.cube[:0]; d.single(c) {
		return yield(d.cube)
	}
	if d.size(c, maxReordered) < maxReordered {
		return d.oldestFirst(c, yield)
	}
	return d.youngestFirst(c, nil, yield)
}

// single appends the condition's only cube to d.cube, if it has one only.
func (d *diagrams) single(c condition) bool {
	before := len(d.cube)
	for c != always {
		n := d.nodes.things[c]
		switch {
		case n.yes == never:
			d.cube, c = append(d.cube, answer{n.question, false}), n.no
		case n.no == never:
			d.cube, c = append(d.cube, answer{n.question, true}), n.yes
		default:
			d.cube = d.cube[:before]
			return false
		}
	}
	reverse(d.cube[before:])
	return true
}

func reverse[T any](s []T) {
	for i, j := 0, len(s)-1; i < j; i, j = i+1, j-1 {
		s[i], s[j] = s[j], s[i]
	}
}

// maxReordered is the size of conditions that are worth telling in the order in
// which a packet meets the questions.
const maxReordered = 256

// size counts the condition's nodes, up to a limit.
func (d *diagrams) size(c condition, limit int) (n int) {
	d.each(c, func(choice) bool {
		n++
		return n < limit
	})
	return n
}

// each runs over the condition's nodes.
func (d *diagrams) each(c condition, yield func(choice) bool) {
	d.noted.begin(len(d.nodes.things))
	d.stack = append(d.stack[:0], c)
	for len(d.stack) > 0 {
		last := len(d.stack) - 1
		c, d.stack = d.stack[last], d.stack[:last]
		if c > always && d.noted.see(c) {
			n := d.nodes.things[c]
			if !yield(n) {
				return
			}
			d.stack = append(d.stack, n.yes, n.no)
		}
	}
}

// oldestFirst is cubes of a condition, each behind the answers in d.cube.
func (d *diagrams) oldestFirst(c condition, yield func([]answer) bool) bool {
	before := len(d.cube)
	defer func() { d.cube = d.cube[:before] }()
	switch {
	case c == never:
		return true
	case d.single(c):
		return yield(d.cube)
	}
	q := d.oldest(c)
	for _, yes := range []bool{true, false} {
		d.cube = append(d.cube[:before], answer{q, yes})
		if !d.oldestFirst(d.given(c, answer{q, yes}), yield) {
			return false
		}
	}
	return true
}

// oldest is the oldest question that the condition depends on.
func (d *diagrams) oldest(c condition) int32 {
	oldest := d.nodes.things[c].question
	d.each(c, func(n choice) bool {
		oldest = min(oldest, n.question)
		return true
	})
	return oldest
}

// given is the condition once a question is answered.
func (d *diagrams) given(c condition, a answer) condition {
	d.noted.begin(len(d.nodes.things))
	return d.settled(c, a)
}

func (d *diagrams) settled(c condition, a answer) condition {
	n := d.nodes.things[c]
	switch {
	case n.question < a.question:
		return c // also the constants: no older question stands above
	case n.question == a.question && a.yes:
		return n.yes
	case n.question == a.question:
		return n.no
	}
	if known, ok := d.noted.known(c); ok {
		return known
	}
	comesTo := d.node(n.question, d.settled(n.yes, a), d.settled(n.no, a))
	d.noted.note(c, comesTo)
	return comesTo
}

// agrees reports whether the condition can hold under the answers, which are
// in the order of their questions.
func (d *diagrams) agrees(c condition, answers []answer) bool {
	d.noted.begin(len(d.nodes.things))
	return d.canHold(c, answers)
}

func (d *diagrams) canHold(c condition, answers []answer) bool {
	for c > always {
		n := d.nodes.things[c]
		for len(answers) > 0 && answers[len(answers)-1].question > n.question {
			answers = answers[:len(answers)-1]
		}
		given, yes := false, false
		if len(answers) > 0 {
			last := answers[len(answers)-1]
			given, yes = last.question == n.question, last.yes
		}
		switch { // nearly always there is but one way on
		case given && yes || !given && n.no == never:
			c = n.yes
		case given || n.yes == never:
			c = n.no
		default:
			if known, ok := d.noted.known(c); ok {
				return known == always
			}
			can := never
			if d.canHold(n.yes, answers) || d.canHold(n.no, answers) {
				can = always
			}
			d.noted.note(c, can)
			return can == always
		}
	}
	return c == always
}

func (d *diagrams) youngestFirst(c condition, cube []answer, yield func([]answer) bool) bool {
	switch c {
	case never:
		return true
	case always:
		inOrder := append([]answer(nil), cube...)
		reverse(inOrder)
		return yield(inOrder)
	}
	n := d.nodes.things[c]
	return d.youngestFirst(n.yes, append(cube, answer{n.question, true}), yield) &&
		d.youngestFirst(n.no, append(cube, answer{n.question, false}), yield)
}
