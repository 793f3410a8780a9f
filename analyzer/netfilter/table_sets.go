package netfilter

import "github.com/svcpath/svcpath/analyzer/source"

// AddSet declares a set or map. A name that is declared already gives the set
// there is, with added false. A rule that named it before finds it then.
func (t *Table) AddSet(name string, pos source.Position) (set *Set, added bool) {
	s := t.SetRef(name)
	if s.Declared {
		return s, false
	}
	s.Pos, s.Declared = pos, true
	t.sets = append(t.sets, s)
	return s, true
}

// SetRef is the set "@name" that a rule names, whether it is declared or not.
func (t *Table) SetRef(name string) *Set {
	s := t.setNames[name]
	if s == nil {
		if t.setNames == nil {
			t.setNames = map[string]*Set{}
		}
		s = &Set{Table: t, Name: name}
		t.setNames[name] = s
	}
	return s
}

// Set finds a declared set, nil if there is none of that name.
func (t *Table) Set(name string) *Set {
	if s := t.setNames[name]; s != nil && s.Declared {
		return s
	}
	return nil
}

// Sets are the declared sets and maps in the text's order. The caller must not
// change the slice.
func (t *Table) Sets() []*Set { return t.sets }

// AnonymousSet is a set that is written out in a rule of the table.
func (t *Table) AnonymousSet(pos source.Position) *Set {
	return &Set{Table: t, Pos: pos, Declared: true, Flags: ConstantSet}
}

// An Object is a stateful object of a table: a counter, quota, limit, conntrack
// helper, timeout or expectation, a secmark or synproxy.
type Object struct {
	Kind string // "counter", "ct helper", …
	Name string
	Pos  source.Position
	Text []string // its properties, as text: "packets 5 bytes 10"
}

// A Flowtable takes established connections past the rules.
type Flowtable struct {
	Name     string
	Pos      source.Position
	Hook     Hook
	Priority int
	Devices  []string
	Flags    string // "offload"
	Counter  bool
}
