package drift

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/audit"
)

// needsNode notes that it matters which node this is.
func (c *checker) needsNode(p *servicePort, pools *pools) {
	if !neverEmpty(pools.cluster) {
		return
	}
	if c.localUnknown == nil {
		c.localUnknown = p
	}
	if !pools.noted {
		pools.noted = true
		c.localCount++
	}
}

// remarkOnLocality tells once that which endpoints are local cannot be told.
func (c *checker) remarkOnLocality() {
	p := c.localUnknown
	if p == nil {
		return
	}
	c.findings.add(endpointMissing, func() audit.Finding {
		missing := "the Node object of this node: none was given"
		if c.objects.nodes > 0 {
			missing = "which of the Node objects is this node: not just one has an address of it"
			if c.snapshot.Addresses == nil {
				missing = "the node's addresses, which tell its Node object"
			}
		}
		return audit.Finding{
			Severity: audit.Info, Certainty: undetermined,
			Message: fmt.Sprintf("%s under a traffic policy of Local, first %s: which endpoints are this node's cannot be told, and so not whether the node has them",
				counted(c.localCount, "service port"), p.name),
			Missing:     []string{missing},
			Lines:       []audit.Line{c.quotes.service(p.service)},
			Remediation: "Give the Node objects (kubectl get nodes -o yaml) and the output of ip addr, or name the node's address with --node-ip.",
		}
	})
}
