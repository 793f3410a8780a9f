package inventory

import (
	"fmt"
	"net/netip"
)

// clusterIP is what the words about a service's other entries say of its
// cluster IP.
type clusterIP struct {
	entry *Entry // the service's first; nil if it has none
}

// nameOfClusterIP names it.
func (c clusterIP) nameOfClusterIP() string {
	if c.entry == nil {
		return "the cluster IP"
	}
	return "cluster IP " + netip.AddrPortFrom(c.entry.Addresses[0].Addr(), c.entry.Port).String()
}

// neverClusterIP is the half sentence that keeps a proof about chains from
// being read as one about addresses.
func (c clusterIP) neverClusterIP() string {
	if c.entry == nil {
		return ""
	}
	return fmt.Sprintf("; the packet's destination never is %s: it is translated straight to an endpoint", c.entry.Addresses[0].Addr())
}
