// Package drift holds what a node's rules tell of services against what the
// cluster's objects ask for. It compares what inventory read back from the
// node, whatever mode wrote it, with what any kube-proxy would have made of the
// objects: where its versions differ, each of their ways is right.
package drift

import (
	"cmp"
	"slices"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// Check gives a finding for each difference between the node and the objects
// that were given. There is none without Services, and none where signs of
// several modes stand side by side: what one of them left behind is no drift.
func Check(s *snapshot.Snapshot, inv *inventory.Inventory) []audit.Finding {
	if s.Cluster == nil || len(s.Cluster.Services) == 0 {
		return nil
	}
	switch inv.Mode {
	case kubeproxy.IPTables, kubeproxy.IPVS, kubeproxy.NFTables:
	default:
		return nil
	}
	c := &checker{
		snapshot: s, mode: inv.Mode,
		objects: readObjects(s), node: readNode(s, inv),
		findings: collector{alike: map[string]int{}, last: map[string]int{}},
		quotes:   newQuoter(s.Cluster),
	}
	c.checkFamilies()
	for _, p := range c.objects.ports {
		c.checkPort(p)
		p.pools = nil // large nodes have hundreds of thousands of endpoints
	}
	c.checkStale(inv)
	c.remarkOnLocality()
	return c.findings.all()
}

type checker struct {
	snapshot *snapshot.Snapshot
	mode     kubeproxy.Mode
	objects  *objects
	node     *node
	findings collector
	quotes   *quoter
	// localUnknown is the first service port of which it matters which
	// endpoints are this node's, which cannot be told; nil for none.
	localUnknown *servicePort
	localCount   int
	// accepted are the ports of health checks by family, read when asked for.
	accepted map[netfilter.Family]map[uint16]*netfilter.Rule

	actual, drained pool // room for the real servers of a virtual server
}

// A name tells service ports apart, in one family.
type name struct {
	namespace, service, port string
	protocol                 uint8
	family                   netfilter.Family
}

// String is kube-proxy's name: "default/web:http".
func (n name) String() string {
	return kubeproxy.ServicePort{Namespace: n.namespace, Name: n.service, Port: n.port}.String()
}

// A servicePort is one port of a Service object in one family.
type servicePort struct {
	name
	service *cluster.Service
	port    *cluster.Port
	doors   []door
	byDial  map[dial]bool // of many doors; nil for few
	// outside says that there are doors besides the cluster IP.
	outside bool
	// internalLocal and externalLocal are the object's policies;
	// policyOpen says that versions of kube-proxy differ in whether they heed
	// the external one.
	internalLocal, externalLocal, policyOpen bool
	pools                                    *pools // nil until asked for
}

// checkPort compares one service port.
func (c *checker) checkPort(p *servicePort) {
	side := c.node.side(p.family)
	if !side.captured {
		return
	}
	svc := c.node.services[p.name]
	c.checkDoors(p, svc, side)
	if svc == nil {
		return
	}
	c.checkEntries(p, svc, side)
	if side.lossy {
		return
	}
	if side.whole || c.mode == kubeproxy.IPVS {
		c.checkPolicies(p, svc)
		c.checkAffinity(p, svc)
		c.checkRanges(p, svc)
		c.checkHealthCheck(p, svc, side)
	}
	c.checkEndpoints(p, svc, side)
}

func compareNames(a, b name) int {
	return cmp.Or(
		cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.service, b.service), cmp.Compare(a.port, b.port),
		cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.family, b.family),
	)
}

func sortPorts(ports []*servicePort) {
	slices.SortFunc(ports, func(a, b *servicePort) int { return compareNames(a.name, b.name) })
}
