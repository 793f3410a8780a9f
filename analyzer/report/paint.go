package report

import (
	prettytext "github.com/jedib0t/go-pretty/v6/text"

	"github.com/svcpath/svcpath/analyzer/inventory"
)

// The width of arrows and dashes would otherwise depend on the user's locale,
// and with it the bytes of a table.
func init() { prettytext.OverrideRuneWidthEastAsianWidth(false) }

// The codes of ECMA-48, "select graphic rendition", that terminals have in common.
const (
	boldOn   = "\x1b[1m"
	red      = "\x1b[31m"
	green    = "\x1b[32m"
	yellow   = "\x1b[33m"
	paintOff = "\x1b[0m"
)

func (o TextOptions) paint(color, s string) string {
	if !o.Color || color == "" {
		return s
	}
	return color + s + paintOff
}

func (o TextOptions) bold(s string) string { return o.paint(boldOn, s) }

// verdict is the verdict's name, coloured by how much attention it deserves.
func (o TextOptions) verdict(v inventory.Verdict) string {
	color := ""
	switch v {
	case inventory.IsClusterIP, inventory.JoinsClusterIP, inventory.SameBackends:
		color = green
	case inventory.LocalEndpoints, inventory.NoEndpoints, inventory.Filtered, inventory.Unknown:
		color = yellow
	case inventory.DifferentBackends, inventory.Broken:
		color = red
	}
	return o.paint(color, string(v))
}

// isFine reports whether the entry leads where its cluster IP leads, so that
// there is no more to say about it.
func isFine(e *inventory.Entry) bool {
	switch e.Verdict {
	case inventory.IsClusterIP, inventory.JoinsClusterIP, inventory.SameBackends:
		return true
	}
	return false
}

func isExternal(e *inventory.Entry) bool { return e.Kind != inventory.ClusterIP }
