package inventory

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// builder reads the services of one family back from its nat and filter
// tables, as kube-proxy's iptables mode writes them.
type builder struct {
	snapshot *snapshot.Snapshot
	family   netfilter.Family
	nat      *netfilter.Table
	filter   *netfilter.Table // nil when it was not captured

	masqueradeBits, dropBits uint32 // of the mark; 0 when not known
	// masquerading tells whether POSTROUTING acts on the mark; maybe when the
	// table was not captured whole.
	masquerading ternary

	shares  shares
	targets map[*netfilter.Chain]target
	known   map[*netfilter.Chain]*backends

	drafts    []*draft
	byDial    map[dial]*draft
	nodePorts nodePortRules
	services  map[serviceKey]*Service
	hashes    map[string]*Service // by the hash of the chains' names
	members   map[*Service][]*draft
	order     []*Service
	health    map[[2]string]uint16 // health-check node ports by namespace and name

	before  []*netfilter.Rule // rules that a packet meets before KUBE-SERVICES' own
	entered *netfilter.Rule   // the rule of PREROUTING that leads to KUBE-SERVICES
	budget  int               // rules that may still be tried in search of one that gets ahead

	since124 *bool // answer of writtenSince124

	diagnostics []source.Diagnostic
}

// A dial is what a client of an entry dials. The address is invalid for a node
// port.
type dial struct {
	address  netip.Addr
	protocol uint8
	port     uint16
}

// A draft is an entry whose verdict is not told yet.
type draft struct {
	dial
	kind        Kind
	kindAssumed bool
	claim       kubeproxy.Claim
	claimed     bool
	// rules are the rules of nat that take the entry's packets on, in the
	// order of their chain; refusals those of filter that refuse them.
	rules, refusals []*netfilter.Rule
	// missing is the rule that shows that there should be such an entry
	// although no rule leads to it; nil for all others.
	missing *netfilter.Rule
	service *Service
}

// serviceKey tells service ports apart: by their names where the rules name
// them, else by the hash of their chains.
type serviceKey struct {
	name     kubeproxy.ServicePort
	protocol uint8
	hash     string
}

// readIPTables reads one family's services. graph is nat's; nil when nat was
// not captured.
func readIPTables(s *snapshot.Snapshot, nat, filter *netfilter.Table, graph *chaingraph.Graph) ([]*Service, []source.Diagnostic) {
	b := &builder{
		snapshot: s, family: nat.Family, nat: nat, filter: filter,
		targets:  map[*netfilter.Chain]target{},
		known:    map[*netfilter.Chain]*backends{},
		byDial:   map[dial]*draft{},
		services: map[serviceKey]*Service{},
		hashes:   map[string]*Service{},
		members:  map[*Service][]*draft{},
		health:   map[[2]string]uint16{},
		budget:   maxAheadTests,
	}
	b.readMarks()
	b.readEntrance()
	b.gatherNAT()
	b.gatherFilter()
	b.gatherMissing()
	b.groupByService()
	for _, svc := range b.order {
		b.describe(svc)
		b.judge(svc)
		b.checkBackends(svc)
		slices.SortStableFunc(svc.Entries, compareEntries)
	}
	b.checkEndpointNames()
	if graph != nil {
		b.orphans(graph)
	}
	return b.order, b.diagnostics
}

func (b *builder) report(severity source.Severity, code string, at *netfilter.Rule, format string, args ...any) {
	d := source.Diagnostic{Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)}
	if at != nil {
		d.Pos = at.Pos()
	}
	b.diagnostics = append(b.diagnostics, d)
}

// readMarks learns which bits of the mark stand for masquerading and for
// dropping, and whether POSTROUTING masquerades at all.
func (b *builder) readMarks() {
	if c := b.nat.Chain(kubeproxy.MarkMasqChain); c != nil {
		b.masqueradeBits, _ = kubeproxy.SetsMark(c)
	}
	if c := b.nat.Chain(kubeproxy.MarkDropChain); c != nil {
		b.dropBits, _ = kubeproxy.SetsMark(c)
	}
	b.masquerading = maybe
	post := b.nat.Chain("POSTROUTING")
	if post == nil || !b.nat.Complete {
		return
	}
	b.masquerading = ternaryOf(translatesSource(post, 0))
}

// translatesSource reports whether a chain, or one it leads to, has a rule
// that translates source addresses.
func translatesSource(c *netfilter.Chain, depth int) bool {
	if depth > 8 {
		return false
	}
	for r := range c.Rules() {
		switch t := r.Target().(type) {
		case *netfilter.Masquerade, *netfilter.SNAT:
			return true
		case *netfilter.Jump:
			if t.Chain != nil && translatesSource(t.Chain, depth+1) {
				return true
			}
		}
	}
	return false
}
