package iptablessave

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An option is one option of a match or target, as a rule has it.
type option struct {
	name string // "--dport"
	not  bool
	args []string
	// family is the family of the rules, for the addresses among args.
	family *family
}

func (o option) value() string { return o.args[0] }

// A spec is one option that an extension takes.
type spec struct {
	name string
	args int
	not  bool // may be negated
	many bool // may be given more than once
	set  func(m any, o option) error
}

// An extension is a match module or a target: its options, and how a value of
// the model is made of them.
type extension struct {
	specs []spec
	// fresh makes the value that the options fill in; nil for an extension
	// that is known but not modelled.
	fresh func() any
	// needs are options of which one must be there; none when empty.
	needs []string
	// excludes are groups of options of which one may be there.
	excludes [][]string
	// check looks at the whole value; may be nil.
	check func(m any, f *family) error
	// made is the model's value in what fresh made; nil when it is that itself.
	made func(m any) any
}

func (e *extension) spec(name string) (s *spec, index int) {
	for i := range e.specs {
		if e.specs[i].name == name {
			return &e.specs[i], i
		}
	}
	return nil, 0
}

// build makes the value. An error tells which option cannot be read, and why.
func (e *extension) build(options []option, f *family) (any, error) {
	m := e.fresh()
	var seen uint64
	needed := len(e.needs) == 0
	for _, o := range options {
		s, i := e.spec(o.name)
		switch {
		case s == nil:
			return nil, fmt.Errorf("%s: not an option of this extension", o.name)
		case seen&(1<<i) != 0 && !s.many:
			return nil, fmt.Errorf("%s: given twice", o.name)
		case o.not && !s.not:
			return nil, fmt.Errorf("%s: cannot be negated", o.name)
		}
		seen |= 1 << i
		if err := s.set(m, o); err != nil {
			return nil, fmt.Errorf("%s: %w", o.name, err)
		}
		for _, n := range e.needs {
			needed = needed || n == o.name
		}
	}
	if !needed {
		return nil, fmt.Errorf("expected %s", strings.Join(e.needs, " or "))
	}
	if err := e.excluded(options); err != nil {
		return nil, err
	}
	if e.check != nil {
		if err := e.check(m, f); err != nil {
			return nil, err
		}
	}
	if e.made != nil {
		m = e.made(m)
	}
	return m, nil
}

// excluded reports two options that cannot stand together.
func (e *extension) excluded(options []option) error {
	for _, group := range e.excludes {
		first := ""
		for _, o := range options {
			switch {
			case !slices.Contains(group, o.name):
			case first == "":
				first = o.name
			default:
				return fmt.Errorf("%s and %s exclude each other", first, o.name)
			}
		}
	}
	return nil
}

// An arg is a spec whose setter knows the type that it fills in.
type arg[M any] struct {
	name      string
	args      int
	not, many bool
	set       func(m M, o option) error
}

// one is an option with one value, toggle one without.
func one[M any](name string, set func(m M, o option) error) arg[M] {
	return arg[M]{name: name, args: 1, set: set}
}

func toggle[M any](name string, set func(m M, o option)) arg[M] {
	return arg[M]{name: name, set: func(m M, o option) error { set(m, o); return nil }}
}

// negatable is the option with "!" allowed before it.
func (a arg[M]) negatable() arg[M] { a.not = true; return a }

// repeatable is the option allowed more than once.
func (a arg[M]) repeatable() arg[M] { a.many = true; return a }

// extend makes an extension of a type of the model.
func extend[M any](fresh func() M, args ...arg[M]) *extension {
	e := &extension{fresh: func() any { return fresh() }}
	for _, a := range args {
		e.specs = append(e.specs, spec{name: a.name, args: a.args, not: a.not, many: a.many,
			set: func(m any, o option) error { return a.set(m.(M), o) }})
	}
	return e
}

// needing is the extension with options of which one must be there.
func (e *extension) needing(names ...string) *extension {
	e.needs = names
	return e
}

// excluding is the extension with options that cannot stand together.
func (e *extension) excluding(names ...string) *extension {
	e.excludes = append(e.excludes, names)
	return e
}

// alone is the extension whose needed options cannot stand together.
func (e *extension) alone() *extension { return e.excluding(e.needs...) }

// into is the extension with the model's value taken out of what was filled in.
func (e *extension) into(made func(m any) any) *extension {
	e.made = made
	return e
}

// checking is the extension with a check of the whole value.
func checking[M any](e *extension, check func(m M, f *family) error) *extension {
	e.check = func(m any, f *family) error { return check(m.(M), f) }
	return e
}

// unmodelled makes an extension that is known and stays opaque: its options
// without a value, and those with one.
func unmodelled(flags, values []string) *extension {
	e := &extension{}
	for _, name := range flags {
		e.specs = append(e.specs, spec{name: name, not: true, many: true})
	}
	for _, name := range values {
		e.specs = append(e.specs, spec{name: name, args: 1, not: true, many: true})
	}
	return e
}

// A family is what is known of the rules' address family.
type family struct {
	is    netfilter.Family // AnyFamily until something tells
	given bool             // a header names it
}

// see takes an address as evidence of the family.
func (f *family) see(a netip.Addr) error {
	if a.Is4() {
		return f.seeFamily(netfilter.IPv4)
	}
	return f.seeFamily(netfilter.IPv6)
}

func (f *family) seeFamily(seen netfilter.Family) error {
	if f.is == netfilter.AnyFamily {
		f.is = seen
	}
	if f.is != seen {
		return fmt.Errorf("this is %s, expected %s like the rest of the dump", seen, f.is)
	}
	return nil
}
