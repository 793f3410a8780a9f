package inventory

import (
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// ipvsDrafts finds drafts by their dials. The table finds virtual servers by
// theirs: a draft that is dialled as one of them has its number.
type ipvsDrafts struct {
	table    *ipvs.Table // nil without
	family   netfilter.Family
	numbered []*ipvsDraft
	ports    map[uint32]*ipvsDraft // those without an address, by protocol and port
	others   map[dial]*ipvsDraft
}

func newIPVSDrafts(table *ipvs.Table, family netfilter.Family) ipvsDrafts {
	drafts := ipvsDrafts{table: table, family: family, ports: map[uint32]*ipvsDraft{}, others: map[dial]*ipvsDraft{}}
	if table != nil {
		drafts.numbered = make([]*ipvsDraft, len(table.Services()))
	}
	return drafts
}

// virtual is the virtual server with the key that a dial is, nil if there is
// none.
func (drafts *ipvsDrafts) virtual(d dial) *ipvs.VirtualServer {
	if drafts.table == nil || !d.address.IsValid() {
		return nil
	}
	return drafts.table.Service(ipvs.Key{Family: drafts.family, Protocol: d.protocol, Address: d.address, Port: d.port})
}

// get is the draft of a dial and its virtual server, nil until there is one.
func (drafts *ipvsDrafts) get(v *ipvs.VirtualServer, d dial) *ipvsDraft {
	switch {
	case v != nil:
		return drafts.numbered[v.Number()]
	case !d.address.IsValid():
		return drafts.ports[d.portNumber()]
	}
	return drafts.others[d]
}

func (drafts *ipvsDrafts) put(v *ipvs.VirtualServer, e *ipvsDraft) {
	switch {
	case v != nil:
		drafts.numbered[v.Number()] = e
	case !e.address.IsValid():
		drafts.ports[e.portNumber()] = e
	default:
		drafts.others[e.dial] = e
	}
}

// portNumber is all that a dial without an address says.
func (d *dial) portNumber() uint32 { return uint32(d.protocol)<<16 | uint32(d.port) }
