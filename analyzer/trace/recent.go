package trace

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"strconv"
	"sync"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
)

// A fact is what a rule did to a list of addresses of "-m recent", or to a set
// of nftables, with the facts before it.
type fact struct {
	before  int32 // place of the fact before, counted from 1; 0 for none
	list    string
	client  netip.Addr
	set     *netfilter.Set // nil for a list
	key     netfilter.Key
	removed bool // else it was added, just now
}

func (f *fact) hash() uint32 {
	return uint32(mixed(maphash.String(nameSeed, f.list)^maphash.String(nameSeed, string(f.key)), uint64(f.before)<<1|uint64(flag(f.removed))))
}

// noted is the packet with a fact added.
func (w *walk) noted(number int32, list string, client netip.Addr, removed bool) int32 {
	p := w.packet(number)
	if gone, ok := w.fact(p, list, client); ok && gone == removed {
		return number
	}
	return w.withFact(number, fact{before: p.facts, list: list, client: client, removed: removed})
}

// fact is the last thing that happened to the client in the list.
func (w *walk) fact(p *packet, list string, client netip.Addr) (removed, ok bool) {
	for at := p.facts; at != 0; at = w.facts.things[at-1].before {
		if f := &w.facts.things[at-1]; f.list == list && f.client == client {
			return f.removed, true
		}
	}
	return false, false
}

// recent tells which part of a particle a Recent match holds for, and does
// what it does (xt_recent.c, recent_mt). Whether a client was here before is a
// matter of the past, and so an open question.
func (w *walk) recent(rule *netfilter.Rule, m *netfilter.Recent, p particle) (hit, miss particle) {
	packet := w.packet(p.packet)
	client := packet.src
	if m.Side == netfilter.Destination {
		client = packet.dst
	}
	client = maskedBy(client, w.tracer.recentMasks.of(m, client))

	found, missing := p, p
	found.mass, missing.mass = nil, nil
	switch removed, ok := w.fact(packet, m.Name, client); {
	case m.Action == netfilter.RecentSet:
		found.mass = p.mass
	case ok && removed:
		missing.mass = p.mass
	case ok && m.HitCount <= 1 && !m.TTL:
		found.mass = p.mass
	default:
		seen := w.seen(rule, m, client)
		found.mass, missing.mass = w.only(p.mass, seen), w.only(p.mass, w.not(seen))
	}

	// Inverted, "update" refreshes those that it does not find fresh.
	switch {
	case m.Action == netfilter.RecentSet, m.Action == netfilter.RecentUpdate && !m.Not:
		found.packet = w.noted(found.packet, m.Name, client, false)
	case m.Action == netfilter.RecentRemove:
		found.packet = w.noted(found.packet, m.Name, client, true)
		missing.packet = w.noted(missing.packet, m.Name, client, true)
	}
	if m.Not {
		found, missing = missing, found
	}
	return found, w.missed(missing, rule, m, missing.mass)
}

// seen is the condition that a list saw a client.
func (w *walk) seen(rule *netfilter.Rule, m *netfilter.Recent, client netip.Addr) condition {
	key := append(append(append(w.key[:0], "\x00recent "...), m.Name...), ' ')
	key = strconv.AppendUint(append(client.AppendTo(key), ' '), uint64(m.HitCount), 10)
	key = strconv.AppendBool(append(key, ' '), m.TTL)
	if m.Action != netfilter.RecentRemove { // which looks at no time
		key = strconv.AppendUint(append(key, ' '), uint64(m.Seconds), 10)
	}
	w.key = key
	n, ok := w.asked.find(key)
	if !ok {
		n = w.ask(question{rule: rule, recent: m, list: m.Name, client: w.clientText(client)})
	}
	return w.literal(n)
}

// clientText is what a client is called. Nearly always it is the one that was
// asked for last.
func (w *walk) clientText(client netip.Addr) string {
	switch {
	case !client.IsValid():
		return "the client"
	case client != w.client:
		w.client, w.clientName = client, client.String()
	}
	return w.clientName
}

// seen is words for a question of recent lists.
func (w *words) seen(q *question, yes bool) string {
	text := append(w.begin(q.client), " was "...)
	if !yes {
		text = append(text, "not "...)
	}
	text = append(append(text, "seen before by recent list "...), q.list...)
	if m := q.recent; m.HitCount > 1 {
		text = fmt.Appendf(text, " %d times", m.HitCount)
	}
	if m := q.recent; m.Seconds != 0 && m.Action != netfilter.RecentRemove {
		text = append(strconv.AppendUint(append(text, " within the last "...), uint64(m.Seconds), 10), " s"...)
	}
	return w.keep(text)
}

// recentMasks are the masks of lists of addresses. A list has one, that of the
// rule that made it, which is the first of those that name it; the masks of
// the others count for nothing (xt_recent.c, recent_mt_check and recent_mt).
// The lists of IPv4 and of IPv6 are apart.
type recentMasks struct {
	snapshot *snapshot.Snapshot
	once     sync.Once
	byList   map[recentList]string // nil where all lists of a family have the same
}

type recentList struct {
	name string
	is4  bool
}

// of is the mask of the list that a match names. The rules are looked through
// when it is first asked for.
func (r *recentMasks) of(m *netfilter.Recent, client netip.Addr) string {
	r.once.Do(r.read)
	if mask, ok := r.byList[recentList{m.Name, client.Is4()}]; ok {
		return mask
	}
	return m.Mask
}

func (r *recentMasks) read() {
	if r.areAlike() {
		return // as kube-proxy's, a list for each endpoint of some services
	}
	r.byList = map[recentList]string{}
	for _, table := range r.snapshot.Tables {
		for rule := range table.Rules() {
			for _, m := range rule.Matches() {
				m, ok := m.(*netfilter.Recent)
				if !ok {
					continue
				}
				list := recentList{m.Name, table.Family == netfilter.IPv4}
				if _, known := r.byList[list]; !known {
					r.byList[list] = m.Mask
				}
			}
		}
	}
}

// areAlike reports whether no two matches of a family have different masks.
func (r *recentMasks) areAlike() bool {
	masks := map[bool]string{}
	for _, table := range r.snapshot.Tables {
		is4 := table.Family == netfilter.IPv4
		mask, known := masks[is4]
		for m := range table.EveryMatch() {
			m, ok := m.(*netfilter.Recent)
			if !ok {
				continue
			}
			if known && m.Mask != mask {
				return false
			}
			if !known {
				mask, known = m.Mask, true
				masks[is4] = mask
			}
		}
	}
	return true
}

// maskedBy is the network that an address counts for, as its first address.
func maskedBy(a netip.Addr, mask string) netip.Addr {
	if !a.IsValid() || mask == "255.255.255.255" && a.Is4() {
		return a
	}
	bits, err := netip.ParseAddr(mask)
	if err != nil || bits.BitLen() != a.BitLen() {
		return a
	}
	x, m := a.AsSlice(), bits.AsSlice()
	for i := range x {
		x[i] &= m[i]
	}
	a, _ = netip.AddrFromSlice(x)
	return a
}
