// Package audit is the frame for review checks: what a finding is. The checks
// themselves are opinions and live in the rules directory.
package audit

import (
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Severity says how bad a finding is.
type Severity string

// The severities, mildest first.
const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities are all severities, mildest first.
var Severities = []Severity{Info, Low, Medium, High, Critical}

// A Finding is what a check found: one plain sentence with the values in it,
// and the lines of the dump that prove it.
type Finding struct {
	ID, Name  string
	Severity  Severity
	Certainty string // "certain", "assumed" or "undetermined"
	Service   string // "default/web:http"; "" when it concerns no service
	Message   string
	// Assumptions are what an assumed finding rests on, Missing what would
	// settle an undetermined one.
	Assumptions, Missing []string
	Evidence             []*netfilter.Rule
	// Lines are evidence that is no rule: elements of sets, virtual servers,
	// objects of the cluster.
	Lines       []Line
	Remediation string
	References  []string
}

// A Line is a line of the input, with its text.
type Line struct {
	Pos  source.Position
	Text string
}
