package inventory

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// maxOrphans is how many orphaned chains are named one by one.
const maxOrphans = 20

// orphans remarks on service and endpoint chains that hold rules but that no
// rule leads to. Those that kubelet and kube-proxy leave unused by design, the
// canaries, hints and mark chains, are no service's chains; and empty ones are
// left by kube-proxy 1.23.
func (b *builder) orphans() {
	if !b.nat.Complete {
		return
	}
	var found []*netfilter.Chain
	for c := range b.natGraph.Orphans() {
		if b.kinds[c.Index()] != kubeproxy.OtherChain && c.NumRules() > 0 {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		return
	}
	if b.large {
		b.diagnostics = append(b.diagnostics, source.Diagnostic{
			Severity: source.Info, Code: "stale-chain", Pos: found[0].Pos(),
			Message: fmt.Sprintf("nothing leads to %d service and endpoint chains of table nat, %s, first %s: on clusters with more than 1,000 endpoints kube-proxy leaves chains in place until its next full sync",
				len(found), b.family, found[0].Name),
		})
		return
	}
	for i, c := range found {
		if i == maxOrphans {
			b.diagnostics = append(b.diagnostics, source.Diagnostic{
				Severity: source.Warning, Code: "orphan-chain", Pos: c.Pos(),
				Message: fmt.Sprintf("nothing leads to %d more service and endpoint chains, first %s", len(found)-i, c.Name),
			})
			break
		}
		whose := ""
		if name, ok := b.ownerOf(c); ok {
			whose = " of " + name
		}
		b.diagnostics = append(b.diagnostics, source.Diagnostic{
			Severity: source.Warning, Code: "orphan-chain", Pos: c.Pos(),
			Message: fmt.Sprintf("nothing leads to %s%s, which holds %d rules: its rule was removed, or the chain was left behind", c.Name, whose, c.NumRules()),
		})
	}
}

// ownerOf names the service port of a chain by the comments in it, when the
// hash bears them out.
func (b *builder) ownerOf(c *netfilter.Chain) (string, bool) {
	if _, place := b.bears(c.Index()); place != nowhere {
		if svc := b.kins[place].service; svc != nil && svc.Name != "" {
			return svc.PortString(), true
		}
	}
	for r := range c.Rules() {
		if claim, ok := kubeproxy.ParseComment(r.Comment()); ok {
			return claim.Port.String(), true
		}
	}
	return "", false
}
