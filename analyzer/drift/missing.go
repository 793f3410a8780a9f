package drift

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A lack is a door that the node does not have for a service port.
type lack struct {
	door
	// entry is what the node has at the address and port instead: another
	// service's, or the port's own that leads nowhere. nil for nothing.
	entry *inventory.Entry
	own   bool
	// assumed says that the service port was taken to have endpoints.
	assumed bool
}

// checkDoors looks for what the objects have a service port listen on and the
// node does not.
func (c *checker) checkDoors(p *servicePort, svc *inventory.Service, side *side) {
	var lacks []lack
	for _, d := range p.doors {
		if !d.optional {
			if l, lacking := c.lacks(p, d, side); lacking {
				lacks = append(lacks, l)
			}
		}
	}
	if len(lacks) == 0 {
		return
	}
	c.reportLacks(p, svc, side, lacks)
}

func (c *checker) lacks(p *servicePort, d door, side *side) (lack, bool) {
	l := lack{door: d}
	e := c.node.entries[d.dial]
	if e == nil {
		return l, c.isMissing(p, d, side, &l)
	}
	owner := nameOf(e.Service)
	if owner == p.name {
		l.entry, l.own = e, true
		return l, e.Verdict == inventory.Broken && c.mode != kubeproxy.IPVS && !side.lossy
	}
	if other := c.objects.byName[owner]; other != nil && other.asksFor(d.dial) {
		return l, false // two Services ask for it, and one can have it
	}
	l.entry = e
	// Rules without names, of a text that is not whole, can be the port's own.
	return l, e.Service.Name != "" || side.whole && c.mode != kubeproxy.IPVS
}

// isMissing tells whether a door that no text shows is missing on the node.
// In iptables mode what has no endpoints stands in filter alone, and what of it
// does has changed over time; the cluster IP always did.
func (c *checker) isMissing(p *servicePort, d door, side *side, l *lack) bool {
	switch {
	case !side.whole:
		return false
	case c.mode == kubeproxy.IPVS:
		return d.kind != inventory.NodePort || side.nodePorts
	case c.mode != kubeproxy.IPTables:
		return true
	}
	pools := c.objects.poolsOf(p)
	choices, known := c.choices(p, nil, d.kind)
	if known && pools.known && neverEmpty(choices) {
		return true
	}
	l.assumed = !pools.known
	return side.refusals && (d.kind == inventory.ClusterIP || !pools.known)
}

func (c *checker) reportLacks(p *servicePort, svc *inventory.Service, side *side, lacks []lack) {
	kind := entryMissing
	if svc == nil {
		kind = portMissing
	}
	c.findings.add(kind, func() audit.Finding {
		f := audit.Finding{Service: p.name.String(), Certainty: certain}
		var what []string
		for _, l := range lacks {
			what = append(what, doorName(l.door)+insteadOf(l))
			if l.entry != nil {
				f.Lines = append(f.Lines, entryLines(l.entry)...)
			}
			if l.assumed {
				f.Certainty = assumed
				f.Assumptions = []string{"that " + p.service.String() + " has endpoints: its EndpointSlices were not given, and without endpoints older kube-proxies leave entries out"}
			}
		}
		if len(f.Lines) == 0 {
			f.Lines = append(f.Lines, c.quotes.at(side.at))
		}
		f.Lines = append(f.Lines, c.quotes.service(p.service))
		for _, l := range lacks {
			f.Lines = append(f.Lines, c.quotes.door(p, l.door))
		}
		if svc == nil {
			f.Message = fmt.Sprintf("the objects have service port %s (%s, %s), and the node has no rules for it: it lacks %s",
				p.name, netfilter.ProtocolName(p.protocol), p.family, strings.Join(what, ", "))
		} else {
			f.Message = fmt.Sprintf("the objects have %s for service port %s, %s",
				strings.Join(what, ", "), p.name, itsAbsence(lacks))
		}
		f.Remediation = resync
		return f
	})
}

func itsAbsence(lacks []lack) string {
	if len(lacks) == 1 && lacks[0].own {
		return "and the node's rules for it lead nowhere"
	}
	return "and the node does not"
}

// insteadOf says what stands where the door should be.
func insteadOf(l lack) string {
	switch {
	case l.entry == nil:
		return ""
	case l.own:
		return " (no rule leads on from it)"
	case l.entry.Service.Name != "":
		return " (on the node it is " + l.entry.Service.PortString() + "'s)"
	}
	return " (on the node it leads to chains of another service)"
}

func (c *checker) reportFamily(side *side, family netfilter.Family, n int, first *servicePort) {
	c.findings.add(portMissing, func() audit.Finding {
		return audit.Finding{
			Certainty: certain,
			Message: fmt.Sprintf("the objects have %d service ports with %s, first %s, and table nat of that family has no chain %s: kube-proxy does not serve the family on this node",
				n, family, first.name, kubeproxy.ServicesChain),
			Lines: []audit.Line{c.quotes.at(side.at), c.quotes.service(first.service)},
			Remediation: "Look at kube-proxy's log on the node for why it left the family out: no address of it on the node, " +
				"or a clusterCIDR or nodePortAddresses without it.",
		}
	})
}

// doorName is "ClusterIP 10.96.0.1:443", "NodePort 30080".
func doorName(d door) string { return dialName(d.kind, d.dial) }

func dialName(kind inventory.Kind, d dial) string {
	if !d.address.IsValid() {
		return fmt.Sprintf("%s %d", kind, d.port)
	}
	return fmt.Sprintf("%s %s", kind, netip.AddrPortFrom(d.address, d.port))
}

func entryName(e *inventory.Entry) string { return dialName(e.Kind, dialOf(e)) }
