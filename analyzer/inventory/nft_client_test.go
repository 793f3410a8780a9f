package inventory

import (
	"net/netip"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// A key of which a part is not known is not known: not the parts that are.
func TestKeyOfClient(t *testing.T) {
	to := netip.MustParseAddr("10.96.0.1")
	c := &client{protocol: netfilter.UDP, port: 53, to: []netip.Addr{to}}
	for _, tt := range []struct {
		parts []netfilter.Expr
		want  netfilter.Key
	}{
		{[]netfilter.Expr{netfilter.IPDaddr, netfilter.MetaL4Proto, netfilter.THDport}, "\x0a\x60\x00\x01\x11\x00\x35"},
		{[]netfilter.Expr{netfilter.MetaL4Proto, netfilter.UDPDport}, "\x11\x00\x35"},
		{[]netfilter.Expr{netfilter.IPSaddr, netfilter.MetaL4Proto}, ""},
		{[]netfilter.Expr{netfilter.MetaL4Proto, netfilter.IPSaddr, netfilter.THDport}, ""},
		{[]netfilter.Expr{netfilter.MetaL4Proto, netfilter.TCPDport}, ""},
		{[]netfilter.Expr{netfilter.MetaL4Proto, netfilter.IP6Daddr}, ""},
	} {
		if got := c.key(&netfilter.Concat{Parts: tt.parts}, to); got != tt.want {
			t.Errorf("%v: key %x, expected %x", tt.parts, got, tt.want)
		}
	}
}
