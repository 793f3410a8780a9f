package inventory

import (
	"fmt"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A NameOrigin says where a service's name comes from that no rule has.
type NameOrigin string

// The origins of names; "" for a name of the rules', and for a service without
// one.
const (
	// NamedByHash: the hash in the names of its chains is that of an object's
	// service port.
	NamedByHash NameOrigin = "hash"
	// NamedByAddress: an object asks for the address, protocol and port.
	NamedByAddress NameOrigin = "address"
)

// objectNames names what the rules do not, by the cluster's objects.
type objectNames struct {
	byHash map[hashedPort]claim
	claims map[dial][]claim
}

type hashedPort struct {
	hash     kubeproxy.Hash
	protocol uint8
}

// named gives the names that the objects have. They are worked out when they are
// first asked for: comments name the services of most dumps.
func (b *builder) named() *objectNames {
	if b.objects != nil {
		return b.objects
	}
	b.objects = &objectNames{byHash: map[hashedPort]claim{}, claims: claimsOf(b.snapshot, b.family)}
	if b.snapshot.Cluster == nil {
		return b.objects
	}
	for _, s := range b.snapshot.Cluster.Services {
		if !s.Proxied() {
			continue // what is left of it on the node has no name
		}
		for i := range s.Ports {
			p := &s.Ports[i]
			for _, hash := range kubeproxy.Hashes(servicePortOf(s, p), p.Protocol) {
				key := hashedPort{hash, p.Protocol}
				if _, taken := b.objects.byHash[key]; !taken {
					b.objects.byHash[key] = claim{service: s, port: p}
				}
			}
		}
	}
	return b.objects
}

func servicePortOf(s *cluster.Service, p *cluster.Port) kubeproxy.ServicePort {
	return kubeproxy.ServicePort{Namespace: s.Namespace, Name: s.Name, Port: p.Name}
}

// serviceOfObject finds the service of a draft that no comment names: by the
// hash of the chains that it leads to, or if it leads to none by what is dialled.
func (b *builder) serviceOfObject(d *draft, place int32) *group {
	objects, origin := b.named(), NamedByHash
	var c claim
	var ok bool
	if place != nowhere {
		c, ok = objects.byHash[hashedPort{b.kins[place].hash, d.protocol}]
	} else if all := objects.claims[d.dial]; len(all) > 0 {
		origin, c, ok = NamedByAddress, all[0], true
	}
	if !ok {
		return nil
	}
	name := servicePortOf(c.service, c.port)
	svc, known := b.serviceNamed(name, d.protocol)
	if !known || svc.NameFrom == NamedByAddress {
		svc.Object, svc.NameFrom = c.service, origin
	}
	if place != nowhere {
		b.kins[place].service = svc
	}
	return svc
}

// kindByObject takes what an address is from the object that asks for it.
func (b *builder) kindByObject(d *draft) {
	if d.service.Object == nil {
		return
	}
	for _, c := range b.named().claims[d.dial] {
		if c.service == d.service.Object {
			d.kind, d.kindAssumed = c.kind, false
			return
		}
	}
}

// remarkOnNames says how many names are the objects'.
func (b *builder) remarkOnNames() {
	count := map[NameOrigin]int{}
	var at source.Position
	for _, svc := range b.order {
		if svc.Object == nil {
			continue
		}
		if count[svc.NameFrom]++; !at.IsValid() {
			at = svc.Object.Pos
		}
	}
	if len(count) == 0 {
		return
	}
	message := fmt.Sprintf("no comment names %d service ports of table nat, %s; they are named by the cluster's objects: %d by the hash in the names of their chains",
		count[NamedByHash]+count[NamedByAddress], b.family, count[NamedByHash])
	if n := count[NamedByAddress]; n > 0 {
		message += fmt.Sprintf(", %d that lead to no chain by address, protocol and port", n)
	}
	b.diagnostics = append(b.diagnostics, source.Diagnostic{Severity: source.Info, Code: "named-by-objects", Pos: at, Message: message})
}
