package ipsetsave_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/internal/kerneltest"
	"github.com/svcpath/svcpath/parsers/ipsetsave"
)

// kernelSets are sets for the kernel. A kernel need not have all types: what it
// refuses to create is left out.
var kernelSets = []string{
	"create ip hash:ip counters comment skbinfo timeout 1000\nadd ip 10.0.0.1 timeout 0 packets 5 bytes 6 comment \"it's\" skbmark 0x10/0xff skbprio 1:10 skbqueue 7\nadd ip 10.0.0.2 timeout 0 skbmark 0x5",
	"create ip6 hash:ip family inet6 netmask 64\nadd ip6 2001:db8::1",
	"create ip6whole hash:ip family inet6\nadd ip6whole ::1.2.3.4",
	"create masked hash:ip netmask 24 forceadd\nadd masked 10.0.1.7\nadd masked 10.0.2.0/24",
	"create addresses bitmap:ip range 10.0.0.0/24\nadd addresses 10.0.0.1-10.0.0.3",
	"create networks bitmap:ip range 10.0.0.0/16 netmask 24\nadd networks 10.0.3.0",
	"create macs bitmap:ip,mac range 10.0.0.0/24 counters\nadd macs 10.0.0.1\nadd macs 10.0.0.2,00:11:22:33:44:aa",
	"create ports bitmap:port range 0-65535\nadd ports 80-82\nadd ports 65535",
	"create mac hash:mac\nadd mac 00:11:22:33:44:55",
	"create ipmac hash:ip,mac\nadd ipmac 10.0.0.1,00:11:22:33:44:55",
	"create net hash:net\nadd net 10.0.0.1-10.0.0.9\nadd net 10.0.0.0/8 nomatch",
	"create net6 hash:net family inet6\nadd net6 2001:db8::/32\nadd net6 2001:db8::1 nomatch",
	"create netnet hash:net,net\nadd netnet 10.0.0.0/8,0.0.0.0/0 nomatch",
	"create ipport hash:ip,port\nadd ipport 10.0.0.1,tcp:80-82\nadd ipport 10.0.0.1,icmp:8/0\nadd ipport 10.0.0.1,icmp:8/1\nadd ipport 10.0.0.1,112:0\nadd ipport 10.0.0.1,udplite:9\nadd ipport 10.0.0.1,200:0\nadd ipport 10.0.0.1,dccp:0",
	"create ipport6 hash:ip,port family inet6\nadd ipport6 2001:db8::1,icmpv6:1/3\nadd ipport6 2001:db8::1,sctp:9",
	"create ipportip hash:ip,port,ip\nadd ipportip 10.0.0.1,tcp:80,10.0.0.1",
	"create ipportnet hash:ip,port,net\nadd ipportnet 10.0.0.1,tcp:80,10.0.0.0/8\nadd ipportnet 10.0.0.1,tcp:80,10.0.0.0/9 nomatch",
	"create netport hash:net,port\nadd netport 10.0.0.0/8,tcp:80",
	"create netportnet hash:net,port,net\nadd netportnet 10.0.0.0/8,tcp:80,0.0.0.0/0",
	"create netiface hash:net,iface\nadd netiface 0.0.0.0/0,eth0\nadd netiface 10.0.0.0/24,physdev:eth1 nomatch\nadd netiface 10.0.0.0/8,et wildcard",
	"create ipmark hash:ip,mark markmask 0xff00\nadd ipmark 10.0.0.1,0x1234",
	"create KUBE-6-LOAD-BALANCER-SOURCE-CID hash:ip,port,net family inet6 hashsize 64 maxelem 100 bucketsize 4\nadd KUBE-6-LOAD-BALANCER-SOURCE-CID 2001:db8::1,tcp:80,2001:db8::/32",
	"create list list:set size 8 counters\nadd list ip\nadd list ports",
}

// TestKernel has ipset load sets, and compares what it prints of them with what
// is printed back of what was read.
func TestKernel(t *testing.T) {
	kerneltest.Require(t, "ip", "ipset")
	ns := kerneltest.New(t)
	var given []string
	for _, text := range kernelSets {
		create, elements, _ := strings.Cut(text, "\n")
		cmd := ns.Command("ipset", "restore")
		cmd.Stdin = strings.NewReader(create + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s: %s", create, out)
			continue
		}
		ns.Run(t, elements+"\n", "ipset", "restore")
		given = append(given, text)
	}
	saved := ns.Run(t, "", "ipset", "save")
	dump, next := ipsetsave.ParseSave(start(saved), foreign)
	if next.More() || len(dump.Diagnostics) > 0 {
		t.Fatalf("line %d, %v", next.Line, dump.Diagnostics)
	}
	var printed bytes.Buffer
	ipsetsave.Write(&printed, dump.Sets)
	if diff := cmp.Diff(saved, printed.String()); diff != "" {
		t.Errorf("printed back (-saved +printed):\n%s", diff)
	}

	// What ipset was given is read as what it made of it.
	read, _ := ipsetsave.ParseSave(start(strings.Join(given, "\n")+"\n"), foreign)
	if diff := cmp.Diff(elementsOf(dump), elementsOf(read)); diff != "" {
		t.Errorf("what ipset was given (-saved +given):\n%s", diff)
	}

	want := headersOf(dump)
	for _, form := range []string{"plain", "save", "xml"} {
		list := ns.Run(t, "", "ipset", "list", "-o", form)
		terse := ns.Run(t, "", "ipset", "list", "-t", "-o", form)
		parse := func(text string) *ipsetsave.Dump {
			switch form {
			case "plain":
				dump, next = ipsetsave.ParseList(start(text), foreign)
			case "save":
				dump, next = ipsetsave.ParseSave(start(text), foreign)
			case "xml":
				dump, next = ipsetsave.ParseXML(start(text))
			}
			if next.More() || len(dump.Diagnostics) > 0 {
				t.Errorf("%s: line %d, %v", form, next.Line, dump.Diagnostics)
			}
			return dump
		}
		var again bytes.Buffer
		ipsetsave.Write(&again, parse(list).Sets)
		if diff := cmp.Diff(printed.String(), again.String()); diff != "" {
			t.Errorf("%s (-save +list):\n%s", form, diff)
		}
		if form == "save" {
			continue // of which ipset prints no headers alone
		}
		if diff := cmp.Diff(want, headersOf(parse(terse))); diff != "" {
			t.Errorf("%s -t (-save +list):\n%s", form, diff)
		}
		for _, set := range dump.Sets {
			if !set.HeaderOnly || set.Complete {
				t.Errorf("%s -t: the elements of %s are taken for known", form, set.Name)
			}
		}
	}
}

func headersOf(dump *ipsetsave.Dump) (headers []string) {
	for _, set := range dump.Sets {
		bare := netfilter.NewIPSet(set.Name, set.Type, set.Family)
		bare.IPSetHeader = set.IPSetHeader
		var b bytes.Buffer
		ipsetsave.Write(&b, []*netfilter.IPSet{bare})
		headers = append(headers, b.String())
	}
	return headers
}

// elementsOf are the elements of all sets, ranges of ports taken apart, by set.
func elementsOf(dump *ipsetsave.Dump) map[string][]string {
	elements := map[string][]string{}
	for _, set := range dump.Sets {
		var all []string
		for _, e := range set.Elements() {
			hosts := []netfilter.IPSetElement{e}
			if last := e.Lasts[0]; last.IsValid() {
				hosts = nil
				for a := e.Nets[0].Addr(); !last.Less(a); a = a.Next() {
					host := e
					host.Lasts[0] = host.Lasts[1]
					host.Nets[0], _ = a.Prefix(a.BitLen())
					hosts = append(hosts, host)
				}
			}
			for _, e := range hosts {
				for port := int(e.Ports.First); port <= int(e.Ports.Last); port++ {
					single := e
					single.Ports = netfilter.PortRange{First: uint16(port), Last: uint16(port)}
					single.Timeout = 0 // which runs
					all = append(all, string(ipsetsave.AppendElement(nil, set, &single)))
				}
			}
		}
		slices.Sort(all)
		elements[set.Name] = all
	}
	return elements
}
