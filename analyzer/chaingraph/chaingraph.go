// Package chaingraph tells how the chains of a table hang together: which
// rules lead where, what can be reached from which hook, and what leads
// nowhere.
package chaingraph

import "github.com/svcpath/svcpath/analyzer/netfilter"

// A Graph is the chains of one table and the jumps between them.
type Graph struct {
	Table *netfilter.Table
}
