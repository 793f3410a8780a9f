package capture

import (
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/bundle"
	"github.com/svcpath/svcpath/parsers/iproute"
	"github.com/svcpath/svcpath/parsers/ipsetsave"
	"github.com/svcpath/svcpath/parsers/iptablessave"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
	"github.com/svcpath/svcpath/parsers/nftlist"
)

// A format is one kind of text that a file can hold.
type format struct {
	// begins reports whether a text of the format can begin with the line. It
	// looks at the line's beginning only, for it is asked about every line
	// that another format cannot read.
	begins func(line string) bool
	// confirm looks further where the first line does not suffice; nil where
	// it does.
	confirm func(at source.Cursor) bool
	// read takes the text at the cursor and gives the cursor behind it. It
	// ends at a line that is foreign, which is to say that begins another
	// format. A cursor that has not moved says that the text is none of this
	// format after all; a text without a source was skipped.
	read func(r *reading, at source.Cursor, foreign func(line string) bool) (*snapshot.Source, source.Cursor)
}

// formats are tried in this order. To add a format, add it here.
var formats = []format{
	{begins: hunkBegins, read: skipHunk},
	// Before iptables-save, whose rules begin with -A as well.
	{begins: ipvsadm.SaveBegins, read: readIPVSSave},
	{begins: iptablessave.Begins, read: readIPTablesSave},
	{begins: iproute.AddrBegins, read: readAddr},
	{begins: iproute.RouteBegins, read: readRoute},
	{begins: jsonBegins, confirm: jsonHas("ifindex", "ifname"), read: readAddrJSON},
	{begins: jsonBegins, confirm: isRouteJSON, read: readRouteJSON},
	{begins: jsonBegins, confirm: jsonHas("nftables"), read: readNFTJSON},
	// Before other objects with an apiVersion.
	{begins: jsonBegins, confirm: bundle.Begins, read: readBundle},
	{begins: jsonBegins, confirm: jsonHas("apiVersion", "kind"), read: readManifestsJSON},
	{begins: yamlBegins, confirm: isManifest, read: readManifestsYAML},
	{begins: nftlist.Begins, read: readNFT},
	{begins: ipvsadm.ListBegins, read: readIPVSList},
	{begins: ipvsConnectionsBegin, read: unbuilt(snapshot.IPVSConnections, "a list of IPVS connections", whileLine(ipvsConnectionsContinue))},
	{begins: ipsetsave.SaveBegins, read: readIPSetSave},
	{begins: ipsetsave.ListBegins, confirm: ipsetsave.ListConfirms, read: readIPSetList},
	{begins: ipsetsave.XMLBegins, read: readIPSetXML},
	{begins: iptablesListBegins, read: unbuilt(snapshot.IPTablesList, "iptables -L output", whileLine(iptablesListContinues))},
	{begins: conntrackBegins, read: unbuilt(snapshot.Conntrack, "conntrack -L output", whileLine(conntrackContinues))},
}

func readIPTablesSave(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := iptablessave.Parse(at, foreign)
	src := &snapshot.Source{
		Format: snapshot.IPTablesSave, Family: dump.Family, FamilyInferred: dump.FamilyInferred,
		Backend: dump.Backend, SkippedLines: dump.Skipped,
	}
	for _, t := range dump.Tables {
		src.Tables = append(src.Tables, t.Name)
		src.Chains += len(t.Chains())
		src.Rules += t.NumRules()
	}
	r.tables = append(r.tables, dump.Tables...)
	r.remarkAll(dump.Diagnostics)
	return src, next
}

func readAddr(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	addrs, diags, next := iproute.ParseAddr(at, foreign)
	r.addAddresses(addrs, diags)
	return r.source(snapshot.IPAddr, diags), next
}

func readAddrJSON(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	addrs, diags, next := iproute.ParseAddrJSON(at)
	r.addAddresses(addrs, diags)
	return r.source(snapshot.IPAddrJSON, diags), next
}

func readRoute(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	routes, diags, next := iproute.ParseRoute(at, foreign)
	r.routes = append(r.routes, routes...)
	return r.source(snapshot.IPRoute, diags), next
}

func readRouteJSON(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	routes, diags, next := iproute.ParseRouteJSON(at)
	r.routes = append(r.routes, routes...)
	return r.source(snapshot.IPRouteJSON, diags), next
}

func readBundle(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	m, diags, next := bundle.Parse(at)
	if m != nil {
		r.recordings = append(r.recordings, recording{m, at.Pos()})
	}
	return r.source(snapshot.Bundle, diags), next
}

// source makes a source of a text that left nothing but these remarks unread.
func (r *reading) source(f snapshot.Format, diags []source.Diagnostic) *snapshot.Source {
	src := &snapshot.Source{Format: f}
	for _, d := range diags {
		src.SkippedLines += d.Unread
	}
	r.remarkAll(diags)
	return src
}
