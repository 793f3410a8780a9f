package iproute

import (
	"encoding/json"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// ParseAddrJSON reads what "ip -j addr" prints: the JSON array that begins at
// the cursor. next is behind the line that ends it.
func ParseAddrJSON(at source.Cursor) (addrs []snapshot.Address, diags []source.Diagnostic, next source.Cursor) {
	var remarks source.Remarks
	read := func(at source.Cursor, object json.RawMessage) {
		var iface struct {
			Name  string            `json:"ifname"`
			Addrs []json.RawMessage `json:"addr_info"`
		}
		if json.Unmarshal(object, &iface) != nil {
			remarks.Add(unread(at, string(object), "an interface with ifname and addr_info"))
			return
		}
		for _, text := range iface.Addrs {
			prefix, ok := addrInfo(text)
			if !ok {
				remarks.Add(unread(at, string(text), "family, local and prefixlen of an address of "+source.Quote(iface.Name)))
				continue
			}
			addrs = append(addrs, snapshot.Address{Interface: iface.Name, Prefix: prefix})
		}
	}
	next = objects(at, CutAddresses, &remarks, read)
	return addrs, remarks.All(), next
}

// addrInfo reads one object of addr_info. As in the text, the length is the
// peer's where there is one.
func addrInfo(text json.RawMessage) (prefix netip.Prefix, ok bool) {
	var info struct {
		Family string     `json:"family"`
		Local  netip.Addr `json:"local"`
		Peer   string     `json:"address"`
		Length int        `json:"prefixlen"`
	}
	if json.Unmarshal(text, &info) != nil || !info.Local.IsValid() || info.Local.Is4() != (info.Family == "inet") {
		return netip.Prefix{}, false
	}
	if info.Peer != "" {
		info.Length = info.Local.BitLen()
	}
	prefix = netip.PrefixFrom(info.Local, info.Length)
	return prefix, prefix.IsValid() && info.Local.Zone() == ""
}
