package drift

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// checkHealthCheck compares the health check's node port. kube-proxy accepts
// its packets in filter since 1.20, in iptables and IPVS mode.
func (c *checker) checkHealthCheck(p *servicePort, svc *inventory.Service, side *side) {
	want := p.service.HealthCheckNodePort
	got := svc.HealthCheckNodePort
	if c.mode == kubeproxy.NFTables || c.mode == kubeproxy.IPVS && want == 0 {
		return // no rule is written for it; no set says whose it is
	}
	if c.mode == kubeproxy.IPTables {
		if c.accepted == nil {
			c.accepted = map[netfilter.Family]map[uint16]*netfilter.Rule{}
		}
		ports, read := c.accepted[p.family]
		if !read {
			ports = acceptedPorts(side)
			c.accepted[p.family] = ports
		}
		if ports == nil {
			return
		}
		if got == 0 && ports[want] != nil {
			got = want // without a comment to say whose it is
		}
	}
	if got == want || want != 0 && !p.externalLocal {
		return
	}
	c.findings.add(healthDiffers, func() audit.Finding {
		on := fmt.Sprintf("takes health checks at node port %d", got)
		if got == 0 {
			on = "takes no health checks"
		}
		in := fmt.Sprintf("have node port %d for them", want)
		if want == 0 {
			in = "have no node port for them"
		}
		f := audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("the node %s of service port %s, and the objects %s", on, p.name, in),
			Remediation: "A load balancer that cannot check this node's health sends it nothing, or goes on sending. " + capitalResync,
		}
		if r := c.accepted[p.family][got]; r != nil {
			f.Evidence = append(f.Evidence, r)
		} else {
			f.Lines = append(f.Lines, c.serviceLines(svc, "")...)
		}
		f.Lines = append(f.Lines, c.quotes.field(p.service, "healthCheckNodePort", fmt.Sprint(want)))
		return f
	})
}

// acceptedPorts are those that filter's KUBE-NODEPORTS accepts; nil when they
// are not known.
func acceptedPorts(side *side) map[uint16]*netfilter.Rule {
	if side.filter == nil || !side.filter.Complete || side.filter.Omits != 0 {
		return nil
	}
	chain := side.filter.Chain(kubeproxy.NodePortsChain)
	if chain == nil {
		return nil // before 1.20 there was none
	}
	ports := map[uint16]*netfilter.Rule{}
	for r := range chain.Rules() {
		if r.Target() != netfilter.Accept {
			continue
		}
		for _, m := range r.Matches() {
			if t, ok := m.(*netfilter.Transport); ok && t.DstPort.Set && !t.DstPort.Not && t.DstPort.Range.IsSingle() {
				ports[t.DstPort.Range.First] = r
			}
		}
	}
	return ports
}
