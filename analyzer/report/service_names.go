package report

import (
	"slices"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// serviceNames are the services' names by their own chains. They are gathered
// when one is first asked for: a large node has hundreds of thousands of
// chains, and who looks at flows that are as expected asks for none.
type serviceNames struct {
	analysis *analyzer.Analysis
	byChain  map[*netfilter.Chain]*inventory.Service
}

func newServiceNames(a *analyzer.Analysis) *serviceNames { return &serviceNames{analysis: a} }

// lackRules reports whether tables that packets of a family meet are not, or not
// whole, in the input.
func (n *serviceNames) lackRules(is4 bool) bool {
	family := netfilter.IPv6
	if is4 {
		family = netfilter.IPv4
	}
	return slices.ContainsFunc(n.analysis.Coverage.Missing, func(m analyzer.Missing) bool { return m.Family == family })
}

// of is the service that a chain belongs to, nil if it belongs to none.
func (n *serviceNames) of(c *netfilter.Chain) *inventory.Service {
	if n.byChain == nil {
		n.byChain = serviceByChain(n.analysis)
	}
	return n.byChain[c]
}

func serviceByChain(a *analyzer.Analysis) map[*netfilter.Chain]*inventory.Service {
	names := map[*netfilter.Chain]*inventory.Service{}
	for _, s := range a.Services() {
		if s.Name == "" {
			continue
		}
		for _, c := range []*netfilter.Chain{s.Chains.Service, s.Chains.External, s.Chains.Local, s.Chains.Firewall} {
			names[c] = s
		}
		for _, e := range s.Endpoints.All() {
			names[e.Chain] = s
		}
	}
	delete(names, nil)
	return names
}

// ofStep is the service port that a step concerns, "" if it concerns none: the
// one whose chain it is in or jumps to, else the one that kube-proxy's comment
// names.
func (n *serviceNames) ofStep(s *trace.Step) string {
	if s.Rule == nil {
		return ""
	}
	if jump, ok := s.Rule.Jump(); ok {
		if service := n.of(jump.Chain); service != nil {
			return service.PortString()
		}
	}
	if service := n.of(s.Chain); service != nil {
		return service.PortString()
	}
	if claim, ok := kubeproxy.ParseComment(s.Rule.Comment()); ok {
		return claim.Port.String()
	}
	return ""
}
