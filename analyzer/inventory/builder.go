package inventory

import (
	"fmt"
	"net/netip"

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
	// natGraph and filterGraph are the tables' graphs; filterGraph is nil when
	// filter was not captured.
	natGraph, filterGraph *chaingraph.Graph

	masqueradeBits, dropBits uint32 // of the mark; 0 when not known
	// markMasq and markDrop are nat's chains that set them, by their Index;
	// nowhere when not known.
	markMasq, markDrop int
	// masquerading tells what POSTROUTING does: nothing (never), to act on the
	// mark (""), or to masquerade whatever the mark (always).
	masquerading Masquerading
	large        bool // kube-proxy's way to write for more than 1,000 endpoints

	natChains
	hasher   kubeproxy.Hasher
	dealer   dealer
	chances  []uint32    // room for what one chain deals out,
	ends     []end       // and to whom
	affinity *Affinity   // the last one
	known    []*backends // of nat's chains, by their Index; nil where not read yet

	drafts    []*draft
	byDial    map[dial]*draft
	nodePorts nodePortRules
	order     []*group
	health    map[[2]string]uint16 // health-check node ports by namespace and name
	// firewalled are the load-balancer addresses whose packets filter drops
	// when they come from outside the source ranges.
	firewalled map[dial]bool

	client  client  // whose packet is followed,
	journey journey // and its way
	rooms   struct {
		drafts    room[draft]
		groups    room[group]
		members   room[*draft]
		backends  room[backends]
		endpoints room[Endpoint]
		places    room[int32]
		rules     room[*netfilter.Rule]
		entries   room[*Entry]
		prefixes  room[netip.Prefix]
	}

	before  []*netfilter.Rule // rules that a packet meets before KUBE-SERVICES' own
	entered *netfilter.Rule   // the rule of PREROUTING that leads to KUBE-SERVICES
	budget  int               // rules that may still be tried in search of one that gets ahead

	since124 *bool // answer of writtenSince124

	objects *objectNames // of the cluster; nil until they are asked for names

	diagnostics []source.Diagnostic
}

// A dial is what a client of an entry dials. The address is invalid for a node
// port.
type dial struct {
	address  netip.Addr
	protocol uint8
	port     uint16
}

// A draft is what becomes an entry: what the rules say of it, and once it is
// judged the entry, with the way that its verdict rests on.
type draft struct {
	dial
	kind        Kind
	kindAssumed bool
	// rules are the rules of nat that take the entry's packets on, in the
	// order of their chain; refusals those of filter that refuse them.
	rules, refusals []*netfilter.Rule
	// missing is the rule that shows that there should be such an entry
	// although no rule leads to it; nil for all others.
	missing *netfilter.Rule
	service *group // nil while no comment named one

	entry   Entry
	outcome outcome
}

// A group is a service and the drafts that are its entries.
type group struct {
	Service
	builder  *builder
	kin      int32  // place of the chains that have the hash of the service's name; nowhere without one
	next     *group // another service whose name has this hash; see kin.named
	entries  int    // how many drafts it has
	drafts   []*draft
	nodePort bool     // among them
	own      *outcome // of the cluster IP; nil if the service has none
	clusterIP
}

// readIPTables reads one family's services. graphOf gives a table's graph.
func readIPTables(s *snapshot.Snapshot, nat, filter *netfilter.Table, graphOf func(*netfilter.Table) *chaingraph.Graph) ([]*Service, []source.Diagnostic) {
	b := &builder{
		snapshot: s, family: nat.Family, nat: nat, filter: filter,
		natGraph: graphOf(nat), filterGraph: graphOf(filter),
		health:     map[[2]string]uint16{},
		firewalled: map[dial]bool{},
		budget:     maxAheadTests,
	}
	b.readMarks()
	b.readChains()
	b.known = make([]*backends, len(nat.Chains()))
	b.large = b.largeCluster()
	b.readEntrance()
	b.gatherNAT()
	b.gatherFilter()
	b.gatherMissing()
	b.groupByService()
	services := make([]*Service, len(b.order))
	b.nodePorts.addresses = b.nodeAddresses()
	for i, g := range b.order {
		b.describe(g)
		b.judge(g)
		b.checkBackends(g)
		b.checkEndpointNames(g)
		services[i] = &g.Service
	}
	b.orphans()
	b.remarkOnNames()
	b.forget()
	return services, b.diagnostics
}

// forget lets go of what no explanation rests on: the builder lives on in them.
func (b *builder) forget() {
	b.kinds, b.places, b.targets, b.known = nil, nil, nil, nil
	b.drafts, b.byDial, b.order = nil, nil, nil
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
	b.markMasq, b.markDrop = nowhere, nowhere
	if c := b.nat.Chain(kubeproxy.MarkMasqChain); c != nil {
		if b.masqueradeBits, _ = kubeproxy.SetsMark(c); b.masqueradeBits != 0 {
			b.markMasq = c.Index()
		}
	}
	if c := b.nat.Chain(kubeproxy.MarkDropChain); c != nil {
		if b.dropBits, _ = kubeproxy.SetsMark(c); b.dropBits != 0 {
			b.markDrop = c.Index()
		}
	}
	post := b.nat.Chain("POSTROUTING")
	if post == nil || !b.nat.Complete {
		return
	}
	if !translatesSource(post, 0) {
		b.masquerading = MasqueradeNever
	} else if c := b.nat.Chain(kubeproxy.PostroutingChain); c != nil && b.reachable(c) && masqueradesUnmarked(c) {
		b.masquerading = MasqueradeAlways
	}
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

// masqueradesUnmarked reports whether KUBE-POSTROUTING masquerades packets
// without the mark too: kube-proxy sends those back first, or has the mark
// tested by the masquerading rule itself.
func masqueradesUnmarked(c *netfilter.Chain) bool {
	for r := range c.Rules() {
		var mark *netfilter.Mark
		bare := true
		for _, m := range r.Matches() {
			switch m := m.(type) {
			case *netfilter.Mark:
				mark = m
			case *netfilter.Comment:
			default:
				bare = false
			}
		}
		switch r.Target().(type) {
		case netfilter.Verdict:
			if r.Target() == netfilter.Return && bare && (mark == nil || mark.Not) {
				return false
			}
		case *netfilter.Masquerade:
			if bare && mark == nil {
				return true
			}
		}
	}
	return false
}

// reachable reports whether some base chain leads to a chain of nat. In a
// table that is not whole nothing speaks against it.
func (b *builder) reachable(c *netfilter.Chain) bool {
	if !b.nat.Complete {
		return true
	}
	return b.natGraph.IsReachable(c)
}
