package trace_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/trace"
)

// TestRules follows packets through small tables.
func TestRules(t *testing.T) {
	input := func(rules string) string { return save("*filter\n" + rules) }
	nat := func(rules string) string { return save("*nat\n" + rules) }
	const me, there = "192.0.2.10:80", "203.0.113.5:80"
	for _, test := range []struct {
		about string
		dump  string
		flow  trace.Flow
		want  []string
	}{
		// Chains.
		{"no rules, local", input(""), outside(me), []string{"accept local"}},
		{"no rules, forwarded", input(""), outside(there), []string{"accept"}},
		{"policy drop", input(":INPUT DROP [0:0]"), outside(me), []string{"drop"}},
		{"policy drop of another hook", input(":FORWARD DROP [0:0]"), outside(me), []string{"accept local"}},
		{"reject", input("-A INPUT -p tcp -j REJECT --reject-with tcp-reset"), outside(me), []string{"reject tcp-reset"}},
		{"return in a base chain is its policy", input(":INPUT DROP [0:0]\n-A INPUT -j RETURN\n-A INPUT -j ACCEPT"), outside(me), []string{"drop"}},
		{"return in a chain", input(":A - [0:0]\n-A INPUT -j A\n-A INPUT -j DROP\n-A A -j RETURN\n-A A -j ACCEPT"), outside(me), []string{"drop"}},
		{"end of a chain returns", input(":A - [0:0]\n-A INPUT -j A\n-A INPUT -j DROP\n-A A -s 10.9.9.9 -j ACCEPT"), outside(me), []string{"drop"}},
		{"accept ends the base chain", input(":A - [0:0]\n-A INPUT -j A\n-A INPUT -j DROP\n-A A -j ACCEPT"), outside(me), []string{"accept local"}},
		{"goto does not come back", input(":A - [0:0]\n:B - [0:0]\n-A INPUT -j A\n-A INPUT -j REJECT --reject-with icmp-port-unreachable\n-A A -g B\n-A A -j DROP"), outside(me), []string{"reject icmp-port-unreachable"}},
		{"goto from a base chain ends in the policy", input(":INPUT DROP [0:0]\n:A - [0:0]\n-A INPUT -g A\n-A INPUT -j ACCEPT"), outside(me), []string{"drop"}},
		{"return after goto, two deep", input(":A - [0:0]\n:B - [0:0]\n:C - [0:0]\n-A INPUT -j A\n-A INPUT -j DROP\n-A A -j B\n-A A -j REJECT --reject-with icmp-port-unreachable\n-A B -g C\n-A B -j ACCEPT\n-A C -j RETURN"), outside(me), []string{"reject icmp-port-unreachable"}},
		{"what is not a verdict goes on", input("-A INPUT -j LOG\n-A INPUT -j NFLOG\n-A INPUT -j TRACE\n-A INPUT\n-A INPUT -j DROP"), outside(me), []string{"drop"}},
		{"accept in one table, drop in the next", save("*mangle\n-A INPUT -j ACCEPT", "*filter\n-A INPUT -j DROP"), outside(me), []string{"drop"}},
		{"security comes after filter", save("*security\n-A FORWARD -j DROP", "*filter\n-A FORWARD -j REJECT --reject-with icmp-port-unreachable"), outside(there), []string{"reject icmp-port-unreachable"}},
		{"raw comes first", save("*filter\n-A INPUT -j REJECT --reject-with icmp-port-unreachable", "*raw\n-A PREROUTING -j DROP"), outside(me), []string{"drop"}},

		// Hooks.
		{"output and postrouting", save("*filter\n-A OUTPUT -o eth0 -j REJECT --reject-with icmp-port-unreachable"), local(there), []string{"reject icmp-port-unreachable"}},
		{"over lo and in again", save("*filter\n-A INPUT -i lo -j DROP"), local(me), []string{"drop"}},
		{"over lo through raw and mangle", save("*mangle\n-A PREROUTING -i lo -j DROP"), local(me), []string{"drop"}},
		{"nat is not asked again over lo", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.9:8080\n-A INPUT -j SNAT --to-source 10.9.9.9"), local(me), []string{"accept local"}},
		{"marks live over lo", save("*mangle\n-A OUTPUT -j MARK --set-xmark 0x5/0xff\n", "*filter\n-A INPUT -m mark --mark 0x5/0xff -j DROP"), local(me), []string{"drop"}},
		{"confirmed over lo", save("*filter\n-A INPUT -m conntrack --ctstate NEW --ctstatus CONFIRMED -j DROP"), local(me), []string{"drop"}},
		{"not confirmed from outside", save("*filter\n-A INPUT -m conntrack --ctstatus CONFIRMED -j DROP"), outside(me), []string{"accept local"}},
		{"no interface to leave by at input", input("-A INPUT ! -o eth0 -j DROP"), outside(me), []string{"drop"}},
		{"no interface to come by at output", save("*filter\n-A OUTPUT ! -i eth0 -j DROP"), local(there), []string{"drop"}},
		{"both at forward", save("*filter\n-A FORWARD -i eth0 -o cni0 -j DROP"), outside("10.1.0.9:80"), []string{"drop"}},
		{"postrouting knows where it came in", save("*mangle\n-A POSTROUTING -j A\n:A - [0:0]\n-A A -i eth0 -o cni0 -j DROP"), outside("10.1.0.9:80"), []string{"drop"}},
		{"pods come by cni0", save("*filter\n-A FORWARD -i cni0 -o eth0 -j DROP"), pod(there), []string{"drop"}},
		{"output keeps its first interface", save("*nat\n-A OUTPUT -j DNAT --to-destination 10.1.0.9:80", "*filter\n-A OUTPUT -o eth0 -j DROP"), local(there), []string{"drop"}},
		{"postrouting sees the new one", save("*nat\n-A OUTPUT -j DNAT --to-destination 10.1.0.9:80\n-A POSTROUTING -o cni0 -j MASQUERADE"), local(there), []string{"dnat 10.1.0.9:80 masquerade"}},

		// NAT.
		{"dnat, and later hooks see it", save("*nat\n-A PREROUTING -j DNAT --to-destination 10.1.0.9:8080", "*filter\n-A FORWARD -d 10.1.0.9 -p tcp -m tcp --dport 8080 -m conntrack --ctstate DNAT --ctorigdst 192.0.2.10 --ctorigdstport 80 --ctreplsrc 10.1.0.9 -j DROP"), outside(me), []string{"drop"}},
		{"dnat to the node is delivered", nat("-A PREROUTING -j DNAT --to-destination 192.0.2.10:8080\n-A POSTROUTING -j MASQUERADE"), outside(there), []string{"dnat 192.0.2.10:8080 local"}},
		{"dnat refused later", save("*nat\n-A PREROUTING -j DNAT --to-destination 10.1.0.9:8080", "*filter\n:FORWARD DROP [0:0]"), outside(me), []string{"drop"}},
		{"dnat to what it was is a dnat, not a change", save("*nat\n-A PREROUTING -j DNAT --to-destination 203.0.113.5:80", "*filter\n-A FORWARD -m conntrack --ctstate DNAT -j DROP"), outside(there), []string{"dnat 203.0.113.5:80"}},
		{"the first binding wins", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.9:80\n-A PREROUTING -j DNAT --to-destination 10.1.0.8:80"), outside(me), []string{"dnat 10.1.0.9:80"}},
		{"accept in nat leaves it as it is", nat("-A PREROUTING -j ACCEPT\n-A PREROUTING -j DNAT --to-destination 10.1.0.8:80"), outside(me), []string{"accept local"}},
		{"dnat of the address alone", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.9"), outside(me), []string{"dnat 10.1.0.9:80"}},
		{"dnat of the port alone", nat("-A PREROUTING -p tcp -j DNAT --to-destination :8080"), outside(me), []string{"dnat 192.0.2.10:8080 local"}},
		{"dnat to ports keeps one that is among them", nat("-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.9:70-90"), outside(me), []string{"dnat 10.1.0.9:80"}},
		{"dnat to ports takes the first", nat("-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.9:90-99"), outside(me), []string{"dnat 10.1.0.9:90"}},
		{"dnat to ports at random", nat("-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.9:90-92 --random"), outside(me), []string{"dnat 10.1.0.9:90 10923/32768", "dnat 10.1.0.9:91 21845/65536", "dnat 10.1.0.9:92 21845/65536"}},
		{"dnat with shifted ports", nat("-A PREROUTING -p tcp -j DNAT --to-destination 10.1.0.9:5000-5999/10"), outside(me), []string{"dnat 10.1.0.9:5070"}},
		{"dnat to addresses", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.8-10.1.0.9"), outside(me), []string{
			"dnat 10.1.0.8:80 if the kernel chooses 10.1.0.8 from 10.1.0.8-10.1.0.9",
			"dnat 10.1.0.9:80 if the kernel does not choose 10.1.0.8 from 10.1.0.8-10.1.0.9"}},
		{"redirect from outside", nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 3128"), outside(there), []string{"dnat 192.0.2.10:3128 local"}},
		{"redirect from a pod", nat("-A PREROUTING -p tcp -j REDIRECT --to-ports 3128"), pod(there), []string{"dnat 10.1.0.1:3128 local"}},
		{"redirect from the node", nat("-A OUTPUT -p tcp -j REDIRECT --to-ports 3128"), local(there), []string{"dnat 127.0.0.1:3128 local"}},
		{"netmap", nat("-A PREROUTING -d 203.0.113.0/24 -j NETMAP --to 10.1.0.0/24"), outside(there), []string{"dnat 10.1.0.5:80"}},
		{"masquerade", nat("-A POSTROUTING -j MASQUERADE"), outside(there), []string{"accept masquerade"}},
		{"snat", nat("-A POSTROUTING -j SNAT --to-source 192.0.2.10"), pod(there), []string{"accept masquerade"}},
		{"snat at input is not masquerading", nat("-A INPUT -j SNAT --to-source 10.9.9.9"), outside(me), []string{"accept local"}},
		{"masquerade does not run for local delivery", nat("-A POSTROUTING -j MASQUERADE"), outside(me), []string{"accept local"}},
		{"but over lo it does, and input sees it", save("*nat\n-A POSTROUTING -j MASQUERADE", "*filter\n-A INPUT -s 192.0.2.10 -m conntrack --ctreplsrc 10.1.0.1 -j DROP"), local("10.1.0.1:80"), []string{"drop"}},
		{"drop in nat", nat("-A PREROUTING -j DROP"), outside(me), []string{"drop"}},
		{"nat for the first packet only", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.9"), with(outside(me), netfilter.StateEstablished), []string{"accept local if the connection is not translated"}},
		{"no nat without a connection", nat("-A PREROUTING -j DNAT --to-destination 10.1.0.9"), with(outside(me), netfilter.StateInvalid), []string{"accept local"}},
		{"nor when it is not tracked", save("*raw\n-A PREROUTING -j CT --notrack", "*nat\n-A PREROUTING -j DNAT --to-destination 10.1.0.9", "*filter\n-A INPUT -m conntrack --ctstate UNTRACKED -j DROP"), outside(me), []string{"drop"}},
		{"raw is too early for states", save("*raw\n-A PREROUTING -m conntrack --ctstate NEW -j DROP"), outside(me), []string{"accept local"}},
		{"and sees INVALID", save("*raw\n-A PREROUTING -m conntrack --ctstate INVALID -j DROP"), outside(me), []string{"drop"}},

		// Marks.
		{"marks across hooks", save("*mangle\n-A PREROUTING -j MARK --set-xmark 0x4000/0x4000", "*nat\n-A POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE"), outside(there), []string{"accept masquerade"}},
		{"two bits", save("*mangle\n-A PREROUTING -j MARK --set-xmark 0x4000/0x4000\n-A PREROUTING -j MARK --set-xmark 0x8000/0x8000\n-A FORWARD -m mark --mark 0xc000/0xc000 -j MARK --set-xmark 0x4000/0x0", "*filter\n-A FORWARD -m mark --mark 0x8000 -j DROP"), outside(there), []string{"drop"}},
		{"xor", save("*mangle\n-A PREROUTING -j MARK --set-xmark 0x1/0x0\n-A PREROUTING -j MARK --set-xmark 0x1/0x0", "*filter\n-A FORWARD -m mark ! --mark 0x0 -j DROP"), outside(there), []string{"accept"}},
		{"save and restore", save("*mangle\n-A PREROUTING -j MARK --set-xmark 0xff/0xff\n-A PREROUTING -j CONNMARK --save-mark --nfmask 0xf0 --ctmask 0xff\n-A PREROUTING -j MARK --set-xmark 0x0/0xffffffff\n-A FORWARD -m connmark --mark 0xf0 -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff", "*filter\n-A FORWARD -m mark --mark 0xf0 -j DROP"), outside(there), []string{"drop"}},
		{"no connection mark without a connection", save("*raw\n-A PREROUTING -m connmark ! --mark 0x1 -j DROP"), outside(there), []string{"accept"}},
		{"the mark of an old connection is not known", save("*filter\n-A FORWARD -m connmark --mark 0x1 -j DROP"), with(outside(there), netfilter.StateEstablished), []string{"drop if -m connmark --mark 0x1 matches", "accept if -m connmark --mark 0x1 does not match"}},

		// What is not known.
		{"a chain that is not there", save("*filter\n-A INPUT -j MISSING"), outside(me), []string{
			"accept local if chain MISSING, which the input does not declare, lets the packet go on unchanged",
			"unknown if chain MISSING, which the input does not declare, does something else with the packet"}},
		{"a target that is not modelled", save("*filter\n-A INPUT -j CLUSTERIP --new"), outside(me), []string{
			"accept local if -j CLUSTERIP --new lets the packet go on unchanged",
			"unknown if -j CLUSTERIP --new does something else with the packet"}},
		{"a queue", save("*filter\n-A INPUT -j NFQUEUE --queue-num 3"), outside(me), []string{
			"accept local if the program that reads queue 3 accepts the packet",
			"drop if the program that reads queue 3 drops the packet"}},
		{"tproxy", save("*mangle\n-A PREROUTING -p tcp -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff", "*filter\n-A INPUT -m mark ! --mark 0x1 -j REJECT --reject-with icmp-port-unreachable"), outside(there), []string{
			"accept local if a transparent socket listens for -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff",
			"drop if no transparent socket listens for -j TPROXY --on-port 15001 --on-ip 0.0.0.0 --tproxy-mark 0x1/0xffffffff"}},
		{"one question, one answer", save("*filter\n-A INPUT -m length --length 100:200 -j MARK --set-xmark 0x1/0x1\n-A INPUT -m length ! --length 100:200 -j DROP\n-A INPUT -m mark --mark 0x0 -j REJECT --reject-with icmp-port-unreachable"), outside(me), []string{
			"accept local if -m length --length 100:200 matches", "drop if -m length --length 100:200 does not match"}},
		{"nothing depends on it", save("*filter\n-A INPUT -m length --length 100 -j LOG\n-A INPUT -m length --length 101 -j A\n:A - [0:0]\n-A A -s 10.9.9.9 -j DROP"), outside(me), []string{"accept local"}},
		{"an unknown test beside a false one", save("*filter\n-A INPUT -s 10.9.9.9 -m length --length 100 -j DROP"), outside(me), []string{"accept local"}},
		{"counted by nth", save("*filter\n-A INPUT -m statistic --mode nth --every 3 --packet 0 -j DROP"), outside(me), []string{"accept local 2/3", "drop 1/3"}},

		// Lists of addresses.
		{"seen before", save("*filter\n-A INPUT -m recent --rcheck --seconds 60 --name A --mask 255.255.255.255 --rsource -j DROP"), outside(me), []string{
			"drop if 198.51.100.7 was seen before by recent list A within the last 60 s",
			"accept local if 198.51.100.7 was not seen before by recent list A within the last 60 s"}},
		{"set is seen", save("*filter\n-A INPUT -m recent --set --name A --mask 255.255.255.255 --rsource\n-A INPUT -m recent --rcheck --seconds 60 --name A --mask 255.255.255.255 --rsource -j DROP"), outside(me), []string{"drop"}},
		{"a list has its first rule's mask", save("*filter\n-A INPUT -m recent --set --name A --mask 255.255.255.0 --rsource\n-A INPUT -m recent --rcheck --name A --mask 255.255.255.255 --rsource -j DROP"), outside(me), []string{"drop"}},
		{"removed is not", save("*filter\n-A INPUT -m recent --remove --name A --mask 255.255.255.255 --rsource\n-A INPUT -m recent --rcheck --name A --mask 255.255.255.255 --rsource -j DROP"), outside(me), []string{"accept local"}},
		{"asked twice", save("*filter\n-A INPUT -m recent --rcheck --name A --mask 255.255.255.255 --rsource -j DROP\n-A INPUT -m recent ! --rcheck --name A --mask 255.255.255.255 --rsource -j REJECT --reject-with icmp-port-unreachable"), outside(me), []string{
			"drop if 198.51.100.7 was seen before by recent list A",
			"reject icmp-port-unreachable if 198.51.100.7 was not seen before by recent list A"}},

		// Routing.
		{"own address from outside", input(""), flow(trace.FromExternal, "192.0.2.10", there), []string{"drop"}},
		{"broadcast", input(""), outside("192.0.2.255:80/udp"), []string{"accept local"}},
		{"localhost from outside", input(""), outside("127.0.0.1:80"), []string{
			"accept local if net.ipv4.conf.*.route_localnet is 1", "drop if net.ipv4.conf.*.route_localnet is 0"}},
		{"localhost from outside, refused either way", save("*filter\n-A INPUT -d 127.0.0.0/8 -i eth0 -j DROP"), outside("127.0.0.1:80"), []string{"drop"}},
		{"localhost from the node", nat("-A OUTPUT -d 127.0.0.1 -j DNAT --to-destination 10.1.0.9:80"), local("127.0.0.1:80"), []string{"dnat 10.1.0.9:80 if net.ipv4.conf.*.route_localnet is 1"}},
		{"::1 from outside", input(""), flow(trace.FromExternal, "2001:db8::7", "[::1]:80"), []string{
			"drop if table filter, which was not captured, lets the packet pass"}},
	} {
		t.Run(test.about, func(t *testing.T) {
			tr := follow(t, read(t, test.dump+node), test.flow)
			got := summary(tr)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s\n%s", diff, story(tr.Outcomes[0]))
			}
		})
	}
}

func with(f trace.Flow, state netfilter.ConnStates) trace.Flow {
	f.State = state
	return f
}
