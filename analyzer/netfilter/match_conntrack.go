package netfilter

import (
	"fmt"
	"strings"
)

// ConnStates is a set of states of a packet's connection, one bit each.
type ConnStates uint8

// The states in the order in which iptables prints them
// (extensions/libxt_conntrack.c, print_state). SNAT and DNAT are no states of
// their own: they are true of a connection whose source or destination was
// translated.
const (
	StateInvalid ConnStates = 1 << iota
	StateNew
	StateRelated
	StateEstablished
	StateUntracked
	StateSNAT
	StateDNAT
)

var connStateNames = [...]string{"INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"}

// ParseConnStates reads a list like "RELATED,ESTABLISHED".
func ParseConnStates(s string) (ConnStates, error) {
	var set ConnStates
names:
	for word := range strings.SplitSeq(s, ",") {
		for i, name := range connStateNames {
			if strings.EqualFold(word, name) {
				set |= 1 << i
				continue names
			}
		}
		return 0, fmt.Errorf("connection state %q: expected one of %s", word, strings.Join(connStateNames[:], ", "))
	}
	return set, nil
}

// String is "RELATED,ESTABLISHED".
func (s ConnStates) String() string {
	var names []string
	for i, name := range connStateNames {
		if s&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
