package inventory

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A client is the packet that an entry is judged by: the first of a connection
// that somebody outside the node opens to it. Its destination is known, and of
// its source only that it is neither the node nor a pod of it.
type client struct {
	protocol uint8
	port     uint16
	// to are the destinations that the answer must hold for: the entry's
	// address, or the node's addresses that a node port listens on. Empty
	// when the node's addresses are not known; then every destination is
	// taken to be no address that a rule names.
	to []netip.Addr
	// local says that the destinations are the node's own addresses.
	local ternary
	// sets are the ipsets that were captured, by name.
	sets map[string]*netfilter.IPSet
	// budget is how many elements of nftables' sets may still be looked through
	// one by one, over all clients; nil for any number.
	budget *int
	// room is for what one test notes; nil where that is kept.
	room []netip.Prefix
	// asked are the sets that rules have asked for the client, and what they
	// answered.
	asked []askedSet
	// unkept says that there were more of them than are kept.
	unkept bool
	// looked says that a rule looked at destinations or the port for itself, and
	// did not only ask sets for them.
	looked bool
}

// ternary is an answer that may be open.
type ternary uint8

const (
	no ternary = iota
	maybe
	yes
)

func (t ternary) not() ternary { return yes - t }

func (t ternary) xor(negated bool) ternary {
	if negated {
		return t.not()
	}
	return t
}

func ternaryOf(b bool) ternary {
	if b {
		return yes
	}
	return no
}

// A condition is what a rule's matches come to for a client.
type condition struct {
	holds ternary
	// sources are the networks that the rule is limited to ("-s").
	sources []netip.Prefix
	// detector says that the rule separates pods from the rest: by a negated
	// source network, or by the interface the packet came in by.
	detector bool
	// except are the networks whose clients the rule passes over ("! -s"); it
	// is then a detector.
	except []netip.Prefix
	// seen says that the rule asks whether the client was here before.
	seen bool
}

// test evaluates a rule's matches. Whoever uses the answer decides what a
// limit to some sources means there.
func (c *client) test(r *netfilter.Rule) condition {
	cond := condition{holds: yes, except: c.room[:0]}
	for _, m := range r.Matches() {
		if cond.holds = min(cond.holds, c.match(m, &cond)); cond.holds == no {
			break
		}
	}
	return cond
}

func (c *client) match(m netfilter.Match, cond *condition) ternary {
	switch m := m.(type) {
	case *netfilter.Comment, *netfilter.NFAcct:
		return yes
	case *netfilter.Addr:
		if m.Side == netfilter.Destination {
			return c.destination(m.Net).xor(m.Not)
		}
		return c.source(m, cond)
	case *netfilter.Interface:
		if m.Side == netfilter.Destination {
			return ternaryOf(m.Not) // no route has been chosen before nat's PREROUTING
		}
		cond.detector = true
		if m.Not {
			return yes
		}
		return maybe
	case *netfilter.Protocol:
		return ternaryOf((m.Number == c.protocol || m.Number == 0) != m.Not)
	case *netfilter.Transport:
		return c.transport(m)
	case *netfilter.MultiPort:
		if m.Side == netfilter.Source {
			return maybe
		}
		c.looked = true
		for _, ports := range m.Ranges {
			if ports.Contains(c.port) {
				return ternaryOf(!m.Not)
			}
		}
		if m.Side == netfilter.Either {
			return maybe
		}
		return ternaryOf(m.Not)
	case *netfilter.AddrType:
		return c.addrType(m)
	case *netfilter.Conntrack:
		return connState(m)
	case *netfilter.Statistic:
		switch chanceOf(m) {
		case 0:
			return no
		case netfilter.ProbabilityOne:
			return yes
		}
		return maybe
	case *netfilter.InSet:
		return c.inSet(m)
	case *netfilter.Compare:
		c.looked = true
		return c.compare(m, cond)
	case *netfilter.Recent:
		if m.Action == netfilter.RecentSet {
			return ternaryOf(!m.Not)
		}
		return maybe
	case *netfilter.Physdev:
		// No outside client's packet crosses a bridge of the node's.
		cond.detector = true
		if m.IsIn && m.IsInNot && m.In == "" && m.Out == "" && !m.IsOut && !m.IsBridged {
			return yes
		}
		return maybe
	}
	return maybe
}

// destination tells whether the client's destinations are in the network.
func (c *client) destination(net netfilter.Network) ternary {
	if net.Prefix.Bits() == 0 && !net.Mask.IsValid() {
		return yes
	}
	if net.Prefix.Addr().IsLoopback() && c.local != no {
		return no // nobody outside reaches the node's loopback addresses
	}
	c.looked = true
	if len(c.to) == 0 {
		return no
	}
	in := 0
	for _, to := range c.to {
		if net.Contains(to) {
			in++
		}
	}
	switch in {
	case 0:
		return no
	case len(c.to):
		return yes
	}
	return maybe
}

func (c *client) source(m *netfilter.Addr, cond *condition) ternary {
	prefix := m.Net.Prefix
	switch {
	case m.Net.Mask.IsValid():
		return maybe
	case prefix.Bits() == 0:
		return ternaryOf(!m.Not)
	case prefix.Addr().IsLoopback():
		return ternaryOf(m.Not)
	case m.Not:
		cond.detector = true
		cond.except = append(cond.except, prefix.Masked())
		return yes
	}
	cond.sources = append(cond.sources, prefix.Masked())
	return yes
}

func (c *client) transport(m *netfilter.Transport) ternary {
	c.looked = c.looked || m.DstPort.Set
	switch {
	case m.Protocol != c.protocol:
		return no
	case m.DstPort.Set && m.DstPort.Range.Contains(c.port) == m.DstPort.Not:
		return no
	case m.SrcPort.Set || m.Rest != "" || m.Option != nil:
		return maybe
	case m.Flags != nil:
		const syn = 1 << 1 // a connection's first packet
		return ternaryOf((syn&m.Flags.Mask == m.Flags.Comp) != m.Flags.Not)
	}
	return yes
}

func (c *client) addrType(m *netfilter.AddrType) ternary {
	holds := yes
	switch m.Src {
	case 0:
	case netfilter.AddrLocal:
		holds = ternaryOf(m.SrcNot)
	default:
		holds = maybe
	}
	switch m.Dst {
	case 0:
	case netfilter.AddrLocal:
		holds = min(holds, c.local.xor(m.DstNot))
	default:
		holds = min(holds, maybe)
	}
	return holds
}

// connState evaluates a test of the connection: its first packet is NEW, and
// nothing has translated it yet. Other facts of a connection are left open.
func connState(m *netfilter.Conntrack) ternary {
	if m.States == 0 || *m != (netfilter.Conntrack{States: m.States, StatesNot: m.StatesNot}) {
		return maybe
	}
	return ternaryOf((m.States&netfilter.StateNew != 0) != m.StatesNot)
}
