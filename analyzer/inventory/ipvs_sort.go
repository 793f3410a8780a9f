package inventory

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A servicePlace is what compareServices asks of a service without a name. It
// asks over and over, and finds it in several places of the memory.
type servicePlace struct {
	service  *Service
	number   int  // in the order of the input
	named    bool // which leaves the rest aside
	protocol string
	port     uint16
	kind     int          // of its first entry
	address  netip.Prefix // of that
}

// place is the next service's.
func (b *balancer) place(svc *Service) servicePlace {
	p := servicePlace{service: svc, number: len(b.places), named: svc.Object != nil, protocol: netfilter.ProtocolName(svc.Protocol), port: svc.Port}
	first := svc.Entries[0] // it is made for one
	if p.kind = first.Kind.order(); len(first.Addresses) > 0 {
		p.address = first.Addresses[0]
	}
	return p
}

// sorted are the services in the order of compareServices; those that it does
// not tell apart as they come.
func (b *balancer) sorted() []*Service {
	slices.SortFunc(b.places, comparePlaces)
	services := make([]*Service, len(b.places))
	for i := range b.places {
		services[i] = b.places[i].service
	}
	return services
}

// comparePlaces is compareServices for services of one family, and leaves none
// undecided.
func comparePlaces(a, b servicePlace) int {
	if !a.named && !b.named {
		if order := cmp.Compare(a.protocol, b.protocol); order != 0 {
			return order
		}
		if order := cmp.Compare(a.port, b.port); order != 0 {
			return order
		}
		if order := cmp.Compare(a.kind, b.kind); order != 0 {
			return order
		}
		if order := comparePrefixes(a.address, b.address); order != 0 {
			return order
		}
	}
	return cmp.Or(compareServices(a.service, b.service), cmp.Compare(a.number, b.number))
}
