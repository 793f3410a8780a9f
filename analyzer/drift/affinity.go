package drift

import (
	"fmt"
	"slices"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
)

// checkAffinity compares the session affinity of a service port that has
// endpoints: without any the rules do not show it.
func (c *checker) checkAffinity(p *servicePort, svc *inventory.Service) {
	if !showsAffinity(svc) {
		return
	}
	want := "None"
	if a := p.service.Affinity; a != nil {
		want = fmt.Sprintf("ClientIP for %d s", a.TimeoutSeconds)
	}
	got := "None"
	if a := svc.Affinity; a != nil {
		got = fmt.Sprintf("ClientIP for %d s", a.TimeoutSeconds)
		if a.TimeoutSeconds == 0 && p.service.Affinity != nil {
			return // the text does not tell for how long
		}
	}
	if got == want {
		return
	}
	c.findings.add(affinityDiffers, func() audit.Finding {
		return audit.Finding{
			Service: p.name.String(), Certainty: certain,
			Message:     fmt.Sprintf("service port %s has session affinity %s on the node, and %s in the objects", p.name, got, want),
			Lines:       append(c.affinityLines(svc), c.quotes.affinity(p.service)),
			Remediation: "If the Service was changed a moment ago, capture the node again. " + capitalResync,
		}
	})
}

// showsAffinity reports whether rules or virtual servers would show that a
// service port has session affinity.
func showsAffinity(svc *inventory.Service) bool {
	for _, e := range svc.Entries {
		if len(e.Virtual) > 0 {
			return true
		}
	}
	return slices.ContainsFunc(svc.Endpoints.List(), func(e inventory.Endpoint) bool {
		return e.Chain == nil || e.Chain.NumRules() > 0
	})
}

func (c *checker) affinityLines(svc *inventory.Service) []audit.Line {
	for _, e := range svc.Endpoints.All() {
		if e.Chain != nil {
			return lastRule(e.Chain)
		}
	}
	return c.serviceLines(svc, inventory.ClusterIP)
}
