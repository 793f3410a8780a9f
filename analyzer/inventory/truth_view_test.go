package inventory_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A serviceView is a service port as text, so that both sides compare and
// print alike.
type serviceView struct {
	Service                        string // "zoo/web:http tcp 80 IPv4"
	Types                          string
	ExternalPolicy, InternalPolicy string
	AffinitySeconds                uint32
	SourceRanges                   []string
	HealthCheckNodePort            uint16
	Endpoints                      []string // "cluster 10.244.1.2:80 1/2^1"
	Entries                        []entryView
}

// An entryView is an entry as text.
type entryView struct {
	Kind              string
	Addresses, Except []string
	Port              uint16
	Verdict           string
	Masquerade        string
	Endpoints         []string // "10.244.1.2:80 1/2^1"
}

// openKind is the kind of an entry that is either a load balancer's address or
// an external IP.
const openKind = "LoadBalancerIP or ExternalIP"

func serviceKey(namespace, name, portName, protocol string, port uint16, family string) string {
	if portName != "" {
		name += ":" + portName
	}
	return fmt.Sprintf("%s/%s %s %d %s", namespace, name, protocol, port, family)
}

func compareEntries(a, b entryView) int {
	return cmp.Or(slices.Compare(a.Addresses, b.Addresses), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Kind, b.Kind))
}

func prefixViews(prefixes []netip.Prefix) []string {
	var views []string
	for _, p := range prefixes {
		views = append(views, p.String())
	}
	slices.Sort(views)
	return views
}

// viewsOf is the inventory's side.
func viewsOf(inv *inventory.Inventory) []serviceView {
	var views []serviceView
	for _, s := range inv.Services {
		types := s.Types.Names()
		slices.Sort(types)
		view := serviceView{
			Service:             serviceKey(s.Namespace, s.Name, s.PortName, netfilter.ProtocolName(s.Protocol), s.Port, s.Family.String()),
			Types:               strings.Join(types, " "),
			ExternalPolicy:      string(s.ExternalPolicy),
			InternalPolicy:      string(s.InternalPolicy),
			SourceRanges:        prefixViews(s.SourceRanges),
			HealthCheckNodePort: s.HealthCheckNodePort,
		}
		if s.Affinity != nil {
			view.AffinitySeconds = s.Affinity.TimeoutSeconds
		}
		for _, e := range s.Endpoints.All() {
			view.Endpoints = append(view.Endpoints, string(e.Scope)+" "+endpointText(e))
		}
		slices.Sort(view.Endpoints)
		for _, e := range s.Entries {
			entry := entryView{
				Kind:       string(e.Kind),
				Addresses:  prefixViews(e.Addresses),
				Except:     prefixViews(e.ExceptAddresses),
				Port:       e.Port,
				Verdict:    string(e.Verdict),
				Masquerade: string(e.Masquerade),
			}
			if e.KindAssumed {
				entry.Kind = openKind
			}
			for _, end := range e.Endpoints.All() {
				entry.Endpoints = append(entry.Endpoints, endpointText(end))
			}
			slices.Sort(entry.Endpoints)
			view.Entries = append(view.Entries, entry)
		}
		slices.SortFunc(view.Entries, compareEntries)
		views = append(views, view)
	}
	return views
}

func endpointText(e inventory.Endpoint) string {
	if e.Probability == nil {
		return e.Addr.String() + " ?"
	}
	if rat := e.Probability.Rat(); !powerOfTwo(rat.Denom()) {
		return e.Addr.String() + " " + rat.String() // IPVS counts
	}
	return e.Addr.String() + " " + shareOf(e.Probability).String()
}
