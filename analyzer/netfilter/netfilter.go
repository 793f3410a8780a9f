// Package netfilter is the model of what a node's kernel was told about
// packets: tables of chains of rules, whatever tool wrote them down. iptables'
// tables are base chains at their well-known priorities, as iptables-nft
// itself sees them; nftables' chains say theirs. Syntax stays in the parsers,
// opinions in the analyses.
//
// A model is built once, by one goroutine, and only read afterwards, by any
// number of them. Strings in it are parts of the captured text.
package netfilter

import "fmt"

// A Family says which packets a table sees.
type Family uint8

// The families, named as the JSON output names them.
const (
	AnyFamily Family = iota // not known, or both
	IPv4
	IPv6
	Inet   // nftables: IPv4 and IPv6
	ARP    // nftables
	Bridge // nftables
	Netdev // nftables
)

var familyNames = [...]string{"any", "IPv4", "IPv6", "inet", "arp", "bridge", "netdev"}

// String is "IPv4", "IPv6", …
func (f Family) String() string {
	if int(f) < len(familyNames) {
		return familyNames[f]
	}
	return fmt.Sprintf("Family(%d)", uint8(f))
}

// A Backend is the part of the kernel that a table was loaded into. One node
// can have all of them at once; they all run.
type Backend uint8

// The back ends, as iptables-save's header tells them apart.
const (
	UnknownBackend Backend = iota // the text does not say
	Legacy                        // ip_tables: iptables-legacy
	NFTCompat                     // nf_tables, written by iptables-nft
	Native                        // nf_tables, written by nft
)

// String is "legacy", "nft" or "nftables"; "" when the text does not say.
func (b Backend) String() string {
	switch b {
	case Legacy:
		return "legacy"
	case NFTCompat:
		return "nft"
	case Native:
		return "nftables"
	}
	return ""
}

// An Omission is how much a text leaves out of a table, for what kind of text it
// is. Of two texts of one table, the one that omits less is better.
type Omission uint8

// The omissions.
const (
	OmitsNothing Omission = iota
	// OmitsDetails is nft's JSON, without some properties of sets.
	OmitsDetails
	// OmitsOptions is iptables' table as nft lists it: without comments, and
	// without what it has no translation for.
	OmitsOptions
	// OmitsTranslations is the same as JSON, where nothing is translated.
	OmitsTranslations
)

// A Hook is a place in the kernel's packet path where base chains are run.
type Hook uint8

// The hooks, in the order in which a forwarded packet could meet them.
const (
	NoHook Hook = iota
	Ingress
	Prerouting
	Input
	Forward
	Output
	Postrouting
	Egress
)

var hookNames = [...]string{"none", "ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}

// String is the hook's name in nft(8): "prerouting", "input", …
func (h Hook) String() string {
	if int(h) < len(hookNames) {
		return hookNames[h]
	}
	return fmt.Sprintf("Hook(%d)", uint8(h))
}

// A ChainType is what a base chain may do, as nft(8) has it.
type ChainType uint8

// The types. Only a NAT chain sees nothing but a connection's first packet.
const (
	FilterType ChainType = iota
	NATType
	RouteType // a change of mark or address makes the kernel route again
)

// Priorities of the chains that iptables registers
// (include/uapi/linux/netfilter_ipv4.h, enum nf_ip_hook_priorities; IPv6 alike).
const (
	PriorityRaw            = -300
	PriorityConntrack      = -200
	PriorityMangle         = -150
	PriorityNATDestination = -100
	PriorityFilter         = 0
	PrioritySecurity       = 50
	PriorityNATSource      = 100
)

// IPTablesBase tells which base chain a built-in chain of iptables is: NAT
// happens at destination priority before routing and at source priority after
// it. ok is false for a name that the table has no built-in chain for.
func IPTablesBase(table, chain string) (base Base, ok bool) {
	var hook Hook
	switch chain {
	case "PREROUTING":
		hook = Prerouting
	case "INPUT":
		hook = Input
	case "FORWARD":
		hook = Forward
	case "OUTPUT":
		hook = Output
	case "POSTROUTING":
		hook = Postrouting
	default:
		return Base{}, false
	}
	switch table {
	case "raw":
		return Base{Hook: hook, Priority: PriorityRaw}, hook == Prerouting || hook == Output
	case "mangle":
		base := Base{Hook: hook, Priority: PriorityMangle}
		if hook == Output {
			base.Type = RouteType // net/ipv4/netfilter/iptable_mangle.c, ipt_mangle_out
		}
		return base, true
	case "nat":
		base := Base{Hook: hook, Priority: PriorityNATDestination, Type: NATType}
		if hook == Input || hook == Postrouting {
			base.Priority = PriorityNATSource
		}
		return base, hook != Forward
	case "filter":
		return Base{Hook: hook, Priority: PriorityFilter}, hook == Input || hook == Forward || hook == Output
	case "security":
		return Base{Hook: hook, Priority: PrioritySecurity}, hook == Input || hook == Forward || hook == Output
	}
	return Base{}, false
}
