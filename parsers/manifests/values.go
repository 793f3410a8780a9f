package manifests

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A scope says where values stand, for remarks on those that cannot be.
type scope struct {
	*reader
	pos  source.Position
	name string // "Service default/web"
}

// scopeOf names an object: kind, namespace and name, as they are written.
func (r *reader) scopeOf(pos source.Position, kind string, m *meta) (s scope, namespace, name string) {
	namespace, name = string(m.Namespace), string(m.Name)
	if namespace == "" && kind != "Node" {
		namespace = "default" // where the API server puts an object that names none
	}
	whole := name
	if kind != "Node" {
		whole = namespace + "/" + name
	}
	return scope{reader: r, pos: pos, name: kind + " " + source.Quote(whole)}, namespace, name
}

// bad reports a value.
func (s scope) bad(field string, found text, expected string) {
	s.remarks.Add(source.Diagnostic{
		Severity: source.Error, Pos: s.pos, Code: "bad-value", Unread: 1,
		Message: s.name + ": found " + source.Quote(string(found)) + " for " + field + ", expected " + expected,
	})
}

func (s scope) address(field string, value text) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(string(value)))
	if err != nil || a.Zone() != "" {
		s.bad(field, value, "an address")
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

func (s scope) addresses(field string, values []text) (all []netip.Addr) {
	for _, v := range values {
		if a, ok := s.address(field, v); ok {
			all = append(all, a)
		}
	}
	return all
}

func (s scope) prefixes(field string, values []text) (all []netip.Prefix) {
	for _, v := range values {
		p, err := netip.ParsePrefix(strings.TrimSpace(string(v))) // kube-proxy trims them, too
		if err != nil {
			s.bad(field, v, "a network as address/length")
			continue
		}
		all = append(all, p.Masked())
	}
	return all
}

// port reads a port; "" is 0.
func (s scope) port(field string, value text) uint16 {
	if value == "" {
		return 0
	}
	n, err := strconv.ParseUint(string(value), 10, 16)
	if err != nil {
		s.bad(field, value, "a port from 0 to 65535")
	}
	return uint16(n)
}

// protocol reads TCP, UDP or SCTP; "" is TCP, as the API has it.
func (s scope) protocol(value text) (uint8, bool) {
	switch strings.ToUpper(string(value)) {
	case "", "TCP":
		return netfilter.TCP, true
	case "UDP":
		return netfilter.UDP, true
	case "SCTP":
		return netfilter.SCTP, true
	}
	s.bad("protocol", value, "TCP, UDP or SCTP")
	return 0, false
}

func (s scope) policy(field string, value text) cluster.Policy {
	switch p := cluster.Policy(value); p {
	case "", cluster.Cluster, cluster.Local:
		return p
	}
	s.bad(field, value, "Cluster or Local")
	return ""
}

func (s scope) family(field string, value text) (netfilter.Family, bool) {
	switch value {
	case "IPv4":
		return netfilter.IPv4, true
	case "IPv6":
		return netfilter.IPv6, true
	}
	s.bad(field, value, "IPv4 or IPv6")
	return netfilter.AnyFamily, false
}
