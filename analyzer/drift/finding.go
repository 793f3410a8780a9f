package drift

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
)

// A kind is a kind of difference, with what is the same in all its findings.
type kind struct {
	id, name string
	severity audit.Severity
}

// The kinds; docs/drift.md tells each in full.
var (
	portMissing     = kind{"KP2002", "service-port-missing", audit.High}
	entryMissing    = kind{"KP2003", "entry-missing", audit.High}
	portStale       = kind{"KP2004", "service-port-stale", audit.Medium}
	entryStale      = kind{"KP2005", "entry-stale", audit.Medium}
	endpointMissing = kind{"KP2006", "endpoint-missing", audit.Medium}
	endpointStale   = kind{"KP2007", "endpoint-stale", audit.High}
	refusedAnyway   = kind{"KP2008", "refused-despite-endpoints", audit.High}
	policyDiffers   = kind{"KP2009", "traffic-policy-differs", audit.Medium}
	affinityDiffers = kind{"KP2010", "session-affinity-differs", audit.Low}
	rangesDiffer    = kind{"KP2011", "source-ranges-differ", audit.High}
	healthDiffers   = kind{"KP2012", "health-check-port-differs", audit.Medium}
	readyDrained    = kind{"KP2013", "ready-endpoint-drained", audit.Medium}
)

// The words for how certain a finding is.
const (
	certain      = "certain"
	assumed      = "assumed"
	undetermined = "undetermined"
)

const resync = "kube-proxy mends this at its next sync; where it stays, look at kube-proxy's log on the node for why it cannot, " +
	"and at whether it still gets changes from the API server. Restarting kube-proxy on the node makes it write all rules anew."

// mostAlike is how many findings of one kind are given one by one.
const mostAlike = 100

// A collector keeps findings. Of more than mostAlike of a kind the last one
// kept says how many there are, and the others are never made.
type collector struct {
	list  []audit.Finding
	alike map[string]int
	last  map[string]int
}

func (c *collector) add(k kind, make func() audit.Finding) {
	if c.alike[k.id]++; c.alike[k.id] > mostAlike {
		return
	}
	f := make()
	f.ID, f.Name = k.id, k.name
	if f.Severity == "" {
		f.Severity = k.severity
	}
	c.last[k.id] = len(c.list)
	c.list = append(c.list, f)
}

// all are the findings in the order of service ports.
func (c *collector) all() []audit.Finding {
	for id, n := range c.alike {
		if n > mostAlike {
			c.list[c.last[id]].Message += fmt.Sprintf("; there are %d more like this", n-mostAlike)
		}
	}
	return c.list
}

// fewLines is how many lines of the node prove one entry.
const fewLines = 2

// entryLines are the lines that show an entry on the node: its virtual server,
// or the last rules of its path.
func entryLines(e *inventory.Entry) []audit.Line {
	if len(e.Virtual) > 0 {
		return []audit.Line{{Pos: e.Virtual[0].Pos(), Text: e.Virtual[0].Text()}}
	}
	lines := e.Lines()
	if n := len(lines); n > fewLines {
		lines = lines[n-fewLines:]
	}
	var all []audit.Line
	for _, l := range lines {
		all = append(all, audit.Line{Pos: l.Pos, Text: l.Text})
	}
	return all
}

// fewNamed is how many of a kind a sentence names.
const fewNamed = 4

func addresses(p pool) string {
	var names []string
	for i, a := range p {
		if i == fewNamed && len(p) > fewNamed+1 {
			names = append(names, fmt.Sprintf("%d more", len(p)-i))
			break
		}
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// lowerFirst makes a sentence go on after a semicolon; "kube-proxy" begins
// with a small letter anyway.
func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
