// Package snapshot holds one node at one moment: everything that was captured
// from it, parsed, from however many files.
package snapshot

import (
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/cluster"
	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Snapshot is what is known of a node. Whatever was not captured is absent,
// never guessed; Origin says where a fact comes from that could come from more
// than one place.
type Snapshot struct {
	// Sources are the texts that were recognised, in the order of the input.
	Sources []*Source
	// Tables are the tables of all families and back ends, in the order of
	// the input. The same family and name stand twice only for two back ends.
	Tables []*netfilter.Table
	// IPVS is the node's IPVS table; nil when none was captured, which is not
	// the same as an empty one.
	IPVS *ipvs.Table
	// IPSets are the kernel's sets, each name once, in the order of the input.
	IPSets []*netfilter.IPSet

	// Addresses are the node's own addresses; nil when unknown.
	Addresses     []Address
	AddressesFrom Origin
	// AddressesCut says that the text which lists them breaks off: the node may
	// have others.
	AddressesCut bool
	// Routes are the node's routes of all tables that were captured; nil when
	// none were.
	Routes []Route
	// PodCIDRs are the ranges that --pod-cidr names.
	PodCIDRs []netip.Prefix

	// Cluster are the objects of the node's cluster that were given; nil when
	// none were.
	Cluster *cluster.Objects

	Diagnostics []source.Diagnostic

	own *Addresses // nil until they are indexed
}

// A Source is one captured text of one format. A file can hold several.
type Source struct {
	Pos    source.Position
	Format Format
	Family netfilter.Family
	// Backend is what the text's own header tells, UnknownBackend without one.
	Backend netfilter.Backend
	// FamilyInferred says that no header names the family.
	FamilyInferred bool
	Tables         []string // names, in the order of the text
	Chains, Rules  int
	Objects        int // of the cluster that were read
	// VirtualServers and RealServers are counted in texts of the IPVS table.
	VirtualServers, RealServers int
	Sets, Elements              int // of ipsets
	// Lines counts the lines from the text's first to its last.
	Lines int
	// SkippedLines counts the lines that were not understood, in the text and
	// between it and the next one of the same file.
	SkippedLines int
	// Unbuilt says that the format was recognised but is not read yet.
	Unbuilt bool
}

// A Format is a kind of captured text, named after the command that prints it.
type Format string

// The formats that are recognised. Those that are not read yet are reported
// by name.
const (
	IPTablesSave Format = "iptables-save" // also "iptables -S" and pasted fragments of either
	IPTablesList Format = "iptables-list" // iptables -L
	NFTList      Format = "nft-list"
	NFTJSON      Format = "nft-json"
	IPVSADMSave  Format = "ipvsadm-save"
	IPVSADMList  Format = "ipvsadm-list"
	ProcIPVS     Format = "proc-net-ip_vs"
	// IPVSConnections are those of "ipvsadm -Lc" and /proc/net/ip_vs_conn.
	IPVSConnections Format = "ipvs-connections"
	IPSetSave       Format = "ipset-save"
	IPSetList       Format = "ipset-list"
	IPAddr          Format = "ip-addr"
	IPAddrJSON      Format = "ip-addr-json"
	IPRoute         Format = "ip-route"
	IPRouteJSON     Format = "ip-route-json"
	Conntrack       Format = "conntrack"
	Manifests       Format = "manifests"
	Bundle          Format = "bundle" // the manifest of what "svcpath capture" records
)

// An Address is an address of one of the node's interfaces.
type Address struct {
	Interface string
	Prefix    netip.Prefix // the address with its network's length, host bits kept
}

// An Origin says where a fact was taken from.
type Origin string

// The origins of the node's addresses.
const (
	FromIPAddr   Origin = "ip-addr"
	FromFlag     Origin = "flag"
	FromInferred Origin = "inferred"
	FromNowhere  Origin = "unknown"
)

// Table finds a table by family and name; the first of several back ends.
func (s *Snapshot) Table(family netfilter.Family, name string) *netfilter.Table {
	for _, t := range s.Tables {
		if t.Family == family && t.Name == name {
			return t
		}
	}
	return nil
}

// IPSet finds a set by name; nil if it was not captured.
func (s *Snapshot) IPSet(name string) *netfilter.IPSet {
	for _, set := range s.IPSets {
		if set.Name == name {
			return set
		}
	}
	return nil
}
