package drift

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A gap is a difference in endpoints, with all places that have it.
type gap struct {
	missing, foreign, drained pool
	where                     []string
	lines                     []audit.Line
}

// gaps are those of a service port. Places that have the same endpoint too many
// are one gap, whatever each lacks besides.
type gaps struct {
	list  []*gap
	byKey map[string]*gap
}

func (g *gaps) add(missing, foreign, drained pool, where func() string, lines func() []audit.Line) {
	if len(missing)+len(foreign)+len(drained) == 0 {
		return
	}
	key := fmt.Sprint(foreign, drained)
	if len(foreign) == 0 {
		key = fmt.Sprint(missing, drained)
	}
	if g.byKey == nil {
		g.byKey = map[string]*gap{}
	}
	found := g.byKey[key]
	if found == nil {
		found = &gap{missing: missing, foreign: foreign, drained: drained, lines: lines()}
		g.byKey[key] = found
		g.list = append(g.list, found)
	}
	found.where = append(found.where, where())
	found.missing = sorted(append(found.missing, missing...))
}

func (c *checker) reportGap(p *servicePort, pools *pools, g *gap) {
	where := namesOf(g.where)
	if len(g.drained) > 0 {
		c.findings.add(readyDrained, func() audit.Finding {
			return audit.Finding{
				Service: p.name.String(), Certainty: certain,
				Message: fmt.Sprintf("%s of service port %s has weight 0 at %s and gets no new connections, but is ready in the objects",
					addresses(g.drained), p.name, where),
				Lines:       append(g.lines, c.endpointEvidence(p, pools, g.drained)...),
				Remediation: "If the endpoint has just come back, capture the node again. " + capitalResync,
			}
		})
	}
	switch {
	case len(g.foreign) > 0:
		c.findings.add(endpointStale, func() audit.Finding {
			message := fmt.Sprintf("service port %s sends connections to %s (%s), %s", p.name, addresses(g.foreign), where, whyForeign(p, pools, c.objects.nodeName, g.foreign))
			if len(g.missing) > 0 {
				message += "; it lacks " + addresses(g.missing)
			}
			return audit.Finding{
				Service: p.name.String(), Certainty: certain, Message: message,
				Lines:       append(g.lines, c.endpointEvidence(p, pools, append(slices.Clone(g.foreign), g.missing...))...),
				Remediation: "If the endpoints changed a moment ago, capture the node again. " + capitalResync,
			}
		})
	case len(g.missing) > 0:
		c.findings.add(endpointMissing, func() audit.Finding {
			f := audit.Finding{
				Service: p.name.String(), Certainty: certain,
				Message: fmt.Sprintf("service port %s has no rules on the node for %s (%s), which the objects have among its endpoints for this node",
					p.name, addresses(g.missing), where),
				Lines:       append(g.lines, c.endpointEvidence(p, pools, g.missing)...),
				Remediation: "If the endpoints changed a moment ago, capture the node again. " + capitalResync,
			}
			if pools.fromEndpoints {
				f.Certainty = assumed
				f.Assumptions = []string{"that no topology hints keep the endpoint from this node: Endpoints objects do not show them"}
			}
			return f
		})
	}
}

const capitalResync = "Otherwise " + resync

// whyForeign says why connections should not go where they go.
func whyForeign(p *servicePort, pools *pools, nodeName string, foreign pool) string {
	b := pools.find(foreign[0])
	one := "which is"
	if len(foreign) > 1 {
		one = "of which the first is"
	}
	switch {
	case b == nil && len(pools.slices) == 0:
		return one + " no endpoint of it: the objects have none at all"
	case b == nil && pools.fromEndpoints:
		return one + " not in its Endpoints"
	case b == nil:
		return one + " in none of its EndpointSlices"
	case !b.Ready && b.Terminating:
		return one + " terminating"
	case !b.Ready:
		return one + " not ready"
	case nodeName != "" && b.NodeName != nodeName:
		return one + " on node " + orUnnamed(b.NodeName) + ", where policy Local wants those of this one, " + nodeName
	}
	return one + " not among its endpoints for this node"
}

func orUnnamed(node string) string {
	if node == "" {
		return "without a name"
	}
	return node
}

// endpointEvidence are the objects' lines about endpoints.
func (c *checker) endpointEvidence(p *servicePort, pools *pools, list pool) []audit.Line {
	var lines []audit.Line
	for _, a := range list {
		if b := pools.find(a); b != nil && len(lines) < fewNamed {
			lines = append(lines, c.quotes.endpoint(b.slice, a.Addr()))
		}
	}
	switch {
	case len(lines) > 0:
	case len(pools.slices) > 0:
		lines = append(lines, c.quotes.slice(pools.slices[0]))
	default:
		lines = append(lines, c.quotes.service(p.service))
	}
	return lines
}

func namesOf(names []string) string {
	if len(names) > fewNamed+1 {
		return strings.Join(names[:fewNamed], ", ") + fmt.Sprintf(" and %d more", len(names)-fewNamed)
	}
	return strings.Join(names, ", ")
}

// endpointLines are the rules that translate to endpoints, or those that lead
// to the entry's.
func endpointLines(svc *inventory.Service, e *inventory.Entry, list []inventory.Endpoint, foreign pool) []audit.Line {
	lines := entryLines(e)
	if translating := linesOf(list, foreign); len(translating) > 0 {
		return append(lines, translating...)
	}
	return append(lines, lastRule(svc.Chains.Service)...)
}

func linesOf(list []inventory.Endpoint, of pool) []audit.Line {
	var lines []audit.Line
	for _, e := range list {
		if e.Chain != nil && len(lines) < fewNamed && of.has(e.Addr) {
			lines = append(lines, lastRule(e.Chain)...)
		}
	}
	return lines
}

func lastRule(c *netfilter.Chain) []audit.Line {
	if c == nil || c.NumRules() == 0 {
		return nil
	}
	r := c.Rule(c.NumRules() - 1)
	return []audit.Line{{Pos: r.Pos(), Text: r.Text()}}
}
