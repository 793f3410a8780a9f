package ipvsadm_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// said are diagnostics as users see them.
func said(diags []source.Diagnostic) []string {
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%s %s", d.Severity, d))
	}
	return out
}

// told is what a table tells, one line a server.
func told(t *ipvs.Table) string {
	var b strings.Builder
	for _, v := range t.Services() {
		fmt.Fprintf(&b, "%s %s", v, v.Scheduler)
		for _, w := range v.Flags.Words(v.Scheduler) {
			fmt.Fprintf(&b, " %s", w)
		}
		if p := v.Persistence; p != nil {
			fmt.Fprintf(&b, " persistent %s", p.Timeout)
			if p.Jiffies != 0 {
				fmt.Fprintf(&b, " jiffies %d", p.Jiffies)
			}
			if p.Mask.IsValid() || p.PrefixLen != 0 {
				fmt.Fprintf(&b, " mask %s /%d", p.Mask, p.PrefixLen)
			}
			if p.Engine != "" {
				fmt.Fprintf(&b, " engine %s", p.Engine)
			}
		}
		if v.OnePacket {
			b.WriteString(" ops")
		}
		if v.Partial {
			b.WriteString(" partial")
		}
		if v.Stats != nil {
			fmt.Fprintf(&b, " %v", *v.Stats)
		}
		b.WriteByte('\n')
		for i := range v.Servers() {
			r := &v.Servers()[i]
			d := r.Details()
			fmt.Fprintf(&b, "  %s %s", r, r.Method)
			if !r.PortKnown {
				b.WriteString(" port?")
			}
			if r.WeightKnown {
				fmt.Fprintf(&b, " weight %d", r.Weight)
			}
			if r.Counted {
				fmt.Fprintf(&b, " %d+%d", r.Active, r.Inactive)
			}
			if d.Tunnel != nil {
				fmt.Fprintf(&b, " %s port %d %s", d.Tunnel.Type, d.Tunnel.Port, d.Tunnel.Checksum)
			}
			if d.ThresholdsKnown {
				fmt.Fprintf(&b, " from %d to %d", d.LowerThreshold, d.UpperThreshold)
			}
			if d.PersistentKnown {
				fmt.Fprintf(&b, " clients %d", d.Persistent)
			}
			if d.Stats != nil {
				fmt.Fprintf(&b, " %v", *d.Stats)
			}
			b.WriteByte('\n')
		}
	}
	if !t.Complete {
		b.WriteString("incomplete\n")
	}
	return b.String()
}

func file(text string) *source.File { return &source.File{Path: "f", Text: text} }

type example struct {
	name, text, want string
	said             []string
	rest             string // what is left unread, to the end of its line
}

func (e example) check(t *testing.T, parse func(source.Cursor) (*ipvsadm.Text, source.Cursor)) {
	t.Helper()
	f := file(e.text)
	got, next := parse(source.Start(f))
	if diff := cmp.Diff(e.want, told(got.Table)); diff != "" {
		t.Errorf("%s:\n%s", e.name, diff)
	}
	if diff := cmp.Diff(e.said, said(got.Diagnostics)); diff != "" {
		t.Errorf("%s:\n%s", e.name, diff)
	}
	rest, _, _ := strings.Cut(f.Text[next.Offset:], "\n")
	if rest != e.rest {
		t.Errorf("%s: the text ends before %q, expected %q", e.name, rest, e.rest)
	}
	for _, v := range got.Table.Services() {
		if line := strings.Split(f.Text, "\n")[v.Pos().Line-1]; strings.TrimSpace(line) != v.Text() {
			t.Errorf("%s: %s has text %q in line %q", e.name, v, v.Text(), line)
		}
		for _, r := range v.Servers() {
			if line := strings.Split(f.Text, "\n")[r.Pos().Line-1]; strings.TrimSpace(line) != r.Text() {
				t.Errorf("%s: %s has text %q in line %q", e.name, &r, r.Text(), line)
			}
		}
	}
}

func TestParseSave(t *testing.T) {
	for _, e := range []example{
		{name: "kube-proxy", text: `-A -t 172.18.0.3:30080 -s rr
-a -t 172.18.0.3:30080 -r 10.244.1.10:8080 -m -w 1
-a -t 172.18.0.3:30080 -r 10.244.2.21:8080 -m -w 0
-A -t 10.96.50.1:80 -s rr -p 10800
-A -u 10.96.0.10:53 -s lc
-A --sctp-service 10.96.70.2:3868 -s rr
-a --sctp-service 10.96.70.2:3868 -r 10.244.1.72:3868 -m -w 1
-A -t [fd00:10:96::8001]:80 -s rr
-a -t [fd00:10:96::8001]:80 -r [fd00:10:244:1::a]:8080 -m -w 1
`, want: `TCP 172.18.0.3:30080 rr
  10.244.1.10:8080 Masq weight 1
  10.244.2.21:8080 Masq weight 0
TCP 10.96.50.1:80 rr persistent 3h0m0s
UDP 10.96.0.10:53 lc
SCTP 10.96.70.2:3868 rr
  10.244.1.72:3868 Masq weight 1
TCP [fd00:10:96::8001]:80 rr
  [fd00:10:244:1::a]:8080 Masq weight 1
`},
		{name: "everything else", text: `-A -t 10.0.0.1:0 -s wrr -p 300 -M 255.255.255.0
-a -t 10.0.0.1:0 -r 10.1.0.1:0 -g -w 5
-A -f 5 -s mh -b mh-fallback,mh-port
-a -f 5 -r 10.1.0.1:0 -i -w 1 --tun-type ipip
-a -f 5 -r 10.1.0.2:0 -i -w 1 --tun-type gue --tun-port 5555 --tun-remcsum
-a -f 5 -r [fd00::2]:0 -i -w 1 --tun-type gre --tun-csum
-A -f 5 -6 -s sh -b sh-port
-a -f 5 -6 -r [fd00::3]:0 -g -w 1 -x 100 -y 80
-A -f -2147483648 -s rr
-A -u 10.0.0.2:5060 -s rr -p 60 --pe sip -o
-A -t [fd00::1]:80 -s dh -p 60 -M 64 -b flag-1,flag-3
`, want: `TCP 10.0.0.1:0 wrr persistent 5m0s mask 255.255.255.0 /0
  10.1.0.1:0 Route weight 5
FWM 5 mh mh-fallback mh-port
  10.1.0.1:0 Tunnel weight 1 ipip port 0 --tun-nocsum
  10.1.0.2:0 Tunnel weight 1 gue port 5555 --tun-remcsum
  [fd00::2]:0 Tunnel weight 1 gre port 0 --tun-csum
FWM 5 IPv6 sh sh-port
  [fd00::3]:0 Route weight 1 from 80 to 100
FWM 2147483648 rr
UDP 10.0.0.2:5060 rr persistent 1m0s engine sip ops
TCP [fd00::1]:80 dh flag-1 flag-3 persistent 1m0s mask invalid IP /64
`},
		{name: "as people write it, and as older ones print it", text: `ipvsadm --add-service --tcp-service=10.0.0.1:80
   ipvsadm -a -t 10.0.0.1:80 -r 10.1.0.1
ipvsadm --add-server --tcp-service 10.0.0.1:80 --real-server 10.1.0.2:81 --masquerading
-A -u 10.0.0.2:5060 -s rr -p 60 pe sip ops
-A -t 10.0.0.3:22 -s rr -p
`, want: `TCP 10.0.0.1:80 wlc
  10.1.0.1:80 Route weight 1
  10.1.0.2:81 Masq weight 1
UDP 10.0.0.2:5060 rr persistent 1m0s engine sip ops
TCP 10.0.0.3:22 rr persistent 0s
`},
		{name: "names", text: `-A -t kubernetes.default:https -s rr
-a -t kubernetes.default:https -r 172.18.0.2:6443 -m -w 1
-A -u 10.96.0.10:domain -s rr
-a -u 10.96.0.10:domain -r dns-1.example:domain -m -w 1
-A -t 10.96.0.9:amanda -s rr
`, want: `TCP kubernetes.default:https rr
  172.18.0.2:6443 Masq weight 1
UDP 10.96.0.10:53 rr
  dns-1.example:domain Masq weight 1
TCP 10.96.0.9:amanda rr
`, said: []string{"info f:1: names of ports are taken for the numbers that IANA has for them, which the node's /etc/services may not: " +
			"https = 443, domain = 53; ipvsadm-save -n prints numbers"}},
		{name: "bad lines", text: `-A -t 10.0.0.1:65536 -s rr
-a -t 10.0.0.1:65536 -r 10.1.0.1:80 -m -w 1
-a -t 10.0.0.1:65536 -r 10.1.0.2:80 -m -w 1
-A -t 10.0.0.2:80 -s rr
-a -t 10.0.0.2:80 -r 10.1.0.1:70000 -m -w 1
-a -t 10.0.0.2:80 -r 10.1.0.2:80 -m -w 1
-a -t 10.0.0.2:80 -r 10.1.0.3:80 -m -w
-A -t 10.0.0.256:80 -s rr
-A -t 10.0.0.3:80 -s rr -x
-A -f 0 -s rr
-A -t 10.0.0.4:80 -s rr -b sh-port
-A -t 10.0.0.5:80 -s rr -M 255.0.0.0
-A -u [10.0.0.6]:80 -s rr
`, want: `TCP 10.0.0.2:80 rr partial
  10.1.0.2:80 Masq weight 1
incomplete
`, said: []string{
			`error f:1: virtual server port "65536" of "10.0.0.1:65536": expected 0 to 65535`,
			`error f:2: 2 real servers are passed over, for the virtual server before cannot be read`,
			`error f:5: real server port "70000" of "10.1.0.1:70000": expected 0 to 65535`,
			`error f:7: -w "": expected a number from 0 to 2147483647`,
			`error f:8: virtual server "10.0.0.256:80": expected an IPv4 address and port, or names for them`,
			`error f:9: "-x" of a virtual server is not understood: expected one of -s, -p, -M, --pe, -o, -b`,
			`error f:10: firewall mark "0": expected 1 to 4294967295`,
			`error f:11: scheduler flag "sh-port": expected flag-1, flag-2, flag-3 of scheduler "rr"`,
			`error f:12: a mask or a persistence engine without persistence: expected -p and a timeout in seconds`,
			`error f:13: virtual server "[10.0.0.6]:80": expected an IPv6 address and port, or names for them`,
		}},
		{name: "a real server before its virtual server", text: `-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1
-a -t 10.0.0.1:80 -r 10.1.0.2:80 -m -w 1
-A -t 10.0.0.2:80 -s rr
`, want: `TCP 10.0.0.1:80  partial
  10.1.0.1:80 Masq weight 1
  10.1.0.2:80 Masq weight 1
TCP 10.0.0.2:80 rr
incomplete
`, said: []string{`error f:1: real server before its virtual server: expected "-A -t 10.0.0.1:80 …" before it; its scheduler and other real servers are not known`}},
		{name: "a second one begins another text", text: `-A -t 10.0.0.1:80 -s rr
-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1

-A -t 10.0.0.1:80 -s rr
`, want: "TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1\n", rest: ""},
		{name: "prompts and comments", text: `-A -t 10.0.0.1:80 -s rr
# the next
-A -t 10.0.0.2:80 -s rr
...
-A -t 10.0.0.3:80 -s rr
root@node:~# ipvsadm -Sn
-A -t 10.0.0.1:80 -s rr
`, want: "TCP 10.0.0.1:80 rr\nTCP 10.0.0.2:80 rr\nTCP 10.0.0.3:80 rr\nincomplete\n",
			said: []string{`warning f:2: skipped 1 line between virtual servers: "# the next"`, `warning f:4: skipped 1 line between virtual servers: "..."`},
			rest: "root@node:~# ipvsadm -Sn"},
		{name: "cut in mid-line", text: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-a -t 10.0.0.1:80", want: "TCP 10.0.0.1:80 rr partial\n  10.1.0.1:80 Masq weight 1\nincomplete\n",
			said: []string{`error f:3: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "cut in a weight, or behind it", text: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1", want: "TCP 10.0.0.1:80 rr partial\nincomplete\n",
			said: []string{`error f:2: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "cut in a port of the next one", text: "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 10.1.0.1:80 -m -w 1\n-A -t 10.0.0.2:80", want: "TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1\nincomplete\n",
			said: []string{`error f:3: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "cut behind a dash", text: "-A -t 10.0.0.1:80 -s rr\n-", want: "TCP 10.0.0.1:80 rr partial\nincomplete\n",
			said: []string{`error f:2: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
	} {
		t.Run(e.name, func(t *testing.T) {
			e.check(t, func(at source.Cursor) (*ipvsadm.Text, source.Cursor) { return ipvsadm.ParseSave(at, nil) })
		})
	}
}

// What was read is printed so that it is read again as the same.
func TestWriteSave(t *testing.T) {
	const text = `-A -t 172.18.0.3:30080 -s rr
-a -t 172.18.0.3:30080 -r 10.244.1.10:8080 -m -w 1
-A -t 10.96.50.1:80 -s rr -p 10800
-A --sctp-service 10.96.70.2:3868 -s wrr
-a --sctp-service 10.96.70.2:3868 -r 10.244.1.72:3868 -g -w 10
-A -t [fd00:10:96::8001]:80 -s rr -p 60 -M 64
-a -t [fd00:10:96::8001]:80 -r [fd00:10:244:1::a]:8080 -m -w 1
-A -u 10.0.0.2:5060 -s sh -p 60 -M 255.255.0.0 --pe sip -o -b sh-fallback,sh-port
-A -f 5 -s rr
-a -f 5 -r 10.1.0.1:0 -i -w 1 --tun-type ipip
-a -f 5 -r 10.1.0.2:0 -i -w 1 --tun-type gue --tun-port 5555 --tun-remcsum
-a -f 5 -r 10.1.0.3:0 -i -w 1 --tun-type gre --tun-nocsum -x 100 -y 80
-A -f 4294967295 -6 -s rr
-A -t web.example:http -s rr
-a -t web.example:http -r web-1.example:webcache -m -w 1
`
	parsed, next := ipvsadm.ParseSave(source.Start(file(text)), nil)
	if next.Offset != len(text) {
		t.Fatalf("the text ends in line %d", next.Line)
	}
	var printed bytes.Buffer
	if err := ipvsadm.WriteSave(&printed, parsed.Table); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, printed.String()); diff != "" {
		t.Error(diff)
	}
}

func TestWriteSaveSaysWhatIsMissing(t *testing.T) {
	for text, want := range map[string]string{
		stats:          "virtual server TCP 10.0.0.1:80: its scheduler is not known",
		thresholdsText: "real server 10.1.0.1:80 of TCP 10.0.0.1:80: its weight is not known",
		procHead + "TCP  0A000001:0050 rr  persistent 75000 FFFFFFFF\n": "virtual server TCP 10.0.0.1:80: its timeout is known in the kernel's ticks, not in seconds",
		procHead + "FWM  00000005 rr \n":                                "virtual server FWM 5: its address family is not known",
	} {
		parsed, _, _ := ipvsadm.ParseList(source.Start(file(text)), nil)
		if err := ipvsadm.WriteSave(&bytes.Buffer{}, parsed.Table); err == nil || err.Error() != want {
			t.Errorf("got %v, expected %s", err, want)
		}
	}
}
