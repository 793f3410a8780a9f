package iproute

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// RouteBegins reports whether a line is a route as "ip route" prints it:
// "default via 10.0.0.1 dev eth0", "10.244.0.0/24 dev cni0 …",
// "blackhole 10.244.1.0/26 proto 80".
func RouteBegins(line string) bool {
	first, rest := cutWord(line)
	if isRouteType(first) {
		first, rest = cutWord(rest)
		return isDestination(first) && (strings.TrimSpace(rest) == "" || isRouteKey(rest))
	}
	return isDestination(first) && isRouteKey(rest)
}

// isDestination accepts what is meant as one, so that a wrong one is reported
// and not passed over.
func isDestination(word string) bool {
	if word == "default" {
		return true
	}
	return strings.ContainsAny(word, ".:") && strings.Trim(word, "0123456789abcdefABCDEF.:/") == "" && len(word) < 64
}

// isRouteKey reports whether the first of what stands behind a destination is
// a key that ip route prints there (iproute2, ip/iproute.c, print_route).
func isRouteKey(rest string) bool {
	key, rest := cutWord(rest)
	switch key {
	case "via":
		gateway, rest := cutWord(rest)
		if gateway == "inet" || gateway == "inet6" {
			gateway, _ = cutWord(rest)
		}
		return isDestination(gateway) && gateway != "default"
	case "dev":
		// "ip neigh" goes on like that: "10.0.0.1 dev eth0 lladdr … STALE".
		value, rest := cutWord(rest)
		more, _ := cutWord(rest)
		return value != "" && more != "lladdr" && (more == "" || more != strings.ToUpper(more))
	case "nhid", "proto", "scope", "table", "src", "metric", "encap":
		value, _ := cutWord(rest)
		return value != ""
	}
	return false
}

func isRouteType(word string) bool {
	switch word {
	case "unicast", "local", "broadcast", "multicast", "anycast", "throw", "unreachable", "prohibit", "blackhole", "nat":
		return true
	}
	return false
}

// ParseRoute reads what "ip route" or "ip -6 route" prints, from at on, up to
// the first line that is no route or that foreign claims. What follows is at
// next.
func ParseRoute(at source.Cursor, foreign func(line string) bool) (routes []snapshot.Route, diags []source.Diagnostic, next source.Cursor) {
	var remarks source.Remarks
	next = at
	var hops snapshot.Route // what the next hops of a multipath route share
	add := func(r snapshot.Route, at source.Cursor, line string, problem string) {
		if problem != "" {
			remarks.Add(unread(at, line, problem))
			return
		}
		routes = append(routes, r)
	}
	for at.More() {
		line, after := at.Next()
		word, rest := cutWord(line)
		switch {
		case RouteBegins(line) && !foreign(line):
			r, problem := parseRoute(line)
			r.Pos = at.Pos()
			hops = r
			// The destination of a multipath route stands alone, its next hops
			// are in the lines below it.
			if problem != "" || !isMultipath(after) {
				add(r, at, line, problem)
			}
		case word == "nexthop":
			r := hops
			problem := parseHop(&r, rest)
			switch {
			case !r.Dst.IsValid():
				problem = "a line before it with the route's destination"
			case r.Dst.Bits() == 0 && r.Via.IsValid():
				r.Dst = defaultOf(r, rest)
			}
			r.Pos = at.Pos()
			add(r, at, line, problem)
		case word == "":
			at = after
			continue
		default:
			return routes, remarks.All(), next
		}
		at, next = after, after
	}
	return routes, remarks.All(), next
}

func isMultipath(below source.Cursor) bool {
	if !below.More() {
		return false
	}
	line, _ := below.Next()
	word, _ := cutWord(line)
	return word == "nexthop"
}

// parseRoute reads a line that RouteBegins. problem is what was expected where
// it is not what it should be.
func parseRoute(line string) (r snapshot.Route, problem string) {
	word, rest := cutWord(line)
	r.Type, r.Table = "unicast", "main"
	if isRouteType(word) {
		r.Type = word
		word, rest = cutWord(rest)
	}
	if problem := parseHop(&r, rest); problem != "" {
		return r, problem
	}
	if word == "default" {
		r.Dst = defaultOf(r, rest)
		return r, ""
	}
	dst, err := parseLocal(word)
	if err != nil {
		return r, "a destination: default, an address or a prefix"
	}
	r.Dst = dst.Masked()
	return r, ""
}

// defaultOf is 0.0.0.0/0 or ::/0. A default route without an address in it is
// IPv6 if it has a preference, which every IPv6 route has since Linux 4.1
// (net/ipv6/route.c, rt6_fill_node: RTA_PREF) and no IPv4 one.
func defaultOf(r snapshot.Route, rest string) netip.Prefix {
	six := strings.Contains(rest, " pref ")
	if r.Src.IsValid() {
		six = r.Src.Is6()
	} else if r.Via.IsValid() && !strings.Contains(rest, "via inet") {
		six = r.Via.Is6()
	}
	if six {
		return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
}

// parseHop reads the keys behind a destination or "nexthop". Keys that the
// model has no place for are passed over with their values where they could be
// taken for others.
func parseHop(r *snapshot.Route, rest string) (problem string) {
	for {
		var key, value string
		if key, rest = cutWord(rest); key == "" {
			return ""
		}
		switch key {
		case "via", "dev", "src", "table", "metric", "proto", "scope", "pref", "nhid", "from", "weight", "realm", "error", "mtu":
			value, rest = cutWord(rest)
		}
		var err error
		switch key {
		case "via":
			if value == "inet" || value == "inet6" { // the gateway is of the other family (RTA_VIA)
				value, rest = cutWord(rest)
			}
			if r.Via, err = netip.ParseAddr(value); err != nil {
				return "the gateway's address behind via"
			}
		case "src":
			if r.Src, err = netip.ParseAddr(value); err != nil {
				return "an address behind src"
			}
		case "encap":
			// A tunnel's own addresses stand before the gateway and the device.
			if i := strings.Index(rest, " via "); i >= 0 {
				rest = rest[i:]
			} else if i := strings.Index(rest, " dev "); i >= 0 {
				rest = rest[i:]
			}
		case "dev":
			r.Dev = value
		case "table":
			r.Table = value
		case "metric":
			metric, err := strconv.ParseUint(value, 10, 32)
			if err != nil {
				return "a number behind metric"
			}
			r.Metric = uint32(metric)
		}
	}
}
