package iproute_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/iproute"
)

func start(text string) source.Cursor {
	return source.Start(&source.File{Path: "ip.txt", Text: text})
}

func native(string) bool { return false }

// plain is what tests compare: one line an address, a remark, and the line
// that follows the text.
func plain(addrs []snapshot.Address, diags []source.Diagnostic, next source.Cursor) []string {
	var out []string
	for _, a := range addrs {
		out = append(out, fmt.Sprintf("%s %s", a.Interface, a.Prefix))
	}
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%s: %s (%d)", d.Severity, d, d.Unread))
	}
	if next.More() {
		line, _ := next.Next()
		out = append(out, fmt.Sprintf("next %d: %s", next.Line, line))
	}
	return out
}

func TestParseAddr(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "both families",
		text: `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
    inet6 ::1/128 scope host 
       valid_lft forever preferred_lft forever
2: eth0@if21: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:42:ac:12:00:03 brd ff:ff:ff:ff:ff:ff link-netnsid 0
    inet 172.18.0.3/16 brd 172.18.255.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 fc00:f853:ccd:e793::3/64 scope global nodad 
       valid_lft forever preferred_lft forever
`,
		want: []string{"lo 127.0.0.1/8", "lo ::1/128", "eth0 172.18.0.3/16", "eth0 fc00:f853:ccd:e793::3/64"},
	}, {
		name: "an interface that is down keeps its addresses",
		text: "3: docker0: <NO-CARRIER,BROADCAST> mtu 1500 state DOWN\n    inet 172.17.0.1/16 scope global docker0\n",
		want: []string{"docker0 172.17.0.1/16"},
	}, {
		name: "a tentative and a deprecated address",
		text: "2: eth0: <UP> mtu 1500\n    inet6 2001:db8::1/64 scope global tentative \n    inet6 2001:db8::2/64 scope global deprecated dynamic\n",
		want: []string{"eth0 2001:db8::1/64", "eth0 2001:db8::2/64"},
	}, {
		name: "before a peer an address stands for itself",
		text: "7: ppp0: <POINTOPOINT,UP> mtu 1492\n    inet 10.0.0.1 peer 10.0.0.2/24 scope global ppp0\n    inet6 fe80::1 peer fe80::2/64 scope link\n",
		want: []string{"ppp0 10.0.0.1/32", "ppp0 fe80::1/128"},
	}, {
		name: "what a grep leaves over",
		text: "    inet 127.0.0.1/8 scope host lo\n    inet 172.18.0.3/16 brd 172.18.255.255 scope global eth0\n    inet 172.18.0.4/16 scope global secondary eth0:1\n    inet6 fe80::1/64 scope link \n",
		want: []string{"lo 127.0.0.1/8", "eth0 172.18.0.3/16", "eth0 172.18.0.4/16", " fe80::1/64"},
	}, {
		name: "statistics and details between the addresses, lines of another system",
		text: "2: eth0: <UP> mtu 1500\r\n    link/ether 02:42:ac:12:00:03 promiscuity 0 minmtu 68\r\n    RX:  bytes packets errors\r\n    1 2 3\r\n    inet 10.0.0.1/24 scope global eth0\r\n",
		want: []string{"eth0 10.0.0.1/24"},
	}, {
		name: "no indentation left",
		text: "2: eth0: <UP> mtu 1500\nlink/ether 02:42:ac:12:00:03\ninet 10.0.0.1/24 scope global eth0\nvalid_lft forever preferred_lft forever\n$ ip route\n",
		want: []string{"eth0 10.0.0.1/24", "next 5: $ ip route"},
	}, {
		name: "in a list of a Markdown text",
		text: "   2: eth0: <UP> mtu 1500\n       inet 10.0.0.1/24 scope global eth0\n   ```\n   and so on\n",
		want: []string{"eth0 10.0.0.1/24", "next 3:    ```"},
	}, {
		name: "blank lines between interfaces",
		text: "1: lo: <UP> mtu 1\n    inet 127.0.0.1/8 scope host lo\n\n\n2: eth0: <UP> mtu 1\n    inet 10.0.0.1/24 scope global eth0\n\n    not part of it\n",
		want: []string{"lo 127.0.0.1/8", "eth0 10.0.0.1/24", "next 7: "},
	}, {
		name: "a foreign line ends it, indented or not",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n  FOREIGN\n",
		want: []string{"eth0 10.0.0.1/24", "next 3:   FOREIGN"},
	}, {
		name: "cut in an address",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n       valid_lft forever preferred_lft forever\n    inet 10.0.0.2",
		want: []string{"eth0 10.0.0.1/24", "error: ip.txt:4: the list of addresses is cut off in the middle of a line, which is not used: the node may have others (1)"},
	}, {
		name: "cut in blanks",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n       valid_lft forever preferred_lft forever\n   ",
		want: []string{"eth0 10.0.0.1/24", "error: ip.txt:4: the list of addresses is cut off in the middle of a line, which is not used: the node may have others (1)"},
	}, {
		name: "cut in a lifetime",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n       valid_lft forever preferred_lft for",
		want: []string{"eth0 10.0.0.1/24", "error: ip.txt:3: the list of addresses is cut off in the middle of a line, which is not used: the node may have others (1)"},
	}, {
		name: "cut in an interface",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n       valid_lft forever preferred_lft forever\n3: cn",
		want: []string{"eth0 10.0.0.1/24", "error: ip.txt:4: the list of addresses is cut off in the middle of a line, which is not used: the node may have others (1)"},
	}, {
		name: "nothing cut but the last line feed",
		text: "2: eth0: <UP> mtu 1500\n    inet 10.0.0.1/24 scope global eth0\n       valid_lft 300sec preferred_lft 60sec",
		want: []string{"eth0 10.0.0.1/24"},
	}, {
		name: "an address that is none, the rest is kept",
		text: "2: eth0: <UP> mtu 1500\n    inet 172.18.0.3/33 brd 172.18.255.255 scope global eth0\n    inet6 10.0.0.1/24 scope global\n    inet\n    inet 10.0.0.2/24 scope global eth0\n",
		want: []string{
			"eth0 10.0.0.2/24",
			`error: ip.txt:2: found "inet 172.18.0.3/33 brd 172.18.255.255 scope global eth0", expected an IPv4 address with its prefix length (1)`,
			`error: ip.txt:3: found "inet6 10.0.0.1/24 scope global", expected an IPv6 address with its prefix length (1)`,
			`error: ip.txt:4: found "inet", expected an IPv4 address with its prefix length (1)`,
		},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			foreign := func(line string) bool { return strings.Contains(line, "FOREIGN") }
			if diff := cmp.Diff(test.want, plain(iproute.ParseAddr(start(test.text), foreign))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAddrBegins(t *testing.T) {
	for line, want := range map[string]bool{
		"2: eth0@if5: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500": true,
		"  10: a@b@if3: <UP> mtu 1":                               true,
		"    inet 10.0.0.1/24 brd 10.0.0.255 scope global eth0":   true,
		"inet6 fe80::1/64 scope link":                             true,
		"        inet 172.18.0.3  netmask 255.255.0.0":            false, // ifconfig
		"        inet6 fe80::1  prefixlen 64  scopeid 0x20<link>": false, // ifconfig
		"2: eth0: link is up":                                     false,
		"0:\tfrom all lookup local":                               false, // ip rule
		"inet":                                                    false,
		"-A INPUT -j ACCEPT":                                      false,
		"":                                                        false,
		"inet 10.0.0.1/24 is an address in the scope of this text": false,
	} {
		if got := iproute.AddrBegins(line); got != want {
			t.Errorf("AddrBegins(%q) = %v", line, got)
		}
	}
}

func TestParseAddrJSON(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{{
		name: "as ip -j prints it, in one line",
		text: `[{"ifindex":1,"ifname":"lo","flags":["UP"],"addr_info":[{"family":"inet","local":"127.0.0.1","prefixlen":8,"scope":"host"},{"family":"inet6","local":"::1","prefixlen":128}]},{"ifindex":2,"link_index":5,"ifname":"eth0","addr_info":[{"family":"inet","local":"172.18.0.3","prefixlen":16,"label":"eth0"}]}]` + "\nnext\n",
		want: []string{"lo 127.0.0.1/8", "lo ::1/128", "eth0 172.18.0.3/16", "next 2: next"},
	}, {
		name: "as ip -j -p prints it",
		text: "[ {\n        \"ifindex\": 2,\n        \"ifname\": \"eth0\",\n        \"addr_info\": [ {\n                \"family\": \"inet\",\n                \"local\": \"10.0.0.1\",\n                \"prefixlen\": 24\n            } ]\n    } ]\n",
		want: []string{"eth0 10.0.0.1/24"},
	}, {
		name: "empty objects of an older ip, no addresses of ip -j link",
		text: `[{},{"ifindex":2,"ifname":"eth0"},{}]`,
	}, {
		name: "before a peer an address stands for itself",
		text: `[{"ifname":"ppp0","addr_info":[{"family":"inet","local":"10.0.0.1","address":"10.0.0.2","prefixlen":24}]}]`,
		want: []string{"ppp0 10.0.0.1/32"},
	}, {
		name: "an address that is none, the rest is kept",
		text: "[{\"ifname\":\"eth0\",\n\"addr_info\":[{\"family\":\"inet\",\"local\":\"10.0.0.300\",\"prefixlen\":24},{\"family\":\"inet\",\"local\":\"10.0.0.1\",\"prefixlen\":33},{\"family\":\"inet6\",\"local\":\"10.0.0.1\",\"prefixlen\":24},{\"family\":\"inet\",\"local\":\"10.0.0.2\",\"prefixlen\":24}]},\n7]\n",
		want: []string{
			"eth0 10.0.0.2/24",
			`error: ip.txt:1: found "{\"family\":\"inet\",\"local\":\"10.0.0.300\",\"prefixlen\":24}", expected family, local and prefixlen of an address of "eth0" (1)`,
			`error: ip.txt:1: found "{\"family\":\"inet\",\"local\":\"10.0.0.1\",\"prefixlen\":33}", expected family, local and prefixlen of an address of "eth0" (1)`,
			`error: ip.txt:1: found "{\"family\":\"inet6\",\"local\":\"10.0.0.1\",\"prefixlen\":24}", expected family, local and prefixlen of an address of "eth0" (1)`,
			`error: ip.txt:3: found "7", expected an interface with ifname and addr_info (1)`,
		},
	}, {
		name: "cut short",
		text: "[{\"ifname\":\"lo\",\"addr_info\":[{\"family\":\"inet\",\"local\":\"127.0.0.1\",\"prefixlen\":8}]},\n{\"ifname\":\"eth0\",\"addr_i",
		want: []string{
			"lo 127.0.0.1/8",
			`error: ip.txt:2: found "{\"ifname\":\"eth0\",\"addr_i", expected an object or the end of a JSON array (1)`,
		},
	}, {
		name: "never closed",
		text: "[{\"ifname\":\"lo\"}\n",
		want: []string{`error: ip.txt:1: found "the end of the text", expected the JSON array that begins here to be closed (1)`},
	}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, plain(iproute.ParseAddrJSON(start(test.text)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Both ways of printing the same node agree.
func TestAddrTextAndJSONAgree(t *testing.T) {
	text, err := os.ReadFile("../../samples/service-zoo/ip-addr.txt")
	if err != nil {
		t.Fatal(err)
	}
	json, err := os.ReadFile("testdata/service-zoo-ip-addr.json")
	if err != nil {
		t.Fatal(err)
	}
	fromText := plain(iproute.ParseAddr(start(string(text)), native))
	if len(fromText) != 11 {
		t.Errorf("%d addresses, expected 11", len(fromText))
	}
	if diff := cmp.Diff(fromText, plain(iproute.ParseAddrJSON(start(string(json))))); diff != "" {
		t.Error(diff)
	}
}

func FuzzAddr(f *testing.F) {
	f.Add("2: eth0@if5: <UP> mtu 1\n    inet 10.0.0.1/24 scope global eth0\n\ninet6 fe80::1 peer fe80::2/64 scope link")
	f.Add(`[{"ifname":"eth0","addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24}]},{},` + "\n7]")
	f.Fuzz(func(t *testing.T, text string) {
		at := start(text)
		if !at.More() {
			return
		}
		addrs, diags, next := iproute.ParseAddr(at, native)
		checkResult(t, text, addrs, diags, next)
		if line, _ := at.Next(); iproute.AddrBegins(line) && next.Offset == 0 {
			t.Errorf("%q begins and is not read", line)
		}
		addrs, diags, next = iproute.ParseAddrJSON(at)
		checkResult(t, text, addrs, diags, next)
		if next.Offset == 0 {
			t.Error("JSON is read without an end")
		}
	})
}

func checkResult(t *testing.T, text string, addrs []snapshot.Address, diags []source.Diagnostic, next source.Cursor) {
	t.Helper()
	for _, a := range addrs {
		if !a.Prefix.IsValid() {
			t.Errorf("invalid address of %q", a.Interface)
		}
	}
	checkCursor(t, text, diags, next)
}

// checkCursor holds that a cursor stands at the beginning of the line that it
// says, and remarks about lines before it.
func checkCursor(t *testing.T, text string, diags []source.Diagnostic, next source.Cursor) {
	t.Helper()
	before := text[:next.Offset]
	if before != "" && next.More() && !strings.HasSuffix(before, "\n") {
		t.Errorf("the cursor stands within line %d", next.Line)
	}
	if lines := strings.Count(before, "\n"); next.More() && next.Line != lines+1 {
		t.Errorf("the cursor says line %d, %d lines are read", next.Line, lines)
	}
	for _, d := range diags {
		if d.Pos.Line < 1 || d.Pos.Line > max(1, next.Line) || d.Severity == 0 || d.Unread == 0 {
			t.Errorf("remark out of place: %+v", d)
		}
	}
}
