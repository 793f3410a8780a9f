package drift

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// checkPolicies compares the traffic policies, as far as the rules show them.
func (c *checker) checkPolicies(p *servicePort, svc *inventory.Service) {
	lines := func() []audit.Line { return c.serviceLines(svc, inventory.ClusterIP) }
	if got, want := svc.InternalPolicy, policyName(p.internalLocal); c.mode != kubeproxy.IPVS && got != "" && string(got) != want {
		c.reportPolicy(p, "internalTrafficPolicy", string(got), want, lines())
	}
	if got, want := svc.ExternalPolicy, policyName(p.externalLocal); got != "" && string(got) != want && p.outside && !p.policyOpen {
		c.reportPolicy(p, "externalTrafficPolicy", string(got), want, c.serviceLines(svc, ""))
	}
}

func (c *checker) reportPolicy(p *servicePort, which, got, want string, lines []audit.Line) {
	c.findings.add(policyDiffers, func() audit.Finding {
		return audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("service port %s is under %s: %s on the node, and %s in the objects", p.name, which, got, want),
			Lines:       append(lines, c.quotes.field(p.service, which, want)),
			Remediation: "If the policy was changed a moment ago, capture the node again. " + capitalResync,
		}
	})
}

func policyName(local bool) string {
	if local {
		return string(inventory.Local)
	}
	return string(inventory.Cluster)
}

// serviceLines are the lines of a service port's entry of a kind, or with ""
// of the first that is no cluster IP.
func (c *checker) serviceLines(svc *inventory.Service, kind inventory.Kind) []audit.Line {
	for _, e := range svc.Entries {
		if isOnNode(c.mode, e) && (e.Kind == kind || kind == "" && e.Kind != inventory.ClusterIP) {
			return entryLines(e)
		}
	}
	if len(svc.Entries) > 0 {
		return entryLines(svc.Entries[0])
	}
	return nil
}
