package iproute

import (
	"encoding/json"
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

type jsonHop struct {
	Gateway netip.Addr `json:"gateway"`
	// Via is the gateway when it is of another family than the destination.
	Via struct {
		Host netip.Addr `json:"host"`
	} `json:"via"`
	Dev string `json:"dev"`
}

type jsonRoute struct {
	jsonHop
	Type   string     `json:"type"`
	Dst    string     `json:"dst"`
	Src    netip.Addr `json:"prefsrc"`
	Table  string     `json:"table"`
	Metric uint32     `json:"metric"`
	Pref   string     `json:"pref"`
	Hops   []jsonHop  `json:"nexthops"`
}

// ParseRouteJSON reads what "ip -j route" prints: the JSON array that begins
// at the cursor. next is behind the line that ends it.
func ParseRouteJSON(at source.Cursor) (routes []snapshot.Route, diags []source.Diagnostic, next source.Cursor) {
	var remarks source.Remarks
	read := func(at source.Cursor, object json.RawMessage) {
		var in jsonRoute
		if json.Unmarshal(object, &in) != nil {
			remarks.Add(unread(at, string(object), "a route with dst, gateway and dev"))
			return
		}
		dst, ok := in.destination()
		if !ok {
			remarks.Add(unread(at, string(object), "dst to be default, an address or a prefix"))
			return
		}
		if in.Type == "" {
			in.Type = "unicast"
		}
		if in.Table == "" {
			in.Table = "main"
		}
		if in.Hops == nil {
			in.Hops = []jsonHop{in.jsonHop}
		}
		for _, hop := range in.Hops {
			routes = append(routes, snapshot.Route{
				Pos: at.Pos(), Type: in.Type, Dst: dst, Via: hop.gateway(), Dev: hop.Dev,
				Src: in.Src, Table: in.Table, Metric: in.Metric,
			})
		}
	}
	next = objects(at, unreadLines, &remarks, read)
	return routes, remarks.All(), next
}

func (h jsonHop) gateway() netip.Addr {
	if h.Via.Host.IsValid() {
		return h.Via.Host
	}
	return h.Gateway
}

func (r jsonRoute) destination() (dst netip.Prefix, ok bool) {
	if r.Dst == "default" {
		// As in the text: an address tells the family, else the preference
		// that only IPv6 routes have.
		addrs := []netip.Addr{r.Src, r.Gateway}
		for _, hop := range r.Hops {
			addrs = append(addrs, hop.Gateway)
		}
		six := r.Pref != ""
		if i := slices.IndexFunc(addrs, netip.Addr.IsValid); i >= 0 {
			six = addrs[i].Is6()
		}
		if six {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), true
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), true
	}
	dst, err := parseLocal(r.Dst)
	return dst.Masked(), err == nil
}
