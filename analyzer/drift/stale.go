package drift

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// checkEntries looks for entries of a service port that the node has and its
// object has not.
func (c *checker) checkEntries(p *servicePort, svc *inventory.Service, side *side) {
	for _, e := range svc.Entries {
		if !isOnNode(c.mode, e) || p.asksFor(dialOf(e)) {
			continue
		}
		c.findings.add(entryStale, func() audit.Finding {
			f := audit.Finding{
				Service: p.name.String(), Certainty: certain,
				Message: fmt.Sprintf("the node has %s for service port %s, and Service %s asks for no such entry%s",
					entryName(e), p.name, p.service, p.asksInstead(e.Kind)),
				Lines: append(entryLines(e), c.quotes.service(p.service)),
				Remediation: "If the Service was changed a moment ago, capture the node again; " + lowerFirst(resync) +
					" Until then clients still get through at the old address or port.",
			}
			if d, ok := p.first(e.Kind); ok {
				f.Lines = append(f.Lines, c.quotes.door(p, d))
			}
			return f
		})
	}
}

func (p *servicePort) first(kind inventory.Kind) (door, bool) {
	for _, d := range p.doors {
		if d.kind == kind {
			return d, true
		}
	}
	return door{}, false
}

func (p *servicePort) asksInstead(kind inventory.Kind) string {
	var names []string
	for _, d := range p.doors {
		if d.kind == kind {
			names = append(names, doorName(d))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ", but for " + strings.Join(names, ", ")
}

// checkStale looks for service ports of the node that no object has. In IPVS
// mode nothing but objects names them, and virtual servers without are told of
// as KP5001.
func (c *checker) checkStale(inv *inventory.Inventory) {
	var open []*inventory.Service // that objects which were not given may have
	for _, svc := range inv.Services {
		if c.mode == kubeproxy.IPVS || svc.Name != "" && c.objects.byName[nameOf(svc)] != nil || len(svc.Entries) == 0 {
			continue
		}
		if svc.Name == "" && (!c.node.side(svc.Family).whole || c.node.side(svc.Family).lossy) {
			open = append(open, svc)
			continue
		}
		object := c.objects.services[[2]string{svc.Namespace, svc.Name}]
		switch {
		case object != nil && c.objects.passed[object]:
		case object != nil, c.objects.allServices, c.objects.hasKubernetes && svc.Name != "" && svc.Namespace == everyCluster[0]:
			c.reportStale(svc, object)
		default:
			open = append(open, svc)
		}
	}
	if len(open) > 0 {
		c.reportOpen(open)
	}
}

func (c *checker) reportStale(svc *inventory.Service, object *cluster.Service) {
	c.findings.add(portStale, func() audit.Finding {
		what := "service port " + svc.PortString()
		if svc.Name == "" {
			what = "a service port that no object has the hash of"
		}
		f := audit.Finding{
			Service: svc.PortString(), Certainty: certain,
			Message:     fmt.Sprintf("the node has %s (%s), and %s", what, entryNames(svc), whyStale(svc, object)),
			Lines:       entryLines(svc.Entries[0]),
			Remediation: "If the Service was removed or changed a moment ago, capture the node again; " + lowerFirst(resync),
		}
		if object != nil {
			f.Lines = append(f.Lines, c.quotes.service(object))
		}
		switch {
		case object != nil && !c.objects.readsWhole:
			f.Certainty = assumed
			f.Assumptions = []string{"that the lines of the objects which could not be read hold no such port"}
		case object == nil && !c.objects.allServices:
			f.Certainty = assumed
			f.Assumptions = []string{"that the Services given are all of namespace " + svc.Namespace + ": default/kubernetes is among them"}
		}
		return f
	})
}

func whyStale(svc *inventory.Service, object *cluster.Service) string {
	switch {
	case object == nil && svc.Name == "":
		return "the objects have no such Service"
	case object == nil:
		return "the objects have no Service " + svc.NamespacedName()
	case object.Headless:
		return "Service " + object.String() + " is headless: it asks for no rules"
	case object.Type == cluster.ExternalName:
		return "Service " + object.String() + " is of type ExternalName: it asks for no rules"
	case object.OtherProxy:
		return "a label of Service " + object.String() + " keeps kube-proxy from it (service.kubernetes.io/service-proxy-name or …/headless)"
	}
	for _, p := range object.Ports {
		if p.Name == svc.PortName && p.Protocol == svc.Protocol {
			return "Service " + object.String() + " has no cluster IP of family " + svc.Family.String()
		}
	}
	return "Service " + object.String() + " has no such port"
}

// reportOpen tells once of what cannot be told because the objects are not
// evidently all of the cluster's.
func (c *checker) reportOpen(open []*inventory.Service) {
	c.findings.add(portStale, func() audit.Finding {
		first := open[0].PortString()
		if first == "" {
			first = entryName(open[0].Entries[0])
		}
		return audit.Finding{
			Severity: audit.Info, Certainty: undetermined,
			Message: fmt.Sprintf("%s on the node, first %s, belong to no Service that was given; whether the cluster has one cannot be told",
				counted(len(open), "service port"), first),
			Lines:       entryLines(open[0].Entries[0]),
			Missing:     []string{"all Services of the cluster: those that were given are not evidently all"},
			Remediation: "Give all objects: kubectl get services,endpointslices,nodes -A -o yaml",
		}
	})
}

func entryNames(svc *inventory.Service) string {
	var names []string
	for i, e := range svc.Entries {
		if i == fewNamed && len(svc.Entries) > fewNamed+1 {
			names = append(names, fmt.Sprintf("%d more", len(svc.Entries)-i))
			break
		}
		names = append(names, entryName(e))
	}
	return strings.Join(names, ", ")
}
