package ipvsadm_test

import (
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

const (
	version  = "IP Virtual Server version 1.2.1 (size=4096)\n"
	head     = version + "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n"
	procHead = version + "Prot LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port Forward Weight ActiveConn InActConn\n"

	stats = version + `Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes
  -> RemoteAddress:Port
TCP  10.0.0.1:80                         6       24       15  1305000  102400K
  -> 10.1.0.1:80                         2        8        5     435M     279G
FWM  5                                   0        0        0        0        0
`
	thresholdsText = version + `Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  10.0.0.1:80 rr
  -> 10.1.0.1:80                  100        80         3          4         
`
)

func TestParseList(t *testing.T) {
	for _, e := range []example{
		{name: "plain", text: head + `TCP  172.18.0.3:8088 rr
  -> 10.244.1.41:8080             Masq    1      2          13        
  -> 10.244.2.41:8080             Masq    0      0          0         
UDP  10.96.0.10:53 mh (mh-port)
SCTP 10.96.70.2:3868 sh (sh-fallback,sh-port) persistent 600 mask 255.255.255.0 pe sip ops
  -> 10.244.1.72:3868             Local   100    0          0         
TCP  [fd00:10:96::8001]:80 wrr persistent 10800 mask 64
  -> [fd00:10:244:1::a]:8080      Route   1      0          1         
FWM  5 rr ops
FWM  5 IPv6 rr
  -> [fd00::1]:0                  Tunnel  1      0          1         
`, want: `TCP 172.18.0.3:8088 rr
  10.244.1.41:8080 Masq weight 1 2+13
  10.244.2.41:8080 Masq weight 0 0+0
UDP 10.96.0.10:53 mh mh-port
SCTP 10.96.70.2:3868 sh sh-fallback sh-port persistent 10m0s mask 255.255.255.0 /0 engine sip ops
  10.244.1.72:3868 Local weight 100 0+0
TCP [fd00:10:96::8001]:80 wrr persistent 3h0m0s mask invalid IP /64
  [fd00:10:244:1::a]:8080 Route weight 1 0+1
FWM 5 rr ops
FWM 5 IPv6 rr
  [fd00::1]:0 Tunnel weight 1 0+1
`},
		{name: "--stats", text: stats, want: `TCP 10.0.0.1:80  {6 24 15 1305000 102400000}
  10.1.0.1:80  {2 8 5 435000000 279000000000}
FWM 5  {0 0 0 0 0}
`},
		{name: "--rate", text: version + `Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS
  -> RemoteAddress:Port
TCP  10.0.0.1:80                         6       24       15     1305      837
  -> 10.1.0.1:80                         2        8        5      435      279
`, want: "TCP 10.0.0.1:80 \n  10.1.0.1:80 \n"},
		{name: "--thresholds", text: thresholdsText, want: "TCP 10.0.0.1:80 rr\n  10.1.0.1:80  3+4 from 80 to 100\n"},
		{name: "--persistent-conn", text: version + `Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn 
  -> RemoteAddress:Port
TCP  10.0.0.1:80 rr persistent 60
  -> 10.1.0.1:80                  1         7           3          4         
`, want: "TCP 10.0.0.1:80 rr persistent 1m0s\n  10.1.0.1:80  weight 1 3+4 clients 7\n"},
		{name: "--tun-info", text: version + `Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn
TCP  10.0.0.1:80 rr
  -> 10.1.0.1:80                  Masq    n/a           1      3          4         
  -> 10.1.0.2:80                  Tunnel  gue:5555:csum 1      3          4         
  -> 10.1.0.3:80                  Tunnel  gre:nocsum    1      3          4         
  -> 10.1.0.4:80                  Tunnel  ipip          1      3          4         
`, want: `TCP 10.0.0.1:80 rr
  10.1.0.1:80 Masq weight 1 3+4
  10.1.0.2:80 Tunnel weight 1 3+4 gue port 5555 --tun-csum
  10.1.0.3:80 Tunnel weight 1 3+4 gre port 0 --tun-nocsum
  10.1.0.4:80 Tunnel weight 1 3+4 ipip port 0 --tun-nocsum
`},
		{name: "of one virtual server", text: `Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.0.0.1:80 rr
  -> 10.1.0.1:80                  Masq    1      3          4         
`, want: "TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1 3+4\nincomplete\n"},
		{name: "what a grep left over", text: `TCP  10.0.0.1:80 rr
  -> 10.1.0.1:80                  Masq    1      3          4         
`, want: "TCP 10.0.0.1:80 rr\n  10.1.0.1:80 Masq weight 1 3+4\nincomplete\n"},
		{name: "names", text: head + `TCP  kubernetes.default.svc.clust wlc
  -> kind-control-plane.example.o Masq    1      0          0         
  -> kind-worker.example.org:8443 Masq    1      0          0         
TCP  10.96.0.1:https rr
  -> node-1:6443                  Masq    1      0          0         
TCP  [web.example.org]:http rr
`, want: `TCP kubernetes.default.svc.clust wlc
  kind-control-plane.example.o Masq port? weight 1 0+0
  kind-worker.example.org:8443 Masq port? weight 1 0+0
TCP 10.96.0.1:443 rr
  node-1:6443 Masq weight 1 0+0
TCP [web.example.org]:http rr
`, said: []string{"info f:7: names of ports are taken for the numbers that IANA has for them, which the node's /etc/services may not: " +
			"https = 443, http = 80; ipvsadm-save -n prints numbers"}},
		{name: "bad lines", text: head + `  -> 10.1.0.9:80                  Masq    1      3          4         
TCP  10.0.0.1:80 rr
  -> 10.1.0.1:80                  Masq    1      3          
  -> 10.1.0.2:80                  Nat     1      3          4         
  -> 10.1.0.3                     Masq    1      3          4         
TCP  10.0.0.2:99999 rr
  -> 10.1.0.1:80                  Masq    1      3          4         
TCP  10.0.0.3:80 rr persistent
TCP  10.0.0.4:80 rr mask 255.0.0.0
TCP  10.0.0.5:80 rr <- this one
TCP  10.0.0.5:80 rr
TCP  10.0.0.6:80
`, want: "TCP 10.0.0.1:80 rr partial\nTCP 10.0.0.5:80 rr\nincomplete\n", said: []string{
			`error f:4: real server before any virtual server: expected a line such as "TCP  10.96.0.1:443 rr" before it`,
			`error f:6: real server with "Masq    1      3": expected Forward Weight ActiveConn InActConn`,
			`error f:7: forwarding method "Nat": expected one of Masq, Local, Tunnel, Route`,
			`error f:8: real server "10.1.0.3": expected a colon and a port behind the address`,
			`error f:9: virtual server port "99999" of "10.0.0.2:99999": expected 0 to 65535`,
			`error f:10: a real server is passed over, for the virtual server before cannot be read`,
			`error f:11: persistence without its timeout: the line is cut`,
			`error f:12: mask "255.0.0.0": expected it behind a timeout`,
			`warning f:13: "<-" behind a virtual server is not understood: expected persistent, mask, pe, ops`,
			`error f:14: virtual server TCP 10.0.0.5:80 is listed a second time, the first time in line 13`,
			`error f:15: virtual server without a scheduler: the line is cut`,
		}},
		{name: "two listings", text: head + "TCP  10.0.0.1:80 rr\n" + head + "TCP  10.0.0.2:80 rr\n", want: "TCP 10.0.0.1:80 rr\n", rest: version[:len(version)-1]},
		{name: "connections below", text: head + "TCP  10.0.0.1:80 rr\nIPVS connection entries\npro expire state       source             virtual            destination\nTCP 01:36  TIME_WAIT   10.244.1.10:57164  10.96.20.1:80      10.244.3.21:8080\n",
			want: "TCP 10.0.0.1:80 rr\n", rest: "IPVS connection entries"},
	} {
		t.Run(e.name, func(t *testing.T) {
			e.check(t, func(at source.Cursor) (*ipvsadm.Text, source.Cursor) {
				text, proc, next := ipvsadm.ParseList(at, nil)
				if proc {
					t.Error("taken for /proc/net/ip_vs")
				}
				return text, next
			})
		})
	}
}

func TestParseProc(t *testing.T) {
	for _, e := range []example{
		{name: "the kernel's", text: procHead + `UDP  0A604601:0202 rr  
  -> 0AF40147:05EA      Masq    1      0          1         
TCP  [fd00:0010:0096:0000:0000:0000:0000:8002]:01BB rr 
  -> [fd00:0010:0244:0002:0000:0000:0000:0052]:20FB      Masq    1      0          0         
TCP  0A603202:18EB rr  persistent 150000 FFFFFFFF
TCP  0A603203:18EB rr ops persistent 150000 FFFFFF00
TCP  [fd00:0010:0096:0000:0000:0000:0000:8003]:01BB rr persistent 2500 80000000
TCP  [fd00:0010:0096:0000:0000:0000:0000:8004]:01BB rr persistent 2500 40000000
FWM  00000005 wrr ops
  -> 0AF40147:0000      Route   3      0          1         
FWM  0000000A rr opspersistent 2500 80000000
  -> [fd00:0010:0244:0002:0000:0000:0000:0052]:0000      Masq    1      0          0         
FWM  80000000 rr 
`, want: `UDP 10.96.70.1:514 rr
  10.244.1.71:1514 Masq weight 1 0+1
TCP [fd00:10:96::8002]:443 rr
  [fd00:10:244:2::52]:8443 Masq weight 1 0+0
TCP 10.96.50.2:6379 rr persistent 0s jiffies 150000
TCP 10.96.50.3:6379 rr persistent 0s jiffies 150000 mask 255.255.255.0 /0 ops
TCP [fd00:10:96::8003]:443 rr persistent 0s jiffies 2500
TCP [fd00:10:96::8004]:443 rr persistent 0s jiffies 2500 mask invalid IP /64
FWM 5 wrr ops
  10.244.1.71:0 Route weight 3 0+1
FWM 10 IPv6 rr persistent 0s jiffies 2500 ops
  [fd00:10:244:2::52]:0 Masq weight 1 0+0
FWM 2147483648 rr
`},
		{name: "cut short", text: procHead + `UDP  0A6046:0202 rr  
  -> 0AF40147:05EA      Masq    1      0          1         
TCP  [fd00:0010:0096:0000:0000:0000:0000:8002]:01B rr 
TCP  0A603202:18EB rr  persistent 150000 FFFF
TCP  0A603201:18EB rr  
  -> 0AF40147:05EA      Masq    1      0          1         
  -> 0AF40147:05E      Masq    1      0          1         
  -> 0AF4
`, want: "TCP 10.96.50.1:6379 rr partial\n  10.244.1.71:1514 Masq weight 1 0+1\nincomplete\n", said: []string{
			`error f:4: virtual server "0A6046:0202": expected an address of 8 hexadecimal digits, a colon and a port of 4`,
			`error f:5: a real server is passed over, for the virtual server before cannot be read`,
			`error f:6: virtual server "[fd00:0010:0096:0000:0000:0000:0000:8002]:01B": expected an IPv6 address in brackets, a colon and a port of 4 hexadecimal digits`,
			`error f:7: mask "FFFF": expected 8 hexadecimal digits`,
			`error f:10: real server "0AF40147:05E": expected an address of 8 hexadecimal digits, a colon and a port of 4`,
			`error f:11: real server "0AF4": expected an address of 8 hexadecimal digits, a colon and a port of 4`,
		}},
		{name: "cut in a number", text: procHead + "TCP  0A603201:18EB rr \n  -> 0AF40147:05EA      Masq    1      0          1", want: "TCP 10.96.50.1:6379 rr partial\nincomplete\n",
			said: []string{`error f:5: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "cut in the next one", text: procHead + "TCP  0A603201:18EB rr \n  -> 0AF40147:05EA      Masq    1      0          1\nTC", want: "TCP 10.96.50.1:6379 rr\n  10.244.1.71:1514 Masq weight 1 0+1\nincomplete\n",
			said: []string{`error f:6: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "cut in blanks", text: procHead + "TCP  0A603201:18EB rr \n ", want: "TCP 10.96.50.1:6379 rr partial\nincomplete\n",
			said: []string{`error f:5: the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing`}},
		{name: "empty", text: procHead, want: ""},
	} {
		t.Run(e.name, func(t *testing.T) {
			e.check(t, func(at source.Cursor) (*ipvsadm.Text, source.Cursor) {
				text, proc, next := ipvsadm.ParseList(at, nil)
				if !proc {
					t.Error("not taken for /proc/net/ip_vs")
				}
				return text, next
			})
		})
	}
}
