package ipvs

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

const (
	ftpPort     = 21
	ftpDataPort = 20
	// firstPlainPort is the first port that takes no privilege, by default
	// (net.ipv4.ip_unprivileged_port_start).
	firstPlainPort = 1024
)

// Find is the virtual server that the kernel gives a connection's first packet
// to, nil if there is none (ip_vs_ctl.c, ip_vs_service_find). A firewall mark
// comes first, then the address and port, then the control connection's server
// for what may be an FTP data connection, then the server of any port.
func (t *Table) Find(mark uint32, protocol uint8, to netip.AddrPort) *VirtualServer {
	family := FamilyOf(to.Addr())
	if mark != 0 && len(t.marked) > 0 {
		if v := t.find(&Key{Family: family, Mark: mark}); v != nil {
			return v
		}
		if v := t.find(&Key{Mark: mark}); v != nil { // its family is not told
			return v
		}
	}
	key := Key{Family: family, Protocol: protocol, Address: to.Addr(), Port: to.Port()}
	v := t.find(&key)
	if v == nil && protocol == netfilter.TCP && t.ftp && (key.Port == ftpDataPort || key.Port >= firstPlainPort) {
		key.Port = ftpPort
		v = t.find(&key)
	}
	if v == nil && t.anyPorts {
		key.Port = 0
		v = t.find(&key)
	}
	return v
}

// Marked are the virtual servers that go by a firewall mark. The caller must not
// change the slice.
func (t *Table) Marked() []*VirtualServer { return t.marked }

// HasNames reports whether a virtual server goes by a name that is not resolved,
// so that the address of none of them tells that it is not the one.
func (t *Table) HasNames() bool { return len(t.named) > 0 }

// IsWhole reports whether the node had no virtual server for a Key that none of
// the table's has: the text was complete, and each of them is known by its Key.
func (t *Table) IsWhole() bool { return t.Complete && !t.HasNames() }

// FamilyOf is the family of an address.
func FamilyOf(a netip.Addr) netfilter.Family {
	switch {
	case a.Is4():
		return netfilter.IPv4
	case a.Is6():
		return netfilter.IPv6
	}
	return netfilter.AnyFamily
}
