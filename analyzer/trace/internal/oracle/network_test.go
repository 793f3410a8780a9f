//go:build linux

package oracle

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"github.com/svcpath/svcpath/analyzer/trace/internal/kernel"
	"github.com/svcpath/svcpath/parsers/capture"
)

// A network is a node's place among its networks, as a snapshot has it and as
// the kernel is made to have it.
type network struct {
	layout kernel.Layout
	// first is the first of the node's IPv4 addresses.
	first netip.Addr
}

// networkOf lays out the kernel as the snapshot says: interfaces that have
// addresses, lead somewhere or stand in a rule.
func networkOf(snap *snapshot.Snapshot) *network {
	n := new(network)
	at := map[string]int{}
	device := func(name string) *kernel.Interface {
		i, ok := at[name]
		if !ok {
			i = len(n.layout.Interfaces)
			at[name] = i
			n.layout.Interfaces = append(n.layout.Interfaces, kernel.Interface{Name: name})
		}
		return &n.layout.Interfaces[i]
	}
	for _, a := range snap.Addresses {
		if a.Interface != "" && a.Interface != "lo" {
			d := device(a.Interface)
			d.Addresses = append(d.Addresses, a.Prefix)
			if addr := a.Prefix.Addr(); addr.Is4() && !n.first.IsValid() {
				n.first = addr
			}
		}
	}
	leads := map[netip.Prefix]bool{}
	for _, r := range snap.Routes {
		if r.Type == "unicast" && r.Table == "main" && r.Dev != "" && !r.Dst.Addr().IsLinkLocalUnicast() && !leads[r.Dst] {
			device(r.Dev)
			leads[r.Dst] = true // the first is the best of those alike
			n.layout.Routes = append(n.layout.Routes, kernel.Route{Dst: r.Dst, Dev: r.Dev})
		}
	}
	for _, table := range snap.Tables {
		for rule := range table.Rules() {
			for _, m := range rule.Matches() {
				i, ok := m.(*netfilter.Interface)
				if !ok || i.Name == "" || i.Name == "lo" {
					continue
				}
				if i.Prefix {
					known := slices.ContainsFunc(n.layout.Interfaces, func(d kernel.Interface) bool { return i.Matches(d.Name) })
					if !known {
						device(i.Name + "0")
					}
				} else {
					device(i.Name)
				}
			}
		}
	}
	return n
}

// probeOf is the packet that the flow speaks of.
func probeOf(f trace.Flow) kernel.Probe {
	p := kernel.Probe{
		In:          f.InInterface,
		Protocol:    f.Protocol,
		Source:      netip.AddrPortFrom(f.Source, f.SourcePort),
		Destination: netip.AddrPortFrom(f.Destination, f.Port),
	}
	if f.State == netfilter.StateInvalid {
		p.TCPFlags = kernel.SYN | kernel.FIN // nf_conntrack_proto_tcp.c, tcp_valid_flags
	}
	return p
}

// words writes a flow in one line.
func words(f trace.Flow) string {
	from := string(f.From)
	if f.InInterface != "" {
		from += " by " + f.InInterface
	}
	state := ""
	if f.State != 0 && f.State != netfilter.StateNew {
		state = f.State.String() + " "
	}
	return fmt.Sprintf("%s%s %s %v -> %v", state, from, protocolNames[f.Protocol],
		netip.AddrPortFrom(f.Source, f.SourcePort), netip.AddrPortFrom(f.Destination, f.Port))
}

// A tester is a test, of package testing or rapid.
type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// open makes a snapshot of texts, one of each command.
func open(t tester, texts ...string) *snapshot.Snapshot {
	t.Helper()
	snap, err := capture.Open([]string{"-"}, capture.Options{Stdin: strings.NewReader(strings.Join(texts, "\n"))})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range snap.Sources {
		if s.SkippedLines > 0 {
			t.Fatalf("%s: %d lines were not understood: %v", s.Pos, s.SkippedLines, snap.Diagnostics)
		}
	}
	return snap
}

// asker asks trace and kernel for the same flows.
type asker struct {
	network *network
	tracer  *trace.Tracer
	node    *kernel.Node
	packets int // sent so far
	// open counts the flows whose end the trace leaves open in some way, and
	// vague those among them for which any end that it names was taken.
	open, vague int
	// alone says that any packet may add something to a set.
	alone bool
	// decided counts the flows that some rule may do something about.
	decided int
}

// A difference is a flow that trace and kernel disagree on.
type difference struct {
	flow  trace.Flow
	trace *trace.Trace
	seen  []end // what the kernel did
	why   string
}

// Packets a flow: few where the trace sees one end only, else as many as make
// the rarest end come often enough to be counted.
const (
	packetsCertain = 6
	packetsLeast   = 200
	packetsMost    = 2000
	packetsFilling = 40 // where sets are emptied between them
)

func packetsFor(predictions [][]share) int {
	n := packetsCertain
	for _, shares := range predictions {
		for _, s := range shares {
			switch {
			case !(s.chance > 0) || s.chance > 1-1e-9:
			default:
				n = max(n, packetsLeast, min(packetsMost, int(12/s.chance)))
			}
		}
	}
	return n
}

// ask compares trace and kernel. A difference in frequency is asked for again
// with more packets, so that chance alone makes none.
func (a *asker) ask(t tester, flows []trace.Flow) []difference {
	t.Helper()
	found := a.askOnce(t, flows, 1)
	if len(found) == 0 {
		return nil
	}
	again := make([]trace.Flow, len(found))
	for i, d := range found {
		again[i] = d.flow
	}
	return a.askOnce(t, again, 4)
}

func (a *asker) askOnce(t tester, flows []trace.Flow, times int) []difference {
	t.Helper()
	traces := make([]*trace.Trace, len(flows))
	predictions := make([][][]share, len(flows))
	left := make([]int, len(flows))
	fills := make([]bool, len(flows))
	for i, f := range flows {
		tr, err := a.tracer.Trace(f)
		if err != nil {
			t.Fatalf("%s: %v", words(f), err)
		}
		traces[i], fills[i] = tr, fillsSet(tr)
		var whole bool
		predictions[i], whole = scenarios(f, tr)
		if times == 1 && (len(tr.Outcomes) > 1 || tr.Outcomes[0].Verdict != trace.Accept || tr.Outcomes[0].Masquerade) {
			a.decided++
		}
		if times == 1 && len(predictions[i]) > 1 {
			a.open++
			if !whole {
				a.vague++
			}
		}
		left[i] = packetsFor(predictions[i]) * times
		if fills[i] || a.alone {
			left[i] = min(left[i], packetsFilling*times)
		}
	}
	// Round by round, each in another order, so that no flow meets the
	// counters of "--mode nth" always at the same count.
	var probes []kernel.Probe
	var of []int
	order := rand.New(rand.NewPCG(1, 2))
	for round := 0; ; round++ {
		sent := false
		for _, i := range order.Perm(len(flows)) {
			if round < left[i] {
				p := probeOf(flows[i])
				p.Fills, p.Alone = fills[i], a.alone
				probes, of, sent = append(probes, p), append(of, i), true
			}
		}
		if !sent {
			break
		}
	}
	fates, err := a.node.Send(probes)
	if err != nil {
		t.Fatal(err)
	}
	a.packets += len(probes)
	byFlow := make([][]kernel.Fate, len(flows))
	for k, f := range fates {
		byFlow[of[k]] = append(byFlow[of[k]], f)
	}
	var found []difference
	for i, f := range flows {
		seen := make([]end, len(byFlow[i]))
		for k, fate := range byFlow[i] {
			seen[k] = a.network.seen(f, fate)
		}
		why := disagreement(f, predictions[i], seen)
		if kinds := answersOf(byFlow[i]); why != "" && len(kinds) > 0 {
			why += fmt.Sprintf(" (kernel rejects with %s)", strings.Join(kinds, ", "))
		}
		if why == "" {
			why = wrongAnswer(traces[i], byFlow[i])
		}
		if why != "" {
			found = append(found, difference{f, traces[i], seen, why})
		}
	}
	return found
}

// fillsSet reports whether a rule on the packet's way changes a set.
func fillsSet(tr *trace.Trace) bool {
	for i := range tr.Outcomes {
		for _, step := range tr.Outcomes[i].Path {
			if step.Rule == nil {
				continue
			}
			for _, s := range step.Rule.Statements() {
				if _, ok := s.(*netfilter.ChangeSet); ok {
					return true
				}
			}
		}
	}
	return false
}
