package record

import (
	"context"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/bundle"
)

var families = []netfilter.Family{netfilter.IPv4, netfilter.IPv6}

// findIPTables is how looking for a family's iptables is said.
func findIPTables(family netfilter.Family) string {
	return toolOf(family) + " --version    # the one that the node's programs use"
}

func toolOf(family netfilter.Family) string {
	if family == netfilter.IPv6 {
		return "ip6tables"
	}
	return "iptables"
}

// iptables finds the iptables that the node's programs use, and tells from its
// version, which was asked for before, where it writes to. A node without one
// is left out.
func (r Recording) iptables(ctx context.Context, versions []bundle.Tool) (list []bundle.IPTables) {
	for _, family := range families {
		r.say(findIPTables(family))
		ctx, cancel := context.WithTimeout(ctx, r.Timeout)
		found, err := r.Machine.IPTables(ctx, family)
		cancel()
		if err != nil {
			continue
		}
		list = append(list, bundle.IPTables{
			Family: family.String(), Path: found.Path, Version: found.Version,
			Backend: backendOf(toolOf(family), versions), RandomFully: found.RandomFully,
		})
	}
	return list
}

// backendOf reads the back end of an iptables from its version: since 1.8 it
// names the back end, and before there was but one (iptables 1.8,
// iptables/xshared.c, print of "nf_tables" and "legacy").
func backendOf(name string, versions []bundle.Tool) string {
	for _, tool := range versions {
		if tool.Name == name && strings.Contains(tool.Version, "(nf_tables)") {
			return netfilter.NFTCompat.String()
		}
	}
	return netfilter.Legacy.String()
}
