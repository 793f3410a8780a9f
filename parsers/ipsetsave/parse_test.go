package ipsetsave_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipsetsave"
)

func start(text string) source.Cursor {
	return source.Start(&source.File{Path: "sets", Text: text})
}

func foreign(line string) bool { return strings.Contains(line, "FOREIGN") }

// plain is what tests compare: a set's lines as "ipset save" prints them, what
// is known of how whole it is, the remarks, and the line that follows.
func plain(dump *ipsetsave.Dump, next source.Cursor) []string {
	var out []string
	for _, set := range dump.Sets {
		var b bytes.Buffer
		ipsetsave.Write(&b, []*netfilter.IPSet{set})
		state := ""
		switch {
		case set.HeaderOnly:
			state = " (header)"
		case !set.Complete:
			state = " (cut)"
		}
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		out = append(out, fmt.Sprintf("%d: %s%s", set.Pos.Line, lines[0], state))
		for i, e := range set.Elements() {
			out = append(out, fmt.Sprintf("%d: %s", e.Span.Line, lines[i+1]))
		}
	}
	for _, d := range dump.Diagnostics {
		out = append(out, fmt.Sprintf("%s: %s (%d)", d.Severity, d, d.Unread))
	}
	if next.More() {
		line, _ := next.Next()
		out = append(out, fmt.Sprintf("next %d: %s", next.Line, line))
	}
	return out
}

func TestParseSave(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "sets and elements",
		text: "create A hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9068a6e7\nadd A 10.0.0.1,tcp:80\ncreate B bitmap:port range 0-65535\nadd B 30080\n",
		want: []string{
			"1: create A hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x9068a6e7", "2: add A 10.0.0.1,tcp:80",
			"3: create B bitmap:port range 0-65535", "4: add B 30080",
		},
	}, {
		name: "every type, of both families",
		text: `create a bitmap:ip range 10.0.0.0-10.0.255.255 netmask 24
add a 10.0.1.0
create b bitmap:ip,mac range 10.0.0.0/24
add b 10.0.0.1
add b 10.0.0.2,00:11:22:33:44:aa
create c bitmap:port range 1-100
add c 5-7
create d hash:ip family inet6
add d ::1.2.3.4
create e hash:mac
add e 00:11:22:33:44:55
create f hash:ip,mac
add f 10.0.0.1,00:11:22:33:44:55
create g hash:net
add g 10.0.0.0/8 nomatch
add g 10.0.0.1-10.0.0.4
create h hash:net,net family inet6
add h 2001:db8::/32,::/0
create i hash:ip,port,ip
add i 10.0.0.1,sctp:80,10.0.0.2
create j hash:ip,port,net
add j 10.0.0.1,vrrp:0,10.0.0.0/8
create k hash:net,port
add k 10.0.0.0/8,udplite:9-12
create l hash:net,port,net
add l 0.0.0.0/0,icmp:8/0,10.0.0.1
add l 0.0.0.0/0,icmp:8/7,10.0.0.1
create m hash:net,iface
add m 10.0.0.0/8,physdev:eth0 nomatch wildcard
create n hash:ip,mark markmask 0xff00
add n 10.0.0.1,0x1200
create o hash:ip,port family inet6
add o 2001:db8::1,icmpv6:ping
create p list:set size 8
add p a
create q hash:ip bitmask 255.0.255.0/162
add q 10.0.7.1
`,
		want: []string{
			"1: create a bitmap:ip range 10.0.0.0-10.0.255.255 netmask 24", "2: add a 10.0.1.0",
			"3: create b bitmap:ip,mac range 10.0.0.0-10.0.0.255", "4: add b 10.0.0.1", "5: add b 10.0.0.2,00:11:22:33:44:AA",
			"6: create c bitmap:port range 1-100", "7: add c 5-7",
			"8: create d hash:ip family inet6", "9: add d ::1.2.3.4",
			"10: create e hash:mac", "11: add e 00:11:22:33:44:55",
			"12: create f hash:ip,mac family inet", "13: add f 10.0.0.1,00:11:22:33:44:55",
			"14: create g hash:net family inet", "15: add g 10.0.0.0/8 nomatch", "16: add g 10.0.0.1", "16: add g 10.0.0.2/31", "16: add g 10.0.0.4",
			"17: create h hash:net,net family inet6", "18: add h 2001:db8::/32,::/0",
			"19: create i hash:ip,port,ip family inet", "20: add i 10.0.0.1,sctp:80,10.0.0.2",
			"21: create j hash:ip,port,net family inet", "22: add j 10.0.0.1,vrrp:0,10.0.0.0/8",
			"23: create k hash:net,port family inet", "24: add k 10.0.0.0/8,udplite:9-12",
			"25: create l hash:net,port,net family inet", "26: add l 0.0.0.0/0,icmp:echo-request,10.0.0.1", "27: add l 0.0.0.0/0,icmp:8/7,10.0.0.1",
			"28: create m hash:net,iface family inet", "29: add m 10.0.0.0/8,physdev:eth0 nomatch wildcard",
			"30: create n hash:ip,mark family inet markmask 0x0000ff00", "31: add n 10.0.0.1,0x00001200",
			"32: create o hash:ip,port family inet6", "33: add o 2001:db8::1,ipv6-icmp:echo-request",
			"34: create p list:set size 8", "35: add p a",
			"36: create q hash:ip family inet bitmask 255.0.255.0", "37: add q 10.0.7.0",
		},
	}, {
		name: "what elements carry",
		text: "create A hash:ip timeout 600 counters comment skbinfo\nadd A 10.0.0.1 timeout 99 packets 1 bytes 2 comment \"it's \\ = a\" skbmark 0x10/0xff skbprio 1:10 skbqueue 7\nadd A 10.0.0.2 timeout 0\n",
		want: []string{
			"1: create A hash:ip family inet timeout 600 counters comment skbinfo",
			"2: add A 10.0.0.1 timeout 99 packets 1 bytes 2 comment \"it's \\ = a\" skbmark 0x10/0xff skbprio 1:10 skbqueue 7",
			"3: add A 10.0.0.2 timeout 0 packets 0 bytes 0",
		},
	}, {
		name: "elements that are none, the rest is kept",
		text: "create A hash:ip,port\nadd A 10.0.0.1\nadd A 10.0.0.1,tcp:65536\nadd A 2001:db8::1,tcp:80\nadd A 10.0.0.1,tcp:80 since 5\nadd A 10.0.0.1,tcp:80 timeout\nadd A\nadd A 10.0.0.1,tcp:81\ncreate B hash:ip\n",
		want: []string{
			"1: create A hash:ip,port family inet (cut)", "8: add A 10.0.0.1,tcp:81", "9: create B hash:ip family inet",
			`error: sets:2: an element of set "A": found "10.0.0.1", expected ADDRESS,PROTOCOL:PORT (1)`,
			`error: sets:3: an element of set "A": found "tcp:65536" in "10.0.0.1,tcp:65536", expected a port from 0 to 65535 or a range of them (1)`,
			`error: sets:4: an element of set "A": found "2001:db8::1" in "2001:db8::1,tcp:80", expected an address or a network of IPv4 (1)`,
			`error: sets:5: an element of set "A": option "since": expected one of ipset's options (1)`,
			`error: sets:6: an element of set "A": found "timeout" at the end, expected a value or one of ipset's options (1)`,
			`error: sets:7: an element of set "A": expected an element, found none (1)`,
		},
	}, {
		name: "a type and an option that are not modelled",
		text: "create A hash:ip,vlan family inet\nadd A 10.0.0.1,7\ncreate B hash:ip shape round\ncreate C hash:ip\nadd C 10.0.0.1\n",
		want: []string{
			"4: create C hash:ip family inet", "5: add C 10.0.0.1",
			`error: sets:1: set "A" is not read: its type is "hash:ip,vlan", expected one of ipset's: hash:…, bitmap:… or list:set with parts that are known (1)`,
			`error: sets:2: an element of set "A", which is not read (1)`,
			`error: sets:3: set "B" is not read: option "shape": expected one of ipset's options (1)`,
		},
	}, {
		name: "an element of a set that nothing creates, elements out of order",
		text: "create A hash:ip\ncreate B hash:ip\nadd A 10.0.0.1\nadd C 10.0.0.1\nadd B 10.0.0.2\n",
		want: []string{
			"1: create A hash:ip family inet", "3: add A 10.0.0.1", "2: create B hash:ip family inet", "5: add B 10.0.0.2",
			`error: sets:4: an element of set "C", expected a line above that creates the set and tells its type (1)`,
		},
	}, {
		name: "cut in the middle of a line: what stands there may be another element",
		text: "create A hash:ip,port\nadd A 10.0.0.1,tcp:80\nadd A 10.0.0.2,tcp:8",
		want: []string{
			"1: create A hash:ip,port family inet (cut)", "2: add A 10.0.0.1,tcp:80",
			`warning: sets:3: set "A" is cut off in the middle of a line: what is not here need not be missing (0)`,
		},
	}, {
		name: "left out in the middle",
		text: "create A hash:ip\nadd A 10.0.0.1\n...\nadd A 10.0.0.2\n",
		want: []string{
			"1: create A hash:ip family inet (cut)", "2: add A 10.0.0.1",
			`warning: sets:3: set "A" is cut off before this line: what is not here need not be missing (0)`,
			"next 3: ...",
		},
	}, {
		name: "a prompt ends it, and so does a text of another kind",
		text: "create A hash:ip\nadd A 10.0.0.1\n\nroot@node:~# ipset list\n",
		want: []string{"1: create A hash:ip family inet", "2: add A 10.0.0.1", "next 3: "},
	}, {
		name: "another text",
		text: "create A hash:ip\r\nadd A 10.0.0.1\r\nFOREIGN\r\n",
		want: []string{"1: create A hash:ip family inet", "2: add A 10.0.0.1", "next 3: FOREIGN\r"},
	}, {
		name: "outside of a bitmap, and ranges that no set takes",
		text: "create A bitmap:ip range 10.0.0.0-10.0.0.255\nadd A 10.0.1.0\ncreate B bitmap:port range 5-9\nadd B 4\ncreate C hash:ip family inet6\nadd C 2001:db8::1-2001:db8::2\ncreate D bitmap:ip\ncreate E bitmap:ip range 2001:db8::/120\ncreate F hash:ip range 1-2\n",
		want: []string{
			"1: create A bitmap:ip range 10.0.0.0-10.0.0.255 (cut)", "3: create B bitmap:port range 5-9 (cut)", "5: create C hash:ip family inet6 (cut)",
			`error: sets:2: an element of set "A": found "10.0.1.0" in "10.0.1.0", expected an address from 10.0.0.0 to 10.0.0.255 (1)`,
			`error: sets:4: an element of set "B": found "4" in "4", expected a port from 5 to 9 (1)`,
			`error: sets:6: an element of set "C": found "2001:db8::1-2001:db8::2" in "2001:db8::1-2001:db8::2", expected no range of IPv6, which no set takes (1)`,
			`error: sets:7: set "D" is not read: expected a range of addresses, found none (1)`,
			`error: sets:8: set "E" is not read: option "range": found "2001:db8::/120", expected addresses of IPv4 (1)`,
			`error: sets:9: set "F" is not read: option "range": expected a bitmap, which has a range (1)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plain(ipsetsave.ParseSave(start(test.text), foreign))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseList(t *testing.T) {
	const head = "Name: A\nType: hash:ip\nRevision: 6\nHeader: family inet hashsize 1024 maxelem 65536\nSize in memory: 200\nReferences: 1\n"
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "elements",
		text: head + "Number of entries: 2\nMembers:\n10.0.0.1\n10.0.0.2\n\nName: B\nType: bitmap:port\nRevision: 3\nHeader: range 0-9\nSize in memory: 8\nReferences: 0\nNumber of entries: 0\nMembers:\n",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536", "9: add A 10.0.0.1", "10: add A 10.0.0.2",
			"12: create B bitmap:port range 0-9",
		},
	}, {
		name: "an old ipset that counts nothing, indented",
		text: "   " + strings.ReplaceAll(head+"Members:\n10.0.0.1", "\n", "\n   ") + "\n",
		want: []string{"1: create A hash:ip family inet hashsize 1024 maxelem 65536", "8: add A 10.0.0.1"},
	}, {
		name: "headers only",
		text: head + "Number of entries: 2\n\n" + strings.ReplaceAll(head, "Name: A", "Name: B") + "Number of entries: 0\n",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536 (header)", "9: create B hash:ip family inet hashsize 1024 maxelem 65536 (header)",
		},
	}, {
		name: "fewer elements than it says",
		text: head + "Number of entries: 3\nMembers:\n10.0.0.1\n\nName: B\nType: list:set\nRevision: 3\nHeader: size 8\nSize in memory: 8\nReferences: 0\nNumber of entries: 1\nMembers:\nA\nroot@node:~# \n",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536 (cut)", "9: add A 10.0.0.1", "11: create B list:set size 8", "19: add B A",
			`warning: sets:1: set "A" says that it has 3 elements, and 1 are here: what is not here need not be missing (0)`,
			"next 20: root@node:~# ",
		},
	}, {
		name: "left out in the middle",
		text: head + "Number of entries: 3\nMembers:\n10.0.0.1\n...\n10.0.0.3\n",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536 (cut)", "9: add A 10.0.0.1", "11: add A 10.0.0.3",
			`error: sets:10: an element of set "A": found "..." in "...", expected an address or a network of IPv4 (1)`,
		},
	}, {
		name: "elements that expire need not be as many as are counted",
		text: strings.Replace(head, "maxelem 65536", "maxelem 65536 timeout 600", 1) + "Number of entries: 2\nMembers:\n10.0.0.1 timeout 5\n\nFOREIGN\n",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536 timeout 600", "9: add A 10.0.0.1 timeout 5", "next 10: ",
		},
	}, {
		name: "a type that is not modelled",
		text: strings.Replace(head, "hash:ip", "hash:ip,vlan", 1) + "Number of entries: 1\nMembers:\n10.0.0.1,7\n\n" + strings.ReplaceAll(head, "Name: A", "Name: B") + "Number of entries: 0\nMembers:\n",
		want: []string{
			"11: create B hash:ip family inet hashsize 1024 maxelem 65536",
			`error: sets:1: set "A" is not read: its type is "hash:ip,vlan", expected one of ipset's: hash:…, bitmap:… or list:set with parts that are known (1)`,
			`error: sets:9: an element of set "A", which is not read (1)`,
		},
	}, {
		name: "cut in the middle of a line",
		text: head + "Number of entries: 1\nMembers:\n10.0.0.1",
		want: []string{
			"1: create A hash:ip family inet hashsize 1024 maxelem 65536 (cut)",
			`warning: sets:9: set "A" is cut off in the middle of a line: what is not here need not be missing (0)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plain(ipsetsave.ParseList(start(test.text), foreign))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseXML(t *testing.T) {
	const set = `<ipsets>
<ipset name="A">
<type>hash:ip,port</type>
<revision>6</revision>
<header><family>inet</family><hashsize>1024</hashsize><counters/><comment/>
<memsize>200</memsize>
<references>1</references>
<numentries>2</numentries>
</header>
`
	const members = `<members>
<member><elem>10.0.0.1,tcp:80</elem><packets>1</packets><bytes>2</bytes><comment>"a &amp; b"</comment></member>
<member><elem>10.0.0.2,udp:53</elem><nomatch/></member>
</members>
</ipset>
`
	const create = "2: create A hash:ip,port family inet hashsize 1024 counters comment"
	one, two := `11: add A 10.0.0.1,tcp:80 packets 1 bytes 2 comment "a & b"`, "12: add A 10.0.0.2,udp:53 nomatch packets 0 bytes 0"
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "elements", text: set + members + "</ipsets>\nnext\n",
		want: []string{create, one, two, "next 16: next"},
	}, {
		name: "headers only", text: set + "</ipset>\n</ipsets>\n",
		want: []string{create + " (header)"},
	}, {
		name: "never closed", text: set + strings.TrimSuffix(members, "</members>\n</ipset>\n"),
		want: []string{
			create + " (cut)", one, two,
			`warning: sets:2: set "A" is cut off before its end: what is not here need not be missing (0)`,
			"warning: sets:1: the XML that begins here is never closed: what is not here need not be missing (0)",
		},
	}, {
		name: "fewer elements than it says", text: set + strings.Replace(members, "<member><elem>10.0.0.2,udp:53</elem><nomatch/></member>\n", "", 1) + "</ipsets>\n",
		want: []string{
			create + " (cut)", one,
			`warning: sets:2: set "A" says that it has 2 elements, and 1 are here: what is not here need not be missing (0)`,
		},
	}, {
		name: "an element that is none", text: set + strings.Replace(members, "udp:53", "udp:domain", 1) + "</ipsets>\n",
		want: []string{
			create + " (cut)", one,
			`error: sets:12: an element of set "A": found "udp:domain" in "10.0.0.2,udp:domain", expected a port from 0 to 65535 or a range of them (1)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plain(ipsetsave.ParseXML(start(test.text)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A recording prints back as it was read, and lists of the same sets say the
// same. (service-zoo-*.txt: "ipset save" and "ipset list" of ipset 7.17 behind
// kube-proxy v1.34.1 in IPVS mode, both families.)
func TestRecording(t *testing.T) {
	save, err := os.ReadFile("testdata/service-zoo-save.txt")
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile("testdata/service-zoo-list.txt")
	if err != nil {
		t.Fatal(err)
	}
	print := func(dump *ipsetsave.Dump, next source.Cursor) string {
		var b bytes.Buffer
		if err := ipsetsave.Write(&b, dump.Sets); err != nil {
			t.Fatal(err)
		}
		if len(dump.Diagnostics) > 0 || next.More() {
			t.Errorf("line %d, %v", next.Line, dump.Diagnostics)
		}
		for _, set := range dump.Sets {
			if !set.Complete {
				t.Errorf("set %s is not complete", set.Name)
			}
		}
		return b.String()
	}
	saved := print(ipsetsave.ParseSave(start(string(save)), foreign))
	if diff := cmp.Diff(string(save), saved); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(saved, print(ipsetsave.ParseList(start(string(list)), foreign))); diff != "" {
		t.Error(diff)
	}
}
