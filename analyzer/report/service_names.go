package report

import (
	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// serviceNames are the services' names by their own chains.
type serviceNames map[*netfilter.Chain]*inventory.Service

func newServiceNames(a *analyzer.Analysis) serviceNames {
	names := serviceNames{}
	for _, s := range a.Inventory.Services {
		if s.Name == "" {
			continue
		}
		for _, c := range []*netfilter.Chain{s.Chains.Service, s.Chains.External, s.Chains.Local, s.Chains.Firewall} {
			names[c] = s
		}
		for _, e := range s.Endpoints {
			names[e.Chain] = s
		}
	}
	delete(names, nil)
	return names
}

// ofStep is the service port that a step concerns, "" if it concerns none: the
// one whose chain it is in or jumps to, else the one that kube-proxy's comment
// names.
func (names serviceNames) ofStep(s trace.Step) string {
	if s.Rule == nil {
		return ""
	}
	if jump, ok := s.Rule.Jump(); ok && names[jump.Chain] != nil {
		return names[jump.Chain].PortString()
	}
	if service := names[s.Chain]; service != nil {
		return service.PortString()
	}
	if claim, ok := kubeproxy.ParseComment(s.Rule.Comment()); ok {
		return claim.Port.String()
	}
	return ""
}
