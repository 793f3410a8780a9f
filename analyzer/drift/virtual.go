package drift

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/ipvs"
)

// checkVirtual compares the real servers of an entry's virtual servers. One
// with weight 0 that is no endpoint any more keeps its connections, as it
// should (pkg/proxy/ipvs/graceful_termination.go).
func (c *checker) checkVirtual(p *servicePort, e *inventory.Entry, choices []pool, exact bool, found *gaps) {
	pools := c.objects.poolsOf(p)
	for _, v := range e.Virtual {
		if v.Partial {
			continue
		}
		actual, drained := c.actual[:0], c.drained[:0]
		servers := v.Servers()
		cut := false
		for i := range servers {
			r := &servers[i]
			switch takes, sure := r.Takes(); {
			case !r.Address.IsValid() || !r.PortKnown:
				cut = true
			case sure && !takes:
				drained = append(drained, r.AddrPort())
			default:
				actual = append(actual, r.AddrPort())
			}
		}
		if len(servers) == 0 {
			continue // refused, and told of as such
		}
		actual, drained = sorted(actual), sorted(drained)
		c.actual, c.drained = actual, drained
		if e.Kind == inventory.ClusterIP && p.internalLocal && exact && c.ignoresInternal(p, pools, e, actual) {
			continue
		}
		missing, foreign := pools.differences(actual, choices, exact, !cut && c.node.side(p.family).whole)
		var waiting pool // ready, and with weight 0
		missing = slices.DeleteFunc(missing, func(a netip.AddrPort) bool {
			if drained.has(a) {
				waiting = append(waiting, a)
				return true
			}
			return false
		})
		where := func() string {
			if e.Kind == inventory.NodePort {
				return entryName(e) + " at " + v.Address.String()
			}
			return entryName(e)
		}
		found.add(missing, foreign, waiting, where, func() []audit.Line {
			lines := []audit.Line{{Pos: v.Pos(), Text: v.Text()}}
			for i := range servers {
				if a := servers[i].AddrPort(); len(lines) <= fewNamed && (foreign.has(a) || waiting.has(a)) {
					lines = append(lines, audit.Line{Pos: servers[i].Pos(), Text: servers[i].Text()})
				}
			}
			return lines
		})
	}
}

// ignoresInternal reports a cluster IP of policy Local that has all endpoints.
func (c *checker) ignoresInternal(p *servicePort, pools *pools, e *inventory.Entry, actual pool) bool {
	same := func(choice pool) bool { return slices.Equal(choice, actual) }
	if slices.ContainsFunc(pools.local, same) || !slices.ContainsFunc(pools.cluster, same) {
		return false
	}
	c.reportPolicy(p, "internalTrafficPolicy", string(inventory.Cluster), string(inventory.Local), entryLines(e))
	return true
}

func hasServers(v *ipvs.VirtualServer) bool { return v.NumServers() > 0 || v.Partial }
