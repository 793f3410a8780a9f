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
	others   map[dial]*ipvsDraft
}

func newIPVSDrafts(table *ipvs.Table, family netfilter.Family) ipvsDrafts {
	drafts := ipvsDrafts{table: table, family: family, others: map[dial]*ipvsDraft{}}
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

// keyed are the virtual servers of an entry where the text tells the addresses and
// ports of all; else nil. That of an entry with one address is dialled as it is.
func (e *ipvsDraft) keyed() []*ipvs.VirtualServer {
	for _, v := range e.entry.Virtual {
		if _, hasKey := v.Key(); !hasKey {
			return nil
		}
	}
	return e.entry.Virtual
}

// get is the draft of a dial and its virtual server, nil until there is one.
func (drafts *ipvsDrafts) get(v *ipvs.VirtualServer, d dial) *ipvsDraft {
	if v != nil {
		return drafts.numbered[v.Number()]
	}
	return drafts.others[d]
}

func (drafts *ipvsDrafts) put(v *ipvs.VirtualServer, e *ipvsDraft) {
	if v != nil {
		drafts.numbered[v.Number()] = e
		return
	}
	drafts.others[e.dial] = e
}
