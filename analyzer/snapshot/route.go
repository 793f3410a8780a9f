package snapshot

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/source"
)

// A Route is one way that the kernel knows to a destination. A route with
// several next hops is several of them with the same destination.
type Route struct {
	Pos source.Position
	// Type is ip-route(8)'s: "unicast", "local", "broadcast", "blackhole",
	// "unreachable", …
	Type string
	Dst  netip.Prefix // 0.0.0.0/0 or ::/0 for the default route
	Via  netip.Addr   // the gateway; invalid when the destination is on the link
	Dev  string       // "" for a type that needs no device
	Src  netip.Addr   // the preferred source address; invalid when none is set
	// Table is the routing table's name or number, "main" unless the text
	// says otherwise.
	Table  string
	Metric uint32 // the lowest wins; 0 when the text has none
}
