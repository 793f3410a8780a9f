package ipvsadm

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"time"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// WriteSave prints a table in the save form, as "ipvsadm-save -n" of ipvsadm 1.31
// does, in the order of the table, for "ipvsadm -R" to load. Thresholds, which
// ipvsadm leaves out of it, are printed where they are known, and firewall marks
// from 2³¹ on are not negative, which ipvsadm does not load. The error names
// what the table lacks for it: a scheduler, a weight, a forwarding method, a
// timeout in seconds.
func WriteSave(w io.Writer, t *ipvs.Table) error {
	out := bufio.NewWriter(w)
	var line []byte
	for _, v := range t.Services() {
		var err error
		if line, err = appendService(append(line[:0], "-A "...), v); err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return fmt.Errorf("writing the IPVS table: %w", err)
		}
		for _, r := range v.Servers() {
			if line, err = appendServer(append(line[:0], "-a "...), &r); err != nil {
				return err
			}
			if _, err := out.Write(append(line, '\n')); err != nil {
				return fmt.Errorf("writing the IPVS table: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing the IPVS table: %w", err)
	}
	return nil
}

// appendDial appends what names the virtual server in both of its lines.
func appendDial(b []byte, v *ipvs.VirtualServer) []byte {
	if v.Mark != 0 {
		b = strconv.AppendUint(append(b, "-f "...), uint64(v.Mark), 10)
		if v.Family == netfilter.IPv6 {
			b = append(b, " -6"...)
		}
		return b
	}
	switch v.Protocol {
	case netfilter.TCP:
		b = append(b, "-t "...)
	case netfilter.UDP:
		b = append(b, "-u "...)
	default:
		b = append(b, "--sctp-service "...)
	}
	return appendEndpoint(b, v.Name, v.Address, v.Port)
}

func appendEndpoint(b []byte, name string, a netip.Addr, port uint16) []byte {
	if name != "" {
		return append(b, name...)
	}
	return netip.AddrPortFrom(a, port).AppendTo(b)
}

func appendService(b []byte, v *ipvs.VirtualServer) ([]byte, error) {
	if v.Mark != 0 && v.Family == netfilter.AnyFamily {
		return b, fmt.Errorf("virtual server %s: its address family is not known", v)
	}
	if v.Scheduler == "" {
		return b, fmt.Errorf("virtual server %s: its scheduler is not known", v)
	}
	b = append(append(appendDial(b, v), " -s "...), v.Scheduler...)
	if p := v.Persistence; p != nil {
		b = append(b, " -p"...)
		switch {
		case p.Timeout != 0:
			b = strconv.AppendInt(append(b, ' '), int64(p.Timeout/time.Second), 10)
		case p.Jiffies != 0:
			return b, fmt.Errorf("virtual server %s: its timeout is known in the kernel's ticks, not in seconds", v)
		}
		if p.Mask.IsValid() {
			b = p.Mask.AppendTo(append(b, " -M "...))
		} else if p.PrefixLen != 0 {
			b = strconv.AppendInt(append(b, " -M "...), int64(p.PrefixLen), 10)
		}
		if p.Engine != "" {
			b = append(append(b, " --pe "...), p.Engine...)
		}
	}
	if v.OnePacket {
		b = append(b, " -o"...)
	}
	for i, word := range v.Flags.Words(v.Scheduler) {
		b = append(b, [...]string{" -b ", ","}[min(i, 1)]...)
		b = append(b, word...)
	}
	return b, nil
}

func appendServer(b []byte, r *ipvs.RealServer) ([]byte, error) {
	v, d := r.Service(), r.Details()
	switch {
	case !r.WeightKnown:
		return b, fmt.Errorf("real server %s of %s: its weight is not known", r, v)
	case r.Method == ipvs.UnknownForwarding:
		return b, fmt.Errorf("real server %s of %s: its forwarding method is not known", r, v)
	}
	b = append(appendDial(b, v), " -r "...)
	b = appendEndpoint(b, d.Name, r.Address, r.Port)
	switch r.Method {
	case ipvs.Masquerading:
		b = append(b, " -m"...)
	case ipvs.ViaTunnel:
		b = append(b, " -i"...)
	default:
		b = append(b, " -g"...) // LocalNode too, ipvsadm.c, fwd_switch
	}
	b = strconv.AppendUint(append(b, " -w "...), uint64(r.Weight), 10)
	if t := d.Tunnel; t != nil {
		b = append(append(b, " --tun-type "...), t.Type.String()...)
		if t.Type == ipvs.GUE {
			b = strconv.AppendUint(append(b, " --tun-port "...), uint64(t.Port), 10)
		}
		if t.Type != ipvs.IPIP {
			b = append(append(b, ' '), t.Checksum.String()...)
		}
	}
	if d.UpperThreshold != 0 {
		b = strconv.AppendUint(append(b, " -x "...), uint64(d.UpperThreshold), 10)
	}
	if d.LowerThreshold != 0 {
		b = strconv.AppendUint(append(b, " -y "...), uint64(d.LowerThreshold), 10)
	}
	return b, nil
}
