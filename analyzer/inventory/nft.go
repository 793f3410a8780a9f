package inventory

import (
	"cmp"
	"slices"

	"github.com/svcpath/svcpath/analyzer/chaingraph"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An nftReader reads the services of one family back from kube-proxy's own
// table, as its nftables mode writes it: maps lead from addresses and ports to
// the chains of services.
type nftReader struct {
	snapshot *snapshot.Snapshot
	family   netfilter.Family
	table    *netfilter.Table
	graph    *chaingraph.Graph // nil when there is none

	// What is known of the table's chains, by their Index.
	names   []kubeproxy.NFTName // Kind OtherChain for others than those of services
	owners  []*nftPort          // the service port that a chain is named for, nil for none
	known   []knownBackends
	marking []knownMark // what chains mark that do nothing else

	// masqueradeBits are those of the mark that POSTROUTING masquerades for, 0
	// when not known; masquerading is "" where it acts on the mark.
	masqueradeBits uint32
	masquerading   Masquerading
	hairpins       *netfilter.Set // connections of endpoints to themselves, masqueraded without a mark; nil for none
	clusterIPs     *netfilter.Set // nil for none

	drafts []*nftDraft
	byDial map[dial]*nftDraft
	claims map[dial][]claim // of the cluster's objects
	// ingress are the addresses that load balancers have given out.
	ingress map[nftIngress]bool
	// firewalled are the load-balancer addresses that have source ranges.
	firewalled map[dial]bool
	// nodePorts are the addresses that node ports listen on.
	nodePorts nftNodePorts

	ports map[nftKey]*nftPort
	last  *nftPort   // that was asked for
	order []*nftPort // those with entries

	bases  []*netfilter.Chain   // in the order in which packets meet them
	shares map[[2]uint32]*Share // of random numbers, by how many of the draws hit
	askers map[*netfilter.Set]*netfilter.Rule
	budget int // rules and elements that may still be tried
	spent  bool
	shared int // elements of named maps that chains deal by

	judged []nftJudged // room for the entries that are still to be judged
	ends   []Endpoint  // room for what one chain deals out
	client client      // the packet that is followed
	// Room for a journey's lists.
	path     []*netfilter.Rule
	stack    []*netfilter.Chain
	elements []MapElement

	diagnostics []source.Diagnostic
}

// An nftKey tells service ports apart: by name, and where there is none, by the
// hash in the names of their chains or by what is dialled.
type nftKey struct {
	name     kubeproxy.ServicePort
	protocol uint8
	other    string
}

// An nftPort is a service port: the chains that are named for it, and what is
// dialled to come to it.
type nftPort struct {
	nftKey
	chains  Chains
	members []*nftDraft
	service *Service // nil where nothing is dialled
}

// An nftDraft is an entry whose verdict is not told yet.
type nftDraft struct {
	dial
	kind        Kind
	kindAssumed bool
	name        kubeproxy.ServicePort // that chain names or comments claim
	named       bool
	hash        string // in the name of the chain it leads to, when that is all that is known
	// element leads to a chain of a service, refusal is refused; nil for none.
	element, refusal *MapElement
	// missing is the rule that shows that there should be such an entry
	// although no map has it; nil for all others.
	missing *netfilter.Rule
}

// A MapElement is an element of a set or map of nftables.
type MapElement struct {
	// Rule is the rule that looks it up; nil where none was followed.
	Rule   *netfilter.Rule
	Set    *netfilter.Set
	Number int
}

func (e *MapElement) verdict() netfilter.Statement { return e.Set.Verdict(e.Number) }

// Text is the element as nft prints it.
func (e MapElement) Text() string { return e.Set.FormatElement(e.Set.Element(e.Number)) }

// Pos is its line.
func (e MapElement) Pos() source.Position {
	pos := e.Set.Pos
	if line := e.Set.Element(e.Number).Line; line != 0 {
		pos.Line = line
	}
	return pos
}

// isNFTTable reports whether a table is one that kube-proxy's nftables mode
// makes.
func isNFTTable(t *netfilter.Table) bool {
	return t.Backend == netfilter.Native && t.Name == kubeproxy.NFTablesTable &&
		(t.Family == netfilter.IPv4 || t.Family == netfilter.IPv6)
}

// readNFTables adds the services of kube-proxy's own tables to the inventory.
func readNFTables(s *snapshot.Snapshot, graphOf func(*netfilter.Table) *chaingraph.Graph, inv *Inventory) {
	for _, t := range s.Tables {
		if !isNFTTable(t) {
			continue
		}
		r := newNFTReader(s, t, graphOf(t))
		r.read()
		for _, port := range r.order {
			inv.Services = append(inv.Services, port.service)
		}
		inv.Diagnostics = append(inv.Diagnostics, r.diagnostics...)
	}
}

func newNFTReader(s *snapshot.Snapshot, t *netfilter.Table, graph *chaingraph.Graph) *nftReader {
	chains := len(t.Chains())
	return &nftReader{
		snapshot: s, family: t.Family, table: t, graph: graph,
		names:      make([]kubeproxy.NFTName, chains),
		owners:     make([]*nftPort, chains),
		known:      make([]knownBackends, chains),
		marking:    make([]knownMark, chains),
		byDial:     map[dial]*nftDraft{},
		claims:     claimsOf(s, t.Family),
		ingress:    ingressOf(s),
		firewalled: map[dial]bool{},
		ports:      map[nftKey]*nftPort{},
		shares:     map[[2]uint32]*Share{},
		askers:     map[*netfilter.Set]*netfilter.Rule{},
		budget:     maxAheadTests,
	}
}

func (b *nftReader) read() {
	b.readNames()
	b.readBases()
	b.readMasquerading()
	b.readEndpoints()
	b.gather()
	b.group()
	b.judged = make([]nftJudged, len(b.drafts))
	for _, port := range b.order {
		b.describe(port)
		b.judge(port)
		b.checkBackends(port.service)
		slices.SortStableFunc(port.service.Entries, compareEntries)
	}
	b.orphans()
}

// readNames takes the names of chains apart, and compares their hashes with
// the names.
func (b *nftReader) readNames() {
	for i, c := range b.table.Chains() {
		n, ok := kubeproxy.ParseNFTName(c.Name)
		if !ok || c.Base != nil {
			continue
		}
		b.names[i] = n
		if !n.Owned() {
			b.report(source.Warning, "hash-mismatch", c.Pos(), "the name of chain %s has the hash %s; that of what it names would be %s", c.Name, n.Hash, n.OwnHash())
		}
		port := b.port(keyOf(n))
		b.owners[i] = port
		switch n.Kind {
		case kubeproxy.ServiceChain:
			port.chains.Service = c
		case kubeproxy.ExternalChain:
			port.chains.External = c
		case kubeproxy.LocalChain:
			port.chains.Local = c
		case kubeproxy.FirewallChain:
			port.chains.Firewall = c
		}
	}
}

// port is the service port of a key, made if there is none. Chains of one stand
// together.
func (b *nftReader) port(key nftKey) *nftPort {
	if b.last != nil && b.last.nftKey == key {
		return b.last
	}
	port := b.ports[key]
	if port == nil {
		port = &nftPort{nftKey: key}
		b.ports[key] = port
	}
	b.last = port
	return port
}

// keyOf is the service port that a name names.
func keyOf(n kubeproxy.NFTName) nftKey {
	if n.Cut {
		return nftKey{other: n.Hash}
	}
	return nftKey{name: n.Port, protocol: n.Protocol}
}

// nameOf takes a chain's name apart: a zero name is of no service's chain.
func (b *nftReader) nameOf(c *netfilter.Chain) *kubeproxy.NFTName {
	if c == nil || c.Table != b.table {
		return &kubeproxy.NFTName{}
	}
	return &b.names[c.Index()]
}

// nameIn takes the name apart that a jump has, whether there is such a chain or
// not.
func (b *nftReader) nameIn(jump *netfilter.Jump) (n *kubeproxy.NFTName, ok bool) {
	if n = b.nameOf(jump.Chain); n.Kind != kubeproxy.OtherChain {
		return n, true
	}
	parsed, ok := kubeproxy.ParseNFTName(jump.Name)
	return &parsed, ok
}

// readBases puts the base chains into the order in which packets from outside
// meet them.
func (b *nftReader) readBases() {
	if b.table.Dormant {
		return
	}
	for _, c := range b.table.Chains() {
		if c.Base != nil {
			b.bases = append(b.bases, c)
		}
	}
	slices.SortStableFunc(b.bases, func(x, y *netfilter.Chain) int {
		return cmp.Or(cmp.Compare(x.Base.Hook, y.Base.Hook), cmp.Compare(x.Base.Priority, y.Base.Priority))
	})
}

// readMasquerading finds what POSTROUTING does: masquerade what carries a mark,
// and since 1.36 what an endpoint sends to itself.
func (b *nftReader) readMasquerading() {
	b.clusterIPs = b.table.Set(kubeproxy.ClusterIPsSet)
	found := false
	for _, c := range b.table.Chains() {
		var tested uint32
		for r := range c.Rules() {
			masquerades := slices.ContainsFunc(r.Statements(), func(s netfilter.Statement) bool {
				_, ok := s.(*netfilter.Masquerade)
				return ok
			})
			var set *netfilter.Set
			for _, m := range r.Matches() {
				switch m := m.(type) {
				case *netfilter.Mark:
					tested |= m.Mask
				case *netfilter.Compare:
					set = m.Set
				}
			}
			if !masquerades {
				continue
			}
			found = true
			switch {
			case set != nil && set.Name == kubeproxy.HairpinSet:
				b.hairpins = set
			case tested != 0:
				b.masqueradeBits |= tested
			case len(r.Matches()) == 0:
				b.masquerading = MasqueradeAlways
			}
		}
	}
	if !found && b.table.Complete {
		b.masquerading = MasqueradeNever
	}
}
