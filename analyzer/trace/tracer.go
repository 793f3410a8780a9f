// Package trace follows one packet through all hooks of a snapshot: which rules
// decide something about it, and every way in which it can end, with exact
// probabilities.
//
// The walk is the kernel's: hooks in its order, base chains of all tables and
// back ends in order of priority, nat for a connection's first packet, the
// routing decision before input and forward and again after a translation on
// the way out. What a capture does not tell is never guessed: a match that is
// not known to hold splits the way, both are followed, and each outcome names
// the assumptions that it rests on. What the kernel does outside of netfilter
// is taken to let the packet pass: forwarding is on, rp_filter drops nothing,
// policy routing and traffic control send it nowhere else.
//
// IPVS is a step of the walk: behind the rules at input, and at output for what
// the node itself sends, where a virtual server takes the packet, it is sent to
// a real server through output and postrouting, and never through forward.
//
// Kernel files are cited as of Linux 6.x.
package trace

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Tracer follows packets through one snapshot. New makes it; any number of
// goroutines may use it.
type Tracer struct {
	families [2]family // IPv4, IPv6
	node     node
	pods     []netip.Prefix
	balancer balancer
	indexes  indexes

	recentMasks recentMasks
	ipsets      ipsets
	changes     setChanges
	linkMatters [2]atomic.Bool         // IPv4, IPv6: see unrouted.go
	rests       [2][numRests]restRules // IPv4, IPv6
	fellows     fellowRules
	walks       sync.Pool // of *walk, those that are over
}

// family is what the kernel runs for packets of one address family.
type family struct {
	hooks [netfilter.Egress + 1][]stage
	// translates says that nat rules exist, at whatever hook.
	translates bool
	// unfiltered says that no chain of the capture filters, so that table
	// filter is taken to be missing from it.
	unfiltered bool
	// untranslated says that table nat is missing from it: kube-proxy's chains
	// are there without the table that holds most of them, or without what
	// leads to them, or nothing at all.
	untranslated bool
	// remarks are true of every trace of the family.
	remarks []source.Diagnostic
}

// A stage is one thing that the kernel registered at a hook.
type stage struct {
	priority int
	what     stageKind
	// chains has one base chain; for nat all of the hook's, in order of
	// priority.
	chains []*netfilter.Chain
}

type stageKind uint8

const (
	chainStage     stageKind = iota
	conntrackStage           // conntrack looks up or makes the packet's connection
	natStage
	ipvsStage
)

// New prepares a snapshot, which must not change afterwards.
func New(s *snapshot.Snapshot) *Tracer {
	t := &Tracer{
		node: newNode(s), pods: s.PodCIDRs, balancer: newBalancer(s), indexes: indexes{from: indexedRules}, fellows: fellowRules{from: fewestFellows},
		recentMasks: recentMasks{snapshot: s}, ipsets: ipsets{snapshot: s}, changes: setChanges{snapshot: s},
	}
	for i, f := range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
		t.families[i] = newFamily(s, f)
		if b := &t.balancer; b.table != nil || b.likely {
			t.families[i].balance()
		}
	}
	return t
}

// hasKubeProxy reports whether a family's iptables hold chains of kube-proxy's,
// which it never makes in filter alone.
func hasKubeProxy(s *snapshot.Snapshot, which netfilter.Family) bool {
	return slices.ContainsFunc(s.Tables, func(t *netfilter.Table) bool {
		return t.Family == which && t.Backend != netfilter.Native &&
			(t.Chain("KUBE-SERVICES") != nil || t.Chain("KUBE-FORWARD") != nil)
	})
}

func newFamily(s *snapshot.Snapshot, which netfilter.Family) family {
	var f family
	var plain, nat [len(f.hooks)][]*netfilter.Chain
	f.unfiltered = true
	for _, table := range s.Tables {
		switch table.Family {
		case which, netfilter.Inet, netfilter.AnyFamily, netfilter.Netdev:
		case netfilter.Bridge:
			f.remarkBridge(table)
			continue
		default:
			continue
		}
		if table.Dormant {
			continue
		}
		if !table.Complete {
			f.remarks = append(f.remarks, source.Diagnostic{
				Severity: source.Warning,
				Pos:      table.Pos,
				Code:     "incomplete-table",
				Message:  fmt.Sprintf("table %s was not captured whole; packets are followed through the rules that were", table.Name),
			})
		}
		for _, c := range table.Chains() {
			switch {
			case c.Base == nil:
			case c.Base.Type == netfilter.NATType:
				f.translates = f.translates || c.NumRules() > 0
				nat[c.Base.Hook] = append(nat[c.Base.Hook], c)
			default:
				f.unfiltered = f.unfiltered && (table.Name == "raw" || table.Name == "mangle" || table.Family == netfilter.Netdev)
				plain[c.Base.Hook] = append(plain[c.Base.Hook], c)
			}
		}
	}
	for _, hook := range []netfilter.Hook{netfilter.Prerouting, netfilter.Output} {
		// net/netfilter/nf_conntrack_proto.c, ipv4_conntrack_ops.
		f.hooks[hook] = append(f.hooks[hook], stage{priority: netfilter.PriorityConntrack, what: conntrackStage})
	}
	hasNAT := slices.ContainsFunc(nat[:], func(chains []*netfilter.Chain) bool { return chains != nil })
	f.untranslated = !hasNAT && s.IPVS == nil && (len(s.Tables) == 0 || hasKubeProxy(s, which))
	for _, hook := range []netfilter.Hook{netfilter.Prerouting, netfilter.Input, netfilter.Output, netfilter.Postrouting} {
		// The first nat chain registers nat at all four hooks, and where there
		// are no chains a connection is bound to stay as it is.
		if !hasNAT {
			break
		}
		chains := nat[hook]
		// All nat chains of a hook run inside one function, which is
		// registered at iptables' priority whatever theirs is; among
		// themselves they keep their order (nf_nat_core.c,
		// nf_nat_register_fn).
		sortChains(chains)
		priority := netfilter.PriorityNATDestination
		if changesSource(hook) {
			priority = netfilter.PriorityNATSource
		}
		f.hooks[hook] = append(f.hooks[hook], stage{priority: priority, what: natStage, chains: chains})
		f.remarkTies(chains)
	}
	for hook, chains := range plain {
		sortChains(chains)
		f.remarkTies(chains)
		stages := f.hooks[hook]
		for _, s := range stages {
			f.remarkTiesWith(s, chains)
		}
		for _, c := range chains {
			stages = append(stages, stage{priority: c.Base.Priority, chains: []*netfilter.Chain{c}})
		}
		// Conntrack and nat were registered before the chains that share
		// their priority here, which no chain of iptables does.
		slices.SortStableFunc(stages, func(a, b stage) int {
			return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(b.what, a.what))
		})
		f.hooks[hook] = stages
	}
	return f
}

// balance registers IPVS.
func (f *family) balance() {
	for _, at := range []struct {
		hook     netfilter.Hook
		priority int
	}{{netfilter.Input, priorityIPVSInput}, {netfilter.Output, priorityIPVSOutput}} {
		stages := f.hooks[at.hook]
		behind := slices.IndexFunc(stages, func(s stage) bool { return s.priority > at.priority })
		if behind < 0 {
			behind = len(stages)
		}
		f.hooks[at.hook] = slices.Insert(stages, behind, stage{priority: at.priority, what: ipvsStage})
	}
}

// changesSource reports whether nat at the hook is for sources, else for
// destinations (include/net/netfilter/nf_nat.h, HOOK2MANIP).
func changesSource(h netfilter.Hook) bool {
	return h == netfilter.Input || h == netfilter.Postrouting
}

// sortChains puts chains into the order in which the kernel runs them: by
// priority, and of the same priority the one first that was registered last
// (net/netfilter/core.c, nf_hook_entries_grow). nft lists tables and chains in
// the order in which they were made; of others no dump tells, and they keep
// theirs.
func sortChains(chains []*netfilter.Chain) {
	slices.Reverse(chains)
	slices.SortStableFunc(chains, func(a, b *netfilter.Chain) int {
		return compareBools(a.Table.Backend != netfilter.Native, b.Table.Backend != netfilter.Native)
	})
	natives := 0
	for natives < len(chains) && chains[natives].Table.Backend == netfilter.Native {
		natives++
	}
	slices.Reverse(chains[natives:])
	slices.SortStableFunc(chains, func(a, b *netfilter.Chain) int { return cmp.Compare(a.Base.Priority, b.Base.Priority) })
}

// remarkTies says where the order of chains rests on the order of the input.
func (f *family) remarkTies(chains []*netfilter.Chain) {
	for i := 1; i < len(chains); i++ {
		a, b := chains[i-1], chains[i]
		if a.Base.Priority == b.Base.Priority && a.NumRules() > 0 && b.NumRules() > 0 {
			f.remarkTie(b, fmt.Sprintf("chain %s of table %s is taken to run before it", a.Name, a.Table.Name))
		}
	}
}

// remarkTiesWith says where chains share the priority of conntrack or of nat.
func (f *family) remarkTiesWith(s stage, chains []*netfilter.Chain) {
	what := "nat, which is"
	if s.what == conntrackStage {
		what = "connection tracking, which is"
	}
	for _, c := range chains {
		if c.Base.Priority == s.priority && c.NumRules() > 0 {
			f.remarkTie(c, what+" taken to come before it")
		}
	}
}

func (f *family) remarkTie(c *netfilter.Chain, with string) {
	f.remarks = append(f.remarks, source.Diagnostic{
		Severity: source.Info,
		Pos:      c.Pos(),
		Code:     "same-priority",
		Message: fmt.Sprintf("chain %s of table %s is not alone at hook %s with priority %d: %s",
			c.Name, c.Table.Name, c.Base.Hook, c.Base.Priority, with),
	})
}

// remarkBridge says that rules for what bridges pass on are not followed.
func (f *family) remarkBridge(t *netfilter.Table) {
	if t.NumRules() > 0 && !t.Dormant {
		f.remarks = append(f.remarks, source.Diagnostic{
			Severity: source.Warning,
			Pos:      t.Pos,
			Code:     "bridge-table",
			Message:  fmt.Sprintf("table %s of family bridge is taken to let packets pass", t.Name),
		})
	}
}

// Trace follows one packet. The error says why there can be no such packet.
func (t *Tracer) Trace(f Flow) (*Trace, error) { return t.trace(f, decidingSteps) }

// TraceAllSteps is Trace with paths that also hold the rules which did not
// match and those that decided nothing.
func (t *Tracer) TraceAllSteps(f Flow) (*Trace, error) { return t.trace(f, allSteps) }

// TraceOutcomes is Trace without the paths, for who has many packets to follow
// and asks how they come to their ends only now and then.
func (t *Tracer) TraceOutcomes(f Flow) (*Trace, error) { return t.trace(f, noSteps) }

// detail says which steps the paths hold.
type detail uint8

const (
	decidingSteps detail = iota
	allSteps
	noSteps
	// endsOnly is noSteps where nobody asks whether the node itself gets what
	// ends alike with it and with others.
	endsOnly
)

// Check says why there can be no such packet, without following it; nil if
// there can.
func (t *Tracer) Check(f Flow) error {
	_, err := t.settled(f)
	return err
}

func (t *Tracer) trace(f Flow, d detail) (*Trace, error) {
	f, err := t.settled(f)
	if err != nil {
		return nil, err
	}
	w := newWalk(t, f, d)
	w.journey()
	defer w.over()
	return w.result(), nil
}

// settled is the flow with nothing left to be derived.
func (t *Tracer) settled(f Flow) (Flow, error) {
	f, err := f.checked()
	if err != nil {
		return f, err
	}
	if f.From == "" {
		f.From = t.originOf(f)
	}
	return f, nil
}

// originOf tells by its source where a packet comes from.
func (t *Tracer) originOf(f Flow) Origin {
	if !f.Source.IsValid() || f.InInterface != "" {
		return FromExternal
	}
	if local, _ := t.node.isLocal(f.Source); local {
		return FromNode
	}
	for _, p := range t.pods {
		if p.Contains(f.Source) {
			return FromPod
		}
	}
	return FromExternal
}
