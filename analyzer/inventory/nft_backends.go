package inventory

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A knownBackends is what a chain deals out, once it was read.
type knownBackends struct {
	read bool
	*backends
}

// readEndpoints reads what service and local chains deal out, all in a row: the
// input has them in another order than its maps, and so has memory.
func (b *nftReader) readEndpoints() {
	for i, c := range b.table.Chains() {
		switch b.names[i].Kind {
		case kubeproxy.ServiceChain, kubeproxy.LocalChain:
			b.backendsOf(c)
		}
	}
}

// backendsOf reads the endpoints that a chain deals connections out to, as
// service and local chains do.
func (b *nftReader) backendsOf(c *netfilter.Chain) *backends {
	known := &b.known[c.Index()]
	if !known.read {
		known.read, known.backends = true, b.readBackends(c)
	}
	return known.backends
}

func (b *nftReader) readBackends(c *netfilter.Chain) *backends {
	result := &backends{hairpin: true}
	ends, found := b.ends[:0], false
	read := ""
	for r := range c.Rules() {
		if r.Text() == read {
			continue // the text has the chain twice, and what deals in it deals once
		}
		if dealsOut(r) {
			read = r.Text()
		}
		for _, s := range r.Statements() {
			switch s := s.(type) {
			case *netfilter.VerdictMap:
				if !isDice(s.Key) || !b.affords(s.Map) {
					continue
				}
				found = true
				dealt := uint64(0)
				for i := range s.Map.Len() {
					share, hits := b.shareOf(s.Key, s.Map, i)
					dealt += hits
					jump, _ := s.Map.Verdict(i).(*netfilter.Jump)
					ends = append(ends, b.endpointAt(jump, share, r, result))
				}
				result.whole = isAll(s.Key, dealt)
			case *netfilter.MapNAT:
				if m, ok := s.Addr.(*netfilter.MapValue); ok && s.Kind == netfilter.ToDestination && isDice(m.Key) && b.affords(m.Map) {
					found = true
					dealt := uint64(0)
					for i := range m.Map.Len() {
						share, hits := b.shareOf(m.Key, m.Map, i)
						dealt += hits
						to, ok := addrPortOf(m.Map, i)
						if !ok && result.dead == nil {
							result.dead = r
						}
						result.hairpin = result.hairpin && b.hairpins != nil
						ends = append(ends, Endpoint{Addr: to, Probability: share})
					}
					result.whole = isAll(m.Key, dealt)
				}
			case *netfilter.DNAT:
				found = true
				if to := s.To(); to.First.IsValid() && to.First == to.Last && to.HasPorts && to.Ports.IsSingle() {
					ends = append(ends, Endpoint{Addr: netip.AddrPortFrom(to.First, to.Ports.First), Probability: all})
					result.hairpin, result.whole = b.hairpins != nil, true
				}
			case *netfilter.Jump:
				if b.nameOf(s.Chain).Kind != kubeproxy.EndpointChain && !(s.Chain == nil && isEndpointName(s.Name)) {
					continue
				}
				if b.looksBack(r) {
					continue // what clients that were here before get
				}
				found = true
				ends = append(ends, b.endpointAt(s, all, r, result))
				result.whole = true
			}
		}
	}
	if !found {
		return nil
	}
	b.ends = ends
	result.part = !b.table.Complete && (result.dead != nil || !result.whole)
	result.affinity = b.affinityOf(c)
	result.endpoints = slices.Clone(mergeUnknown(ends))
	if b.hairpins != nil {
		// Only connections of endpoints on the node itself are in the set; those of
		// others never come by here.
		result.hairpin = slices.ContainsFunc(result.endpoints, b.isHairpin)
	}
	return result
}

// maxShared bounds how many elements of named maps are read as endpoints. Maps
// that are written out in a rule cost no more than their text; a named one could
// be dealt by in every chain. kube-proxy has none.
const maxShared = 1_000_000

func (b *nftReader) affords(set *netfilter.Set) bool {
	if set.Name == "" {
		return true
	}
	b.shared += set.Len()
	return b.shared <= maxShared
}

func isEndpointName(name string) bool {
	n, ok := kubeproxy.ParseNFTName(name)
	return ok && n.Kind == kubeproxy.EndpointChain
}

// endpointAt reads the endpoint chain that a rule leads to.
func (b *nftReader) endpointAt(jump *netfilter.Jump, share *Share, r *netfilter.Rule, result *backends) Endpoint {
	e := Endpoint{Probability: share}
	if jump == nil || jump.Chain == nil {
		if result.dead == nil {
			result.dead = r
		}
		return e
	}
	e.Chain = jump.Chain
	hairpin := false
	for r := range jump.Chain.Rules() {
		for _, s := range r.Statements() {
			switch s := s.(type) {
			case *netfilter.DNAT:
				if to := s.To(); to.First.IsValid() && to.First == to.Last && to.Ports.IsSingle() {
					e.Addr = netip.AddrPortFrom(to.First, to.Ports.First)
				}
			case *netfilter.Jump:
				hairpin = hairpin || s.Chain != nil && b.marksOf(s.Chain) != 0 && hasSource(r)
			case *netfilter.SetMark:
				hairpin = hairpin || hasSource(r)
			}
		}
	}
	if !e.Addr.IsValid() && result.dead == nil {
		result.dead = r
	}
	result.hairpin = result.hairpin && hairpin
	return e
}

// isHairpin reports whether the set of connections that are masqueraded has
// one of the endpoint to itself.
func (b *nftReader) isHairpin(e Endpoint) bool {
	if len(b.hairpins.Key) != 4 || !b.hairpins.Readable() {
		return false
	}
	var room [2*16 + 3]byte
	key := netfilter.AppendAddr(netfilter.AppendAddr(room[:0], e.Addr.Addr()), e.Addr.Addr())
	at := len(key)
	key = binary.BigEndian.AppendUint16(append(key, 0), e.Addr.Port())
	for _, protocol := range [...]uint8{netfilter.TCP, netfilter.UDP, netfilter.SCTP} {
		if key[at] = protocol; b.hairpins.Find(netfilter.Key(key)) >= 0 {
			return true
		}
	}
	return false
}

// looksBack reports whether a rule is for clients that were here before.
func (b *nftReader) looksBack(r *netfilter.Rule) bool {
	return slices.ContainsFunc(r.Matches(), func(m netfilter.Match) bool {
		c, ok := m.(*netfilter.Compare)
		return ok && c.Set != nil && isSource(c.Left)
	})
}

// affinityOf reads the session affinity of a chain: for how long the sets keep
// a client that its rules look up.
func (b *nftReader) affinityOf(c *netfilter.Chain) *Affinity {
	for r := range c.Rules() {
		for _, m := range r.Matches() {
			if m, ok := m.(*netfilter.Compare); ok && m.Set != nil && isSource(m.Left) && (m.Set.Changes() || !m.Set.Declared) {
				return &Affinity{TimeoutSeconds: uint32(m.Set.Timeout.Seconds())}
			}
		}
	}
	return nil
}

// addrPortOf reads a map's value: an address and a port.
func addrPortOf(set *netfilter.Set, element int) (netip.AddrPort, bool) {
	value, ok := set.SingleValue(element)
	if !ok || len(set.Data) != 2 || !set.Readable() {
		return netip.AddrPort{}, false
	}
	w := set.Data[0].Width()
	addr, ok := netip.AddrFromSlice(value[:w])
	port := uint16(0)
	for _, c := range value[w:] {
		port = port<<8 | uint16(c)
	}
	return netip.AddrPortFrom(addr, port), ok
}

// mergeUnknown is mergeEndpoints for lists of which shares may be unknown.
func mergeUnknown(list []Endpoint) []Endpoint {
	list = slices.DeleteFunc(list, func(e Endpoint) bool { return !e.Addr.IsValid() })
	slices.SortStableFunc(list, compareEndpoints)
	merged := list[:0]
	for _, e := range list {
		if n := len(merged); n > 0 && merged[n-1].Addr == e.Addr {
			if last := &merged[n-1]; last.Probability != nil && e.Probability != nil {
				last.Probability = last.Probability.plus(e.Probability)
			}
			continue
		}
		merged = append(merged, e)
	}
	return merged
}
