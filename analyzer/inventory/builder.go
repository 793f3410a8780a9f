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
	// natGraph and filterGraph are the tables' graphs; nil when not captured.
	natGraph, filterGraph *chaingraph.Graph

	masqueradeBits, dropBits uint32 // of the mark; 0 when not known
	// masquerading tells what POSTROUTING does: nothing (never), to act on the
	// mark (""), or to masquerade whatever the mark (always).
	masquerading Masquerading
	large        bool // kube-proxy's way to write for more than 1,000 endpoints

	kinds   []kubeproxy.ChainKind    // of nat's chains, by their Index
	chains  map[string]serviceChains // of nat, by the hash in their names
	dealer  dealer
	chances []uint32   // room for what one chain deals out,
	ends    []Endpoint // and to whom
	targets []target   // of nat's endpoint chains, by their Index
	known   map[*netfilter.Chain]*backends

	drafts    []*draft
	byDial    map[dial]*draft
	nodePorts nodePortRules
	services  map[serviceKey]*Service
	hashes    map[string]*Service // by the hash of the chains' names
	members   map[*Service][]*draft
	order     []*Service
	health    map[[2]string]uint16 // health-check node ports by namespace and name
	// firewalled are the load-balancer addresses whose packets filter drops
	// when they come from outside the source ranges.
	firewalled map[dial]bool

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

// readIPTables reads one family's services. graphOf gives a table's graph.
func readIPTables(s *snapshot.Snapshot, nat, filter *netfilter.Table, graphOf func(*netfilter.Table) *chaingraph.Graph) ([]*Service, []source.Diagnostic) {
	b := &builder{
		snapshot: s, family: nat.Family, nat: nat, filter: filter,
		natGraph: graphOf(nat), filterGraph: graphOf(filter),
		known:      map[*netfilter.Chain]*backends{},
		byDial:     map[dial]*draft{},
		services:   map[serviceKey]*Service{},
		hashes:     map[string]*Service{},
		members:    map[*Service][]*draft{},
		health:     map[[2]string]uint16{},
		firewalled: map[dial]bool{},
		budget:     maxAheadTests,
	}
	b.readMarks()
	b.readChains()
	b.large = b.largeCluster()
	b.readEntrance()
	b.gatherNAT()
	b.gatherFilter()
	b.gatherMissing()
	b.groupByService()
	for _, svc := range b.order {
		b.describe(svc)
		b.judge(svc)
		b.checkBackends(svc)
		b.checkEndpointNames(svc)
		slices.SortStableFunc(svc.Entries, compareEntries)
	}
	b.orphans()
	b.remarkOnNames()
	return b.order, b.diagnostics
}

func (b *builder) report(severity source.Severity, code string, at *netfilter.Rule, format string, args ...any) {
	d := source.Diagnostic{Severity: severity, Code: code, Message: fmt.Sprintf(format, args...)}
	if at != nil {
		d.Pos = at.Pos()
	}
	b.diagnostics = append(b.diagnostics, d)
}

// serviceChains are the chains of nat that have one hash in their names.
type serviceChains [kubeproxy.EndpointChain]*netfilter.Chain // by kind

// readChains sorts nat's chains by what their names say, and reads where
// endpoint chains lead. All in a row, in the order of the input: that is how
// they lie in memory, and looking each up from the rule that leads to it takes
// several times as long.
func (b *builder) readChains() {
	b.kinds = make([]kubeproxy.ChainKind, len(b.nat.Chains()))
	b.targets = make([]target, len(b.nat.Chains()))
	b.chains = map[string]serviceChains{}
	for i, c := range b.nat.Chains() {
		kind, hash := kubeproxy.ParseChainName(c.Name)
		b.kinds[i] = kind
		switch {
		case kind == kubeproxy.EndpointChain, kind == kubeproxy.OtherChain && c.Base == nil && c.NumRules() <= fewRules:
			b.targets[i] = b.readEndpoint(c)
		case kind != kubeproxy.OtherChain:
			chains := b.chains[hash]
			chains[kind] = c
			b.chains[hash] = chains
		}
	}
}

// kindOf is the kind of the chain that a jump of nat leads to.
func (b *builder) kindOf(j *netfilter.Jump) kubeproxy.ChainKind {
	if j.Chain != nil {
		return b.kinds[j.Chain.Index()]
	}
	kind, _ := kubeproxy.ParseChainName(j.Name)
	return kind
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
	if b.natGraph == nil || !b.nat.Complete {
		return true
	}
	_, ok := b.natGraph.Distance(c)
	return ok
}
