package inventory

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A servicePlace is what compareServices asks of a service without a name, as a
// number. It asks over and over, and finds it in several places of the memory.
type servicePlace struct {
	number  uint64 // 0 for one with a name, or without a protocol that services have
	service *Service
	nth     int // in the order of the input
}

// place is the next service's. The number is larger for what compareServices finds
// larger: the protocol by its name, the port, and the kind and the address of the
// first entry. Those that it does not tell apart are compared all the same.
func (b *balancer) place(svc *Service) servicePlace {
	p := servicePlace{service: svc, nth: len(b.places)}
	protocol := slices.Index([]uint8{netfilter.SCTP, netfilter.TCP, netfilter.UDP}, svc.Protocol)
	if svc.Object != nil || protocol < 0 {
		return p
	}
	first := svc.Entries[0] // it is made for one
	address := uint64(0)
	if len(first.Addresses) > 0 {
		address = 1 << 33 // an IPv6 one, which are not told apart
		if a := first.Addresses[0].Addr(); a.Is4() {
			four := a.As4()
			address = 1 + uint64(binary.BigEndian.Uint32(four[:]))
		}
	}
	p.number = uint64(1+protocol)<<56 | uint64(svc.Port)<<40 | uint64(first.Kind.order())<<36 | address
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
	if a.number != b.number && a.number != 0 && b.number != 0 {
		return cmp.Compare(a.number, b.number)
	}
	return cmp.Or(compareServices(a.service, b.service), cmp.Compare(a.nth, b.nth))
}
