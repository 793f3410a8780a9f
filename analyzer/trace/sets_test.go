package trace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestSets follows packets through a rule that drops what a set matches.
func TestSets(t *testing.T) {
	const there = "203.0.113.5:80"
	related := outside("203.0.113.5/icmp")
	related.State = netfilter.StateRelated
	withSource := outside(there)
	withSource.SourcePort = 4000
	noSource := flow(trace.FromExternal, "", there)
	accept, drop := []string{"accept"}, []string{"drop"}
	open := func(match string) []string {
		return []string{"drop if -m set --match-set " + match + " matches", "accept if -m set --match-set " + match + " does not match"}
	}
	for _, test := range []struct {
		about, sets, match string
		flow               trace.Flow
		want               []string
	}{
		{"not captured", "", "S src", outside(there), open("S src")},
		{"an address", "create S hash:ip\nadd S 198.51.100.7\n", "S src", outside(there), drop},
		{"another address", "create S hash:ip\nadd S 198.51.100.7\n", "S dst", outside(there), accept},
		{"not in it", "create S hash:ip\nadd S 198.51.100.7\n", "! S dst", outside(there), drop},
		{"empty", "create S hash:ip\n", "S src", outside(there), accept},
		{"an address that is not known", "create S hash:ip\nadd S 198.51.100.7\n", "S src", noSource, open("S src")},
		{"an address that is not known, in an empty set", "create S hash:ip\n", "S src", noSource, accept},
		{"of the other family", "create S hash:ip family inet6\nadd S 2001:db8::1\n", "S src", outside(there), accept},
		{"of the other family, not", "create S hash:ip family inet6\nadd S 2001:db8::1\n", "! S src", outside(there), drop},
		{"too few sides", "create S hash:ip,port\nadd S 203.0.113.5,tcp:80\n", "S dst", outside(there), accept},
		{"more sides than parts", "create S hash:ip\nadd S 203.0.113.5\n", "S dst,src,dst", outside(there), drop},
		{"address and port", "create S hash:ip,port\nadd S 203.0.113.5,tcp:80\n", "S dst,dst", outside(there), drop},
		{"the port of another protocol", "create S hash:ip,port\nadd S 203.0.113.5,udp:80\n", "S dst,dst", outside(there), accept},
		{"a port that is not known", "create S hash:ip,port\nadd S 203.0.113.5,tcp:4000\n", "S dst,src", outside(there), open("S dst,src")},
		{"a port that is not known, of an address that is not there", "create S hash:ip,port\nadd S 203.0.113.6,tcp:4000\n", "S dst,src", outside(there), accept},
		{"the source's port", "create S hash:ip,port\nadd S 203.0.113.5,tcp:4000\n", "S dst,src", withSource, drop},
		{"echo requests", "create S hash:ip,port\nadd S 203.0.113.5,icmp:8/0\n", "S dst,dst", outside("203.0.113.5/icmp"), drop},
		{"other ICMP", "create S hash:ip,port\nadd S 203.0.113.5,icmp:8/1\n", "S dst,dst", outside("203.0.113.5/icmp"), accept},
		{"an error of ICMP", "create S hash:ip,port\nadd S 203.0.113.5,icmp:8/0\n", "S dst,dst", related, open("S dst,dst")},
		{"a bitmap of ports", "create S bitmap:port range 0-65535\nadd S 80\n", "S dst", outside(there + "/udp"), drop},
		{"a bitmap of ports knows TCP and UDP", "create S bitmap:port range 0-65535\nadd S 80\n", "S dst", outside(there + "/sctp"), accept},
		{"networks, the longest decides", "create S hash:net\nadd S 198.51.0.0/16\nadd S 198.51.100.0/24 nomatch\n", "S src", outside(there), accept},
		{"networks, the longest decides, asked for nomatch", "create S hash:net\nadd S 198.51.0.0/16\nadd S 198.51.100.0/24 nomatch\n", "S src --return-nomatch", outside(there), drop},
		{"networks, none", "create S hash:net\nadd S 198.52.0.0/16\n", "S src --return-nomatch", outside(there), accept},
		{"two networks and a port", "create S hash:net,port,net\nadd S 198.51.100.0/24,tcp:80,0.0.0.0/0\n", "S src,dst,dst", outside(there), drop},
		{"an interface to come by", "create S hash:net,iface\nadd S 0.0.0.0/0,eth0\n", "S src,src", outside(there), drop},
		{"an interface to leave by", "create S hash:net,iface\nadd S 0.0.0.0/0,cni0\n", "S src,dst", outside("10.1.0.5:80"), drop},
		{"an interface, by its beginning", "create S hash:net,iface\nadd S 0.0.0.0/0,eth wildcard\n", "S src,src", outside(there), drop},
		{"a port of a bridge", "create S hash:net,iface\nadd S 0.0.0.0/0,physdev:eth0\n", "S src,src", outside(there), open("S src,src")},
		{"a longer network with another interface hides it", "create S hash:net,iface\nadd S 0.0.0.0/0,eth0\nadd S 198.51.100.0/24,eth7\n", "S src,src", outside(there), accept},
		{"unless it may have expired", "create S hash:net,iface timeout 60\nadd S 0.0.0.0/0,eth0 timeout 0\nadd S 198.51.100.0/24,eth7 timeout 5\n", "S src,src", outside(there), open("S src,src")},
		{"a mark", "create S hash:ip,mark markmask 0xff\nadd S 198.51.100.7,0x0\n", "S src,src", outside(there), drop},
		{"another mark", "create S hash:ip,mark\nadd S 198.51.100.7,0x100\n", "S src,src", outside(there), accept},
		{"a hardware address", "create S hash:ip,mac\nadd S 198.51.100.7,00:11:22:33:44:55\n", "S src,src", outside(there), open("S src,src")},
		{"a hardware address, of another address", "create S hash:ip,mac\nadd S 198.51.100.8,00:11:22:33:44:55\n", "S src,src", outside(there), accept},
		{"a list", "create A hash:ip\nadd A 198.51.100.7\ncreate B hash:ip,port\nadd B 203.0.113.5,tcp:80\ncreate S list:set\nadd S B\nadd S A\n", "S src", outside(there), drop},
		{"a list, and sides for one member only", "create A hash:ip\nadd A 198.51.100.8\ncreate B hash:ip,port\nadd B 203.0.113.5,tcp:80\ncreate S list:set\nadd S A\nadd S B\n", "S dst", outside(there), accept},
		{"a list with a member that was not captured", "create A hash:ip\ncreate S list:set\nadd S A\nadd S B\n", "S dst", outside(there), open("S dst")},
		{"a list with a member that decides all the same", "create A hash:ip\nadd A 203.0.113.5\ncreate S list:set\nadd S B\nadd S A\n", "S dst", outside(there), drop},
		{"a list of itself, which no kernel has", "create S list:set\nadd S S\n", "S dst", outside(there), open("S dst")},
		{"an element that expires", "create S hash:ip timeout 60\nadd S 198.51.100.7 timeout 5\n", "S src", outside(there), open("S src")},
		{"an element that stays", "create S hash:ip timeout 60\nadd S 198.51.100.7 timeout 0\n", "S src", outside(there), drop},
		{"an element that expires, and a shorter network", "create S hash:net timeout 60\nadd S 198.51.100.0/24 timeout 5\nadd S 198.51.0.0/16 timeout 0\n", "S src", outside(there), drop},
		{"an element that expires before a nomatch", "create S hash:net timeout 60\nadd S 198.51.100.0/24 timeout 5\nadd S 198.51.0.0/16 timeout 0 nomatch\n", "S src", outside(there), open("S src")},
		{"counters", "create S hash:ip counters\nadd S 198.51.100.7\n", "S src --packets-gt 5", outside(there), open("S src --packets-gt 5")},
		{"counters of what is not there", "create S hash:ip counters\n", "S src --packets-gt 5", outside(there), accept},
		{"counters that the set does not have", "create S hash:ip\nadd S 198.51.100.7\n", "S src --packets-gt 5", outside(there), drop},
		{"cut off, there", "create S hash:ip\nadd S 198.51.100.7\nadd S x\n", "S src", outside(there), drop},
		{"cut off, not there", "create S hash:ip\nadd S 198.51.100.8\nadd S x\n", "S src", outside(there), open("S src")},
		{"cut off, networks", "create S hash:net\nadd S 198.51.100.0/24\nadd S x\n", "S src", outside(there), open("S src")},
		{"headers only", "Name: S\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 1024 maxelem 65536\nSize in memory: 200\nReferences: 1\nNumber of entries: 2\n", "S src", outside(there), open("S src")},
	} {
		t.Run(test.about, func(t *testing.T) {
			match := "--match-set " + test.match
			if test.match[0] == '!' {
				match = "! --match-set" + test.match[1:]
			}
			snap := readDamaged(t, save("*filter\n-A FORWARD -m set "+match+" -j DROP")+test.sets+"\n"+node)
			got := summary(follow(t, snap, test.flow))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSetTarget follows packets that change sets, or are changed by them.
func TestSetTarget(t *testing.T) {
	const sets = "create A hash:ip skbinfo\nadd A 198.51.100.7 skbmark 0x5/0xf\ncreate B hash:ip\ncreate L list:set\nadd L B\n"
	const dropped = "\n-A FORWARD -m set --match-set B dst -j DROP"
	for _, test := range []struct {
		about, rules string
		want         []string
	}{
		{"before it is changed", "-A FORWARD -m set --match-set B dst -j DROP\n-A FORWARD -j SET --add-set B dst", []string{"accept"}},
		{"after it is changed", "-A FORWARD -j SET --add-set B dst" + dropped, []string{
			"drop if -m set --match-set B dst matches", "accept if -m set --match-set B dst does not match"}},
		{"after its list is changed", "-A FORWARD -j SET --add-set L dst" + dropped, []string{
			"drop if -m set --match-set B dst matches", "accept if -m set --match-set B dst does not match"}},
		{"after another is changed", "-A FORWARD -j SET --add-set A dst" + dropped, []string{"accept"}},
		{"after another packet changes it", "-A FORWARD -s 10.9.9.9/32 -j SET --add-set B dst" + dropped, []string{"accept"}},
		{"the mark of an element", "-A FORWARD -j MARK --set-xmark 0xff/0xff\n-A FORWARD -j SET --map-set A src --map-mark\n-A FORWARD -m mark --mark 0xf5 -j DROP", []string{"drop"}},
		{"no element, no mark", "-A FORWARD -j SET --map-set A dst --map-mark\n-A FORWARD -m mark --mark 0x0 -j DROP", []string{"drop"}},
		{"the mark of a set that was not captured", "-A FORWARD -j SET --map-set C dst --map-mark\n-A FORWARD -m mark --mark 0x0 -j DROP", []string{
			"drop if -m mark --mark 0x0 matches", "accept if -m mark --mark 0x0 does not match"}},
	} {
		t.Run(test.about, func(t *testing.T) {
			got := summary(follow(t, read(t, save("*mangle\n"+test.rules)+sets+"\n"+node), outside("203.0.113.5:80")))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
		})
	}
}

// TestChangedTTL asks for a time to live that nobody knows, before and after
// it is changed: what is asked then is not the same.
func TestChangedTTL(t *testing.T) {
	const asked = "-A FORWARD -m ttl --ttl-eq 9 -j MARK --set-xmark 0x1/0x1\n-A FORWARD -j TTL --ttl-inc 1\n-A FORWARD -m mark --mark 0x1/0x1 -m ttl --ttl-eq 9 -j DROP"
	got := summary(follow(t, read(t, save("*mangle\n"+asked)+node), outside("203.0.113.5:80")))
	want := []string{
		"drop if -m ttl --ttl-eq 9 matches; -m ttl --ttl-eq 9 on the changed time to live matches",
		"accept if -m ttl --ttl-eq 9 matches; -m ttl --ttl-eq 9 on the changed time to live does not match",
		"accept if -m ttl --ttl-eq 9 does not match",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestMergedPorts follows a packet through the rule that iptables-nft 1.8.9
// loads in another way than it prints it.
func TestMergedPorts(t *testing.T) {
	const rule = "*filter\n-A FORWARD -p tcp -m tcp ! --sport 4000 ! --dport 80 -j DROP"
	const merged = "-m tcp ! --sport 4000 ! --dport 80, which iptables-nft may have taken for both ports together,"
	open := []string{"drop if " + merged + " matches", "accept if " + merged + " does not match"}
	const legacy, nft = "# Generated by iptables-save v1.8.9 on Mon Jun  2 10:00:00 2025\n", "# Generated by iptables-save v1.8.9 (nf_tables) on Mon Jun  2 10:00:00 2025\n"
	for _, test := range []struct {
		header       string
		source, port uint16
		want         []string
	}{
		{nft, 4000, 80, []string{"accept"}},
		{nft, 4001, 81, []string{"drop"}},
		{nft, 4000, 81, open},
		{nft, 4001, 80, open},
		{legacy, 4000, 81, []string{"accept"}},
		{legacy, 4001, 80, []string{"accept"}},
		{"", 4001, 80, open},
	} {
		f := outside("203.0.113.5:80")
		f.SourcePort, f.Port = test.source, test.port
		got := summary(follow(t, read(t, test.header+save(rule)+node), f))
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q, %d to %d (-want +got):\n%s", test.header, test.source, test.port, diff)
		}
	}
}
