package iptablessave

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

var comment = extend(func() *netfilter.Comment { return new(netfilter.Comment) },
	one("--comment", func(m *netfilter.Comment, o option) error { m.Text = o.value(); return nil }),
).needing("--comment")

// transport makes the match of a protocol with ports, with further options.
func transport(protocol uint8, further ...arg[*netfilter.Transport]) *extension {
	var args []arg[*netfilter.Transport]
	for _, name := range []string{"--sport", "--source-port"} {
		args = append(args, one(name, func(m *netfilter.Transport, o option) error { return portTest(&m.SrcPort, o) }).negatable())
	}
	for _, name := range []string{"--dport", "--destination-port"} {
		args = append(args, one(name, func(m *netfilter.Transport, o option) error { return portTest(&m.DstPort, o) }).negatable())
	}
	return extend(func() *netfilter.Transport { return &netfilter.Transport{Protocol: protocol} }, append(args, further...)...)
}

func portTest(to *netfilter.PortTest, o option) error {
	if to.Set {
		return fmt.Errorf("given twice")
	}
	r, err := portRange(o.value(), ":")
	*to = netfilter.PortTest{Set: true, Not: o.not, Range: r}
	return err
}

var (
	tcp = transport(netfilter.TCP,
		one("--tcp-option", func(m *netfilter.Transport, o option) error {
			kind, err := number8(o.value())
			m.Option = &netfilter.TCPOption{Not: o.not, Kind: kind}
			return err
		}).negatable(),
		arg[*netfilter.Transport]{name: "--tcp-flags", args: 2, not: true, set: tcpFlags},
		toggle("--syn", func(m *netfilter.Transport, o option) {
			// extensions/libxt_tcp.c: FIN, SYN, RST and ACK are looked at, SYN is set.
			m.Flags = &netfilter.TCPFlags{Not: o.not, Mask: 0x17, Comp: 0x02}
		}).negatable(),
	)
	udp     = transport(netfilter.UDP)
	udplite = transport(netfilter.UDPLite)
	sctp    = transport(netfilter.SCTP, arg[*netfilter.Transport]{name: "--chunk-types", args: 2, not: true, set: rest})
	dccp    = transport(netfilter.DCCP,
		one("--dccp-types", rest).negatable(),
		one("--dccp-option", rest).negatable(),
	)
)

func tcpFlags(m *netfilter.Transport, o option) error {
	if m.Flags != nil {
		return fmt.Errorf("given twice")
	}
	mask, err := netfilter.ParseTCPFlags(o.args[0])
	if err != nil {
		return err
	}
	comp, err := netfilter.ParseTCPFlags(o.args[1])
	m.Flags = &netfilter.TCPFlags{Not: o.not, Mask: mask, Comp: comp}
	return err
}

// rest keeps an option as text.
func rest(m *netfilter.Transport, o option) error {
	m.Rest = appendOption(m.Rest, o)
	for _, a := range o.args {
		if err := bare(a); err != nil {
			return err
		}
	}
	return nil
}

// appendOption writes an option behind others.
func appendOption(text string, o option) string {
	var b strings.Builder
	b.WriteString(text)
	if text != "" {
		b.WriteByte(' ')
	}
	if o.not {
		b.WriteString("! ")
	}
	b.WriteString(o.name)
	for _, a := range o.args {
		b.WriteString(" " + a)
	}
	return b.String()
}

var multiport = func() *extension {
	side := func(side netfilter.Side, names ...string) (args []arg[*netfilter.MultiPort]) {
		for _, name := range names {
			args = append(args, one(name, func(m *netfilter.MultiPort, o option) error {
				if m.Ranges != nil {
					return fmt.Errorf("given twice")
				}
				m.Side, m.Not = side, o.not
				for word := range strings.SplitSeq(o.value(), ",") {
					r, err := portRange(word, ":")
					if err != nil {
						return err
					}
					m.Ranges = append(m.Ranges, r)
				}
				return nil
			}).negatable())
		}
		return args
	}
	args := side(netfilter.Source, "--sports", "--source-ports")
	args = append(args, side(netfilter.Destination, "--dports", "--destination-ports")...)
	args = append(args, side(netfilter.Either, "--ports")...)
	return extend(func() *netfilter.MultiPort { return new(netfilter.MultiPort) }, args...).
		needing("--dports", "--sports", "--ports", "--source-ports", "--destination-ports")
}()
