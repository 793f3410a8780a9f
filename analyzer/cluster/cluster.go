// Package cluster holds the objects of a Kubernetes cluster that kube-proxy
// goes by, with the fields that it reads and no more. They are what somebody
// asked for; what the node's kernel was told is in the other models.
package cluster

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// Objects are the cluster's objects that were given, in the order of the
// input. Of an object that is given twice both are kept.
type Objects struct {
	Services []*Service
	// Slices are EndpointSlices, and Endpoints in their form: each subset of
	// an Endpoints object is a slice.
	Slices []*EndpointSlice
	Nodes  []*Node
}

// SlicesOf gives the slices of a Service. EndpointSlices count where there are
// any, as they do for kube-proxy since 1.19; else the Endpoints object.
func (o *Objects) SlicesOf(s *Service) []*EndpointSlice {
	var slices, endpoints []*EndpointSlice
	for _, slice := range o.Slices {
		if slice.Namespace != s.Namespace || slice.Service != s.Name {
			continue
		}
		if slice.FromEndpoints {
			endpoints = append(endpoints, slice)
		} else {
			slices = append(slices, slice)
		}
	}
	if len(slices) == 0 {
		return endpoints
	}
	return slices
}

// A Node is a machine of the cluster.
type Node struct {
	Pos  source.Position
	Name string
	// Addresses are its own (status.addresses, names left out).
	Addresses []netip.Addr
	PodCIDRs  []netip.Prefix
	Zone      string // of the label topology.kubernetes.io/zone; "" for none
}
