package ipvsadm

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// Merge makes one table of all that were captured of a node: nil of none. The
// first complete one that has numbers for all names and tells of schedulers is
// used, else the first complete one with numbers, else the first complete one,
// else the first; but never one that is a part of another: pasted lines of
// a save look as complete as the whole. Others tell of the same virtual
// servers what it does not: a listing with --stats has no weights, a save no
// counters. Where they say something else, that is reported, and not used;
// incomplete ones add the virtual servers that they alone have. Merge changes
// the table that it gives.
func Merge(tables []*ipvs.Table) (*ipvs.Table, []source.Diagnostic) {
	switch len(tables) {
	case 0:
		return nil, nil
	case 1:
		return tables[0], nil
	}
	used := tables[0]
	for _, t := range tables {
		if rank(t) > rank(used) || rank(t) == rank(used) && t.Complete && isPart(used, t) {
			used = t
		}
	}
	var remarks source.Remarks
	for _, t := range tables {
		if t != used {
			remarks.Add(merge(used, t))
		}
	}
	return used, remarks.All()
}

// rank says how much a table tells.
func rank(t *ipvs.Table) int {
	switch services := t.Services(); {
	case !t.Complete:
		return 0
	case t.HasNames() || slices.ContainsFunc(services, hasNamedServers):
		return 1
	case len(services) > 0 && services[0].Scheduler == "":
		return 2
	}
	return 3
}

// hasNamedServers reports whether a real server goes by a name, which no other
// table need have for it.
func hasNamedServers(v *ipvs.VirtualServer) bool {
	for i := range v.NumServers() {
		if !v.ServerKnown(i) {
			return true
		}
	}
	return false
}

// isPart reports whether another table has all virtual servers of a table, and
// more.
func isPart(t, of *ipvs.Table) bool {
	if len(t.Services()) >= len(of.Services()) {
		return false
	}
	for _, v := range t.Services() {
		if key, hasKey := v.Key(); !hasKey || of.Service(key) == nil {
			return false
		}
	}
	return true
}

// merge adds to a table what another one tells, and says how they compare.
func merge(used, other *ipvs.Table) source.Diagnostic {
	d := source.Diagnostic{Severity: source.Info, Pos: other.Pos, Code: "ipvs-captured-again"}
	differs, added := "", 0
	differ := func(v *ipvs.VirtualServer, why string) {
		if differs == "" && why != "" {
			differs = v.String() + " " + why
		}
	}
	marks, matched, named := familyless(used), map[*ipvs.VirtualServer]bool{}, false
	for _, v := range other.Services() {
		_, hasKey := v.Key()
		named = named || !hasKey
		switch same := counterpart(used, v, marks); {
		case same != nil:
			matched[same] = true
			differ(same, complement(same, v))
		case !used.IsWhole():
			adopt(used, v)
			added++
		case hasKey:
			differ(v, "is in it alone")
		}
	}
	if other.Complete && !named {
		for _, v := range used.Services() {
			if _, hasKey := v.Key(); hasKey && !matched[v] {
				differ(v, "is not in it")
				break
			}
		}
	}
	switch {
	case differs != "":
		d.Severity = source.Warning
		d.Message = fmt.Sprintf("the IPVS table is captured again, and differently; the capture at %s is used: %s", used.Pos, differs)
	case added > 0:
		d.Message = fmt.Sprintf("another part of the IPVS table, with %d virtual servers that are not at %s", added, used.Pos)
	default:
		d.Message = fmt.Sprintf("the IPVS table is captured again, with the same real servers as at %s", used.Pos)
	}
	return d
}

// familyless are the virtual servers of a table that go by a firewall mark whose
// family is not told, as /proc/net/ip_vs has them without real servers.
func familyless(t *ipvs.Table) map[uint32]*ipvs.VirtualServer {
	marks := map[uint32]*ipvs.VirtualServer{}
	for _, v := range t.Services() {
		if v.Mark != 0 && v.Family == netfilter.AnyFamily {
			marks[v.Mark] = v
		}
	}
	return marks
}

// counterpart is a virtual server of one table in another one, nil if it has
// none.
func counterpart(in *ipvs.Table, v *ipvs.VirtualServer, marks map[uint32]*ipvs.VirtualServer) *ipvs.VirtualServer {
	key, hasKey := v.Key()
	switch same := in.Service(key); {
	case !hasKey:
		return in.Named(v.Protocol, v.Name)
	case same != nil || v.Mark == 0:
		return same
	case v.Family == netfilter.AnyFamily:
		for _, key.Family = range []netfilter.Family{netfilter.IPv4, netfilter.IPv6} {
			if same = in.Service(key); same != nil {
				break
			}
		}
		return same
	}
	return marks[v.Mark]
}

// serverKey tells the real servers of one virtual server apart.
type serverKey struct {
	name string
	to   netip.AddrPort
}

func keyOf(r *ipvs.RealServer) serverKey {
	if name := r.Details().Name; name != "" {
		return serverKey{name: name}
	}
	return serverKey{to: r.AddrPort()}
}

// complement has a virtual server know what another capture of it tells, unless
// they differ: then it says in what.
func complement(v, other *ipvs.VirtualServer) (differs string) {
	if differs = servicesDiffer(v, other); differs != "" {
		return differs
	}
	servers, others := v.Servers(), other.Servers()
	// Names of one table and numbers of another may be the same.
	likened := hasNamedServers(v) == hasNamedServers(other)
	places := make(map[serverKey]int, len(servers))
	for i := range servers {
		places[keyOf(&servers[i])] = i
	}
	found := map[serverKey]bool{}
	for i := range others {
		r := &others[i]
		found[keyOf(r)] = true
		if at, ok := places[keyOf(r)]; ok {
			differs = serversDiffer(&servers[at], r)
		} else if !v.Partial && likened {
			differs = fmt.Sprintf("has real server %s in it alone", r)
		}
		if differs != "" {
			return differs
		}
	}
	for i := range servers {
		if r := &servers[i]; !found[keyOf(r)] && !other.Partial && likened {
			return fmt.Sprintf("has real server %s, which is not in it", r)
		}
	}
	fill(v, other)
	for i := range others {
		r := &others[i]
		if at, ok := places[keyOf(r)]; ok {
			filled := v.Server(at)
			fillServer(&filled, r)
			v.SetServer(at, filled)
		} else if likened {
			v.AddServer(*r)
		}
	}
	v.Partial = v.Partial && other.Partial
	return ""
}

func servicesDiffer(v, other *ipvs.VirtualServer) string {
	p, q := v.Persistence, other.Persistence
	switch {
	case v.Scheduler == "" || other.Scheduler == "":
	case v.Scheduler != other.Scheduler:
		return fmt.Sprintf("has scheduler %s in it, not %s", other.Scheduler, v.Scheduler)
	case (p == nil) != (q == nil):
		return "is persistent in one of them only"
	case p != nil && p.Timeout != 0 && q.Timeout != 0 && p.Timeout != q.Timeout:
		return fmt.Sprintf("has a timeout of %s in it, not %s", q.Timeout, p.Timeout)
	}
	return ""
}

func serversDiffer(r, other *ipvs.RealServer) string {
	switch {
	case r.WeightKnown && other.WeightKnown && r.Weight != other.Weight:
		return fmt.Sprintf("has real server %s with weight %d in it, not %d", r, other.Weight, r.Weight)
	case r.Method == other.Method, r.Method == ipvs.UnknownForwarding, other.Method == ipvs.UnknownForwarding:
	case localOrRoute(r.Method) && localOrRoute(other.Method): // a save has -g for both
	default:
		return fmt.Sprintf("has real server %s with forwarding method %s in it, not %s", r, other.Method, r.Method)
	}
	return ""
}

func localOrRoute(f ipvs.Forwarding) bool { return f == ipvs.LocalNode || f == ipvs.DirectRouting }

func fill(v, from *ipvs.VirtualServer) {
	if v.Scheduler == "" {
		v.Scheduler, v.Persistence = from.Scheduler, from.Persistence
	}
	v.OnePacket = v.OnePacket || from.OnePacket // which /proc/net/ip_vs shows for IPv4 only
	v.Flags |= from.Flags
	if p, q := v.Persistence, from.Persistence; p != nil && q != nil && p != q {
		filled := *p
		if p.Timeout == 0 {
			filled.Timeout = q.Timeout
		}
		if p.Engine == "" {
			filled.Engine = q.Engine
		}
		v.Persistence = &filled
	}
	if v.Stats == nil {
		v.Stats = from.Stats
	}
}

func fillServer(r, from *ipvs.RealServer) {
	if !r.WeightKnown {
		r.Weight, r.WeightKnown = from.Weight, from.WeightKnown
	}
	if r.Method == ipvs.UnknownForwarding || r.Method == ipvs.DirectRouting && from.Method == ipvs.LocalNode {
		r.Method = from.Method
	}
	if !r.Counted {
		r.Active, r.Inactive, r.Counted = from.Active, from.Inactive, from.Counted
	}
	d, more := r.Details(), from.Details()
	if d.Tunnel == nil {
		d.Tunnel = more.Tunnel
	}
	if !d.ThresholdsKnown {
		d.UpperThreshold, d.LowerThreshold, d.ThresholdsKnown = more.UpperThreshold, more.LowerThreshold, more.ThresholdsKnown
	}
	if !d.PersistentKnown {
		d.Persistent, d.PersistentKnown = more.Persistent, more.PersistentKnown
	}
	if d.Stats == nil {
		d.Stats = more.Stats
	}
	r.SetDetails(d)
}

// adopt adds a virtual server of another table.
func adopt(t *ipvs.Table, v *ipvs.VirtualServer) {
	added, _ := t.Add(*v)
	for _, r := range v.Servers() {
		added.AddServer(r)
	}
}
