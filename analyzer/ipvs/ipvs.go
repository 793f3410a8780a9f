// Package ipvs is the model of a node's IPVS table: virtual servers, and the
// real servers that the kernel balances their connections over. It does not
// know what text it came from: ipvsadm-save, ipvsadm -L and /proc/net/ip_vs
// tell different parts of it, and what a text does not tell is absent.
//
// A model is built once, by one goroutine, and only read afterwards, by any
// number of them. Strings in it are parts of the captured text.
//
// Kernel files are cited as of Linux 6.x, below net/netfilter/ipvs.
package ipvs

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Table is the IPVS table of one network namespace. It holds both address
// families.
type Table struct {
	// Pos is where the table's first text begins.
	Pos source.Position
	// Complete says that the text holds every virtual server that the node
	// had. A listing of one ("-t ADDRESS:PORT") and a text that is cut do not:
	// what is not in them may be on the node all the same.
	Complete bool

	services []*VirtualServer
	keys     keys
	named    map[nameKey]*VirtualServer

	// What the kernel counts to spare itself a look (ip_vs_ctl.c,
	// ip_vs_add_service).
	anyPorts, ftp bool
	marked        []*VirtualServer

	room   []VirtualServer // for those to come
	packed rows[packedServer]
	others rows[RealServer]
}

// A Key is what the kernel finds a virtual server by: a protocol, an address
// and a port, or else a firewall mark. A table has one of each.
type Key struct {
	Family   netfilter.Family // IPv4 or IPv6
	Protocol uint8            // 0 with a mark
	Address  netip.Addr       // invalid with a mark
	Port     uint16           // 0 for any port
	Mark     uint32           // 0 without
}

// nameKey tells those apart that have no Key.
type nameKey struct {
	protocol uint8
	name     string
}

// Services are the virtual servers in the order of the text. The caller must
// not change the slice.
func (t *Table) Services() []*VirtualServer { return t.services }

// NumRealServers counts the real servers of all virtual servers.
func (t *Table) NumRealServers() int { return t.packed.made + t.others.made }

// Service is the virtual server with that key, nil if there is none. What
// becomes of a packet is told by Find.
func (t *Table) Service(k Key) *VirtualServer { return t.find(&k) }

// Named is the virtual server that goes by an unresolved name, nil if there is
// none.
func (t *Table) Named(protocol uint8, name string) *VirtualServer {
	return t.named[nameKey{protocol, name}]
}

// Expect makes room for about so many virtual servers, before the first one.
func (t *Table) Expect(n int) {
	t.keys.expect(n)
	t.services = make([]*VirtualServer, 0, n)
}

// Add appends a virtual server, whose real servers are still to come. It is not
// added when there is one with its key, or with its name if it has no key: that
// one is given instead.
func (t *Table) Add(v VirtualServer) (added *VirtualServer, isNew bool) {
	key, hasKey := v.Key()
	var hash uint32
	if hasKey {
		hash = key.hash()
		added = t.findHashed(&key, hash)
	} else {
		added = t.Named(v.Protocol, v.Name)
	}
	if added != nil {
		return added, false
	}
	if len(t.room) == cap(t.room) {
		t.room = make([]VirtualServer, 0, chunk(len(t.services)))
	}
	t.room = append(t.room, v)
	added = &t.room[len(t.room)-1]
	added.table, added.number, added.servers = t, int32(len(t.services)), servers{}
	t.services = append(t.services, added)
	if !hasKey {
		if t.named == nil {
			t.named = map[nameKey]*VirtualServer{}
		}
		t.named[nameKey{v.Protocol, v.Name}] = added
	} else {
		t.keys.put(hash, int(added.number))
		if key.Mark != 0 {
			t.marked = append(t.marked, added)
		}
		t.anyPorts = t.anyPorts || key.Mark == 0 && key.Port == 0
		t.ftp = t.ftp || key.Mark == 0 && key.Port == ftpPort
	}
	return added, true
}

// chunk is how many things are made room for at once when there are n already:
// small tables take little.
func chunk(n int) int { return min(max(n, 8), 1024) }
