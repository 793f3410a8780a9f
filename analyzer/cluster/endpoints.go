package cluster

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// An EndpointSlice is a part of the endpoints of a Service, all with the same
// ports.
type EndpointSlice struct {
	Pos             source.Position
	Namespace, Name string
	Service         string // the name of its Service, in the same namespace
	// FromEndpoints says that it is a subset of an Endpoints object.
	FromEndpoints bool
	Family        netfilter.Family
	Endpoints     []Endpoint
	Ports         []EndpointPort
}

// An Endpoint is one of a slice.
type Endpoint struct {
	// Address is the first of its addresses: the others are never used
	// (pkg/proxy/endpointslicecache.go, addEndpoints).
	Address netip.Addr
	// Ready, Serving and Terminating are its conditions, with what the API
	// says of one that is not given: ready, serving as ready, not terminating.
	Ready, Serving, Terminating bool

	NodeName string // "" where none is given
	Zone     string
	// ZoneHints and NodeHints say for whose clients the endpoint is meant.
	ZoneHints, NodeHints []string
}

// An EndpointPort is a port of a slice, told from others by the name of the
// Service's port.
type EndpointPort struct {
	Name     string
	Protocol uint8
	Port     uint16 // 0 for none, which kube-proxy passes over
}
