// Package iptablessave reads what iptables-save and "iptables -S" print, of both
// families and both back ends, whole or as the fragments that people paste. It
// goes on behind whatever it does not understand and says so.
package iptablessave

import (
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Dump is one run of iptables-save or "iptables -S", or a fragment of the
// text of one: tables of one family and back end that follow one another.
type Dump struct {
	Pos    source.Position // its first line
	Family netfilter.Family
	// FamilyInferred says that no header names the family: it was told from
	// the rules' addresses, or is IPv4 because nothing told it.
	FamilyInferred bool
	Backend        netfilter.Backend
	// Tables are in the order of the text. None stands twice.
	Tables []*netfilter.Table
	// Diagnostics are in the order of the text.
	Diagnostics []source.Diagnostic
	// Skipped counts the lines that were not understood.
	Skipped int

	text textForm
}

// Begins reports whether a line begins iptables-save text, or can only be a
// part of it: its header, "*nat", ":CHAIN POLICY [0:0]", "-A CHAIN …", "[1:2]
// -A CHAIN …", "-P CHAIN POLICY", "-N CHAIN".
func Begins(line string) bool {
	line = trimBlanks(line)
	if _, ok := tableLine(line); ok {
		return true
	}
	if _, ok := parseHeader(line); ok {
		return true
	}
	if isLegacyWarning(line) {
		return true
	}
	if len(line) > maxLine {
		return false
	}
	if _, ok := chainLine(line); ok {
		return true
	}
	if _, ok := listedChain(line); ok {
		return true
	}
	_, ok := ruleLine(line)
	return ok
}

// maxLine is the length in bytes above which a line is not read: iptables
// itself takes no more than 10,240 (iptables/iptables-restore.c).
const maxLine = 64 << 10
