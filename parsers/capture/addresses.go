package capture

import (
	"net/netip"
	"slices"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iproute"
)

// addAddresses adds those of one text.
func (r *reading) addAddresses(addrs []snapshot.Address, diags []source.Diagnostic) {
	r.addrs = appendTo(r.addrs, addrs)
	r.cutAddrs = r.cutAddrs || slices.ContainsFunc(diags, func(d source.Diagnostic) bool { return d.Code == iproute.CutAddresses })
}

// setAddresses joins the addresses that the inputs show, each once, with those
// that the user names. Without any the node's addresses stay unknown.
func setAddresses(snap *snapshot.Snapshot, named []netip.Addr) {
	shown := len(snap.Addresses) > 0
	snap.IndexAddresses()
	switch {
	case shown:
		snap.AddressesFrom = snapshot.FromIPAddr
		if !snap.AddressesCut { // which was told
			remarkOnLoopback(snap)
		}
	case len(named) > 0:
		snap.AddressesFrom = snapshot.FromFlag
	default:
		snap.Addresses, snap.AddressesFrom = nil, snapshot.FromNowhere
	}
	for _, addr := range named {
		addr = addr.WithZone("").Unmap()
		has := func(a snapshot.Address) bool { return a.Prefix.Addr() == addr }
		if !slices.ContainsFunc(snap.Addresses, has) {
			snap.Addresses = append(snap.Addresses, snapshot.Address{Prefix: netip.PrefixFrom(addr, addr.BitLen())})
		}
	}
	if len(named) > 0 {
		snap.IndexAddresses()
	}
}

// remarkOnLoopback warns when the addresses cannot be all: every node has a
// loopback interface, which "ip addr show eth0" leaves out.
func remarkOnLoopback(snap *snapshot.Snapshot) {
	if slices.ContainsFunc(snap.Addresses, func(a snapshot.Address) bool { return a.Prefix.Addr().IsLoopback() }) {
		return
	}
	i := slices.IndexFunc(snap.Sources, func(s *snapshot.Source) bool {
		return s.Format == snapshot.IPAddr || s.Format == snapshot.IPAddrJSON
	})
	snap.Diagnostics = append(snap.Diagnostics, source.Diagnostic{
		Severity: source.Warning, Pos: snap.Sources[i].Pos, Code: "partial-addresses",
		Message: "the addresses shown are not all that the node has, for none is a loopback address: other local addresses may be taken for foreign ones",
	})
}
