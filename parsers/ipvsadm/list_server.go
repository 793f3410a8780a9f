package ipvsadm

import (
	"fmt"
	"math"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// server reads the line of a real server, "-> ADDRESS:PORT …".
func (r *listReader) server(at source.Cursor, target, rest, line string) {
	v := r.service
	if v == nil {
		if len(r.table.Services()) == 0 && r.remarks.All() == nil {
			r.unread(at, fmt.Errorf("real server before any virtual server: expected a line such as %s before it", quote("TCP  10.96.0.1:443 rr")))
			return
		}
		r.table.Complete = false
		r.lose(at)
		return
	}
	s, d, err := r.readServer(at, v, target, rest)
	if err != nil {
		v.Partial = true
		r.unread(at, err)
		return
	}
	s.SetDetails(d)
	s.SetText(spanOf(at, line))
	v.AddServer(s)
}

func (r *listReader) readServer(at source.Cursor, v *ipvs.VirtualServer, target, rest string) (s ipvs.RealServer, d ipvs.Details, err error) {
	how := r.how
	if how == listed && v.Family == netfilter.IPv6 {
		how = saved // nothing is cut below an IPv6 address
	}
	e, err := readEndpoint(target, v.Protocol, how)
	if err != nil {
		if r.how == listed && v.Family != netfilter.IPv6 && len(target) == cutAt && target[0] == '[' {
			// The IPv6 address of a tunnel's other end, cut.
			e, err = endpoint{name: target}, nil
		} else {
			return s, d, fmt.Errorf("real server %w", err)
		}
	}
	r.named(at, e)
	s.Address, s.Port, s.PortKnown, d.Name = e.addr, e.port, e.portKnown, e.name

	w, n := words(rest)
	kind := r.columns
	if kind == untitled || kind == unknownColumn {
		kind = untitledColumns(w, n)
	}
	counts := [2]string{}
	switch kind {
	case plain, tunnels:
		at := 1
		if kind == tunnels {
			at = 2
		}
		if n != at+3 {
			return s, d, wrongColumns(rest, kind)
		}
		if s.Method = forwarding(w[0]); s.Method == ipvs.UnknownForwarding {
			return s, d, fmt.Errorf("forwarding method %s: expected one of Masq, Local, Tunnel, Route", quote(w[0]))
		}
		if kind == tunnels && s.Method == ipvs.ViaTunnel {
			if d.Tunnel, err = tunnelInfo(w[1]); err != nil {
				return s, d, err
			}
		}
		if s.Weight, err = number31(w[at], "weight"); err != nil {
			return s, d, err
		}
		s.WeightKnown = true
		counts = [2]string{w[at+1], w[at+2]}
	case thresholds, clients:
		if n != 4 {
			return s, d, wrongColumns(rest, kind)
		}
		a, okA := decimal(w[0], math.MaxUint32)
		b, okB := decimal(w[1], math.MaxUint32)
		if !okA || !okB {
			return s, d, wrongColumns(rest, kind)
		}
		if kind == thresholds {
			d.UpperThreshold, d.LowerThreshold, d.ThresholdsKnown = uint32(a), uint32(b), true
		} else {
			s.Weight, s.WeightKnown = uint32(a), true
			d.Persistent, d.PersistentKnown = uint32(b), true
		}
		counts = [2]string{w[2], w[3]}
	case statistics, rates:
		stats, ok := numbers(rest)
		if !ok {
			return s, d, wrongColumns(rest, kind)
		}
		if kind == statistics {
			d.Stats = &ipvs.Stats{Connections: stats[0], InPackets: stats[1], OutPackets: stats[2], InBytes: stats[3], OutBytes: stats[4]}
		}
		return s, d, nil
	default:
		return s, d, nil // the address is all that is certain
	}
	active, okA := decimal(counts[0], math.MaxUint32)
	inactive, okB := decimal(counts[1], math.MaxUint32)
	if !okA || !okB {
		return s, d, wrongColumns(rest, kind)
	}
	s.Active, s.Inactive, s.Counted = uint32(active), uint32(inactive), true
	return s, d, nil
}

// untitledColumns tells by the columns themselves what they are, where that is
// certain.
func untitledColumns(w [12]string, n int) columns {
	switch {
	case forwarding(w[0]) == ipvs.UnknownForwarding:
	case n == 4:
		return plain
	case n == 5:
		return tunnels
	}
	return untitled
}

func wrongColumns(rest string, kind columns) error {
	expected := map[columns]string{
		plain:      "Forward Weight ActiveConn InActConn",
		tunnels:    "Forward TunnelInfo Weight ActiveConn InActConn",
		statistics: "Conns InPkts OutPkts InBytes OutBytes",
		rates:      "CPS InPPS OutPPS InBPS OutBPS",
		thresholds: "Uthreshold Lthreshold ActiveConn InActConn",
		clients:    "Weight PersistConn ActiveConn InActConn",
	}[kind]
	return fmt.Errorf("real server with %s: expected %s", quote(strings.TrimSpace(rest)), expected)
}

func forwarding(word string) ipvs.Forwarding {
	for _, f := range []ipvs.Forwarding{ipvs.Masquerading, ipvs.LocalNode, ipvs.ViaTunnel, ipvs.DirectRouting} {
		if word == f.String() {
			return f
		}
	}
	return ipvs.UnknownForwarding
}

// tunnelInfo reads "ipip", "gue:5555:nocsum", "gre:csum" (ipvsadm.c,
// fwd_tun_info).
func tunnelInfo(word string) (*ipvs.Tunnel, error) {
	t := &ipvs.Tunnel{}
	kind, rest, _ := strings.Cut(word, ":")
	var ok bool
	if t.Type, ok = tunnelType(kind); !ok {
		return nil, fmt.Errorf("tunnel %s: expected ipip, gue:PORT:CHECKSUM or gre:CHECKSUM", quote(word))
	}
	if t.Type == ipvs.GUE {
		var portWord string
		portWord, rest, _ = strings.Cut(rest, ":")
		n, ok := decimal(portWord, 1<<16-1)
		if !ok {
			return nil, fmt.Errorf("tunnel %s: expected gue:PORT:CHECKSUM", quote(word))
		}
		t.Port = uint16(n)
	}
	switch rest {
	case "", "nocsum":
	case "csum":
		t.Checksum = ipvs.FullChecksum
	case "remcsum":
		t.Checksum = ipvs.RemoteChecksum
	default:
		return nil, fmt.Errorf("tunnel %s: expected the checksum to be nocsum, csum or remcsum", quote(word))
	}
	return t, impossibleTunnel(*t)
}

func number31(word, what string) (uint32, error) {
	n, ok := decimal(word, math.MaxInt32)
	if !ok {
		return 0, fmt.Errorf("%s %s: expected a number from 0 to %d", what, quote(word), math.MaxInt32)
	}
	return uint32(n), nil
}
