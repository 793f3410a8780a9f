package record

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	moby "github.com/moby/ipvs"
	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// virtualServers asks the kernel for its IPVS table, and gives it as
// "ipvsadm-save -n" prints it.
func virtualServers() (string, error) {
	// The library complains on standard error where there is no modprobe.
	logrus.SetOutput(io.Discard)
	handle, err := moby.New("")
	if err != nil {
		return "", fmt.Errorf("opening a netlink socket: %w", err)
	}
	defer handle.Close()
	services, err := handle.GetServices()
	if err != nil {
		return "", fmt.Errorf("asking for the virtual servers: %w", err)
	}
	if len(services) == 0 && procHasServers() {
		// Without the number of IPVS' netlink family the library asks nobody,
		// and takes the silence for an empty table.
		return "", fmt.Errorf("netlink tells of no virtual server, and %s does", procIPVS)
	}
	entries := make([]entry, 0, len(services))
	for _, s := range services {
		destinations, err := handle.GetDestinations(s)
		if err != nil {
			return "", fmt.Errorf("asking for the real servers of %s:%d: %w", s.Address, s.Port, err)
		}
		entries = append(entries, entry{s, destinations})
	}
	return saveText(entries)
}

// An entry is a virtual server as the library gives it, with its real servers.
type entry struct {
	service      *moby.Service
	destinations []*moby.Destination
}

// saveText is the table as ipvsadm-save prints it.
func saveText(entries []entry) (string, error) {
	var table ipvs.Table
	for _, e := range entries {
		v, err := virtualServer(e.service)
		if err != nil {
			return "", err
		}
		added, _ := table.Add(v)
		for _, d := range e.destinations {
			r, err := realServer(d)
			if err != nil {
				return "", fmt.Errorf("virtual server %s: %w", added, err)
			}
			r.SetDetails(ipvs.Details{UpperThreshold: d.UpperThreshold, LowerThreshold: d.LowerThreshold, ThresholdsKnown: true})
			added.AddServer(r)
		}
	}
	var b strings.Builder
	err := ipvsadm.WriteSave(&b, &table)
	return b.String(), err
}

// Flags of a virtual server (include/uapi/linux/ip_vs.h, IP_VS_SVC_F_…).
const (
	flagPersistent = 0x0001
	flagOnePacket  = 0x0004
	flagSched1Bit  = 3 // the first of three
)

func virtualServer(s *moby.Service) (v ipvs.VirtualServer, err error) {
	v = ipvs.VirtualServer{
		Protocol: uint8(s.Protocol), Port: s.Port, PortKnown: true, Mark: s.FWMark,
		Scheduler: ipvs.Scheduler(s.SchedName), OnePacket: s.Flags&flagOnePacket != 0,
		Flags: ipvs.SchedulerFlags(s.Flags >> flagSched1Bit & 7),
	}
	switch s.AddressFamily {
	case unix.AF_INET:
		v.Family = netfilter.IPv4
	case unix.AF_INET6:
		v.Family = netfilter.IPv6
	default:
		return v, fmt.Errorf("a virtual server of address family %d: expected IPv4 or IPv6", s.AddressFamily)
	}
	if v.Mark != 0 {
		v.Protocol, v.Port = 0, 0
	} else {
		a, ok := netip.AddrFromSlice(s.Address)
		if !ok {
			return v, errors.New("a virtual server without an address and without a firewall mark")
		}
		v.Address = a
	}
	if s.Flags&flagPersistent != 0 {
		v.Persistence = &ipvs.Persistence{Timeout: time.Duration(s.Timeout) * time.Second}
		// The mask is four bytes in the order of the network, or the length
		// of an IPv6 prefix (ip_vs_ctl.c, ip_vs_genl_fill_service).
		if v.Family == netfilter.IPv4 {
			var mask [4]byte
			binary.NativeEndian.PutUint32(mask[:], s.Netmask)
			if mask != [4]byte{255, 255, 255, 255} {
				v.Persistence.Mask = netip.AddrFrom4(mask)
			}
		} else if s.Netmask < 128 {
			v.Persistence.PrefixLen = uint8(s.Netmask)
		}
	}
	return v, nil
}

func realServer(d *moby.Destination) (r ipvs.RealServer, err error) {
	r = ipvs.RealServer{
		Port: d.Port, PortKnown: true, Weight: uint32(d.Weight), WeightKnown: true,
		Counted: true, Active: uint32(d.ActiveConnections), Inactive: uint32(d.InactiveConnections),
	}
	var ok bool
	if r.Address, ok = netip.AddrFromSlice(d.Address); !ok {
		return r, errors.New("a real server without an address")
	}
	switch d.ConnectionFlags & moby.ConnectionFlagFwdMask {
	case moby.ConnectionFlagMasq:
		r.Method = ipvs.Masquerading
	case moby.ConnectionFlagLocalNode:
		r.Method = ipvs.LocalNode
	case moby.ConnectionFlagTunnel:
		r.Method = ipvs.ViaTunnel
	case moby.ConnectionFlagDirectRoute:
		r.Method = ipvs.DirectRouting
	default:
		return r, fmt.Errorf("real server %s: forwarding method %d is not known", r.Address, d.ConnectionFlags&moby.ConnectionFlagFwdMask)
	}
	return r, nil
}

// procHasServers reports whether the kernel's own listing names a virtual
// server.
func procHasServers() bool {
	text, err := os.ReadFile(procIPVS)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		switch word, _, _ := strings.Cut(line, " "); word {
		case "TCP", "UDP", "SCTP", "FWM":
			return true
		}
	}
	return false
}
