package netfilter

import (
	"fmt"
	"strconv"
	"strings"
)

// nft is the rule as nft prints it, without a handle.
func (r *Rule) nft(counted bool) string {
	var b strings.Builder
	family := r.chain.Table.Family
	word := func(s string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(s)
	}
	for _, m := range r.Matches() {
		if _, isComment := m.(*Comment); !isComment {
			word(NFTMatch(family, m))
		}
	}
	for _, s := range r.Statements() {
		if count, ok := s.(*Count); ok {
			c, known := r.Counters()
			switch {
			case !counted:
				word("counter")
				continue
			case count.Own == nil && known:
				word(c.nft())
				continue
			}
		}
		word(NFTStatement(family, s))
	}
	if c := r.Comment(); c != "" {
		word(`comment "` + c + `"`)
	}
	return b.String()
}

// NFTMatch is a match of a table of that family as nft prints it.
func NFTMatch(family Family, m Match) string {
	not := func(negated bool) string {
		if negated {
			return "!= "
		}
		return ""
	}
	switch m := m.(type) {
	case *Addr:
		s := "ip "
		if m.Net.Prefix.Addr().Is6() {
			s = "ip6 "
		}
		return s + sideAddr(m.Side) + " " + not(m.Not) + nftNetwork(m.Net)
	case *Interface:
		s := "iifname "
		if m.Side == Destination {
			s = "oifname "
		}
		star := ""
		if m.Prefix {
			star = "*"
		}
		return s + not(m.Not) + `"` + m.Name + star + `"`
	case *Protocol:
		return "meta l4proto " + not(m.Not) + FormatValue(TypeProtocol, UintKey(TypeProtocol, uint64(m.Number)))
	case *Transport:
		return nftTransport(m)
	case *ICMPType:
		t, s := TypeICMPType, "icmp type "
		if m.V6 {
			t, s = TypeICMPv6Type, "icmpv6 type "
		}
		return s + not(m.Not) + FormatValue(t, UintKey(t, uint64(m.Type)))
	case *PktType:
		return "meta pkttype " + not(m.Not) + m.Type
	case *Mark:
		return nftMark("meta mark", m.Not, m.Value, m.Mask)
	case *ConnMark:
		return nftMark("ct mark", m.Not, m.Value, m.Mask)
	case *AddrType:
		return nftAddrType(m)
	case *Conntrack:
		return nftConntrack(m)
	case *Owner:
		if m.UID != nil {
			return "meta skuid " + not(m.UID.Not) + m.UID.String()
		}
		return "meta skgid " + not(m.GID.Not) + m.GID.String()
	case *Statistic:
		return fmt.Sprintf("meta random & 2147483647 < %d", m.Probability)
	case *Limit:
		s := fmt.Sprintf("limit rate %d/%s", m.Count, rateUnit(m.Per))
		if m.Burst != DefaultLimitBurst {
			s += fmt.Sprintf(" burst %d packets", m.Burst)
		}
		return s
	}
	return m.String()
}

func sideAddr(s Side) string {
	if s == Destination {
		return "daddr"
	}
	return "saddr"
}

func nftNetwork(n Network) string {
	if !n.Mask.IsValid() && n.Prefix.IsSingleIP() {
		return addrString(n.Prefix.Addr())
	}
	return n.String()
}

// nftRange is "80" or "8000-8080".
func nftTransport(m *Transport) string {
	name := FormatValue(TypeProtocol, UintKey(TypeProtocol, uint64(m.Protocol)))
	port := func(what string, t PortTest) string {
		s := name + " " + what + " "
		if t.Not {
			s += "!= "
		}
		return s + natPorts(t.Range)
	}
	var parts []string
	if m.SrcPort.Set {
		parts = append(parts, port("sport", m.SrcPort))
	}
	if m.DstPort.Set {
		parts = append(parts, port("dport", m.DstPort))
	}
	if f := m.Flags; f != nil {
		op := " "
		if f.Not {
			op = " != "
		}
		flags := dataTypes[TypeTCPFlags].symbols
		text := "tcp flags" + op + formatFlags(flags, uint64(f.Comp), ",") + " / " + formatFlags(flags, uint64(f.Mask), ",")
		if f.Mask&(f.Mask-1) == 0 { // nft 1.0.6 reads and prints a mask of one flag in this way only
			if op = " == "; f.Not {
				op = " != "
			}
			text = "tcp flags & " + formatFlags(flags, uint64(f.Mask), " | ") + op + formatFlags(flags, uint64(f.Comp), " | ")
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, " ")
}

func nftMark(field string, negated bool, value, mask uint32) string {
	if mask == 1<<32-1 {
		if negated {
			return fmt.Sprintf("%s != 0x%08x", field, value)
		}
		return fmt.Sprintf("%s 0x%08x", field, value)
	}
	op := "=="
	if negated {
		op = "!="
	}
	return fmt.Sprintf("%s & 0x%08x %s 0x%08x", field, mask, op, value)
}

func nftAddrType(m *AddrType) string {
	s, negated, types := "fib saddr", m.SrcNot, m.Src
	if m.Dst != 0 {
		s, negated, types = "fib daddr", m.DstNot, m.Dst
	}
	if m.LimitIn {
		s += " . iif"
	}
	if m.LimitOut {
		s += " . oif"
	}
	s += " type "
	if negated {
		s += "!= "
	}
	return s + strings.ToLower(types.String())
}

func nftConntrack(m *Conntrack) string {
	not := func(negated bool) string {
		if negated {
			return "!= "
		}
		return ""
	}
	switch {
	case m.States&(StateSNAT|StateDNAT) != 0 || m.HasStatus:
		status := uint64(m.Status)
		if m.States&StateSNAT != 0 {
			status |= 1 << 4
		}
		if m.States&StateDNAT != 0 {
			status |= 1 << 5
		}
		return "ct status " + FormatValue(TypeCTStatus, UintKey(TypeCTStatus, status))
	case m.States != 0:
		return "ct state " + not(m.StatesNot) + FormatValue(TypeCTState, UintKey(TypeCTState, m.States.kernel()))
	case m.Direction != AnyDirection:
		return "ct direction " + strings.ToLower(m.Direction.String())
	case m.HasProtocol:
		return "ct protocol " + not(m.ProtocolNot) + FormatValue(TypeProtocol, UintKey(TypeProtocol, uint64(m.Protocol)))
	}
	for _, a := range [...]struct {
		what string
		test *AddrTest
	}{{"saddr", m.OrigSrc}, {"daddr", m.OrigDst}} {
		if a.test != nil {
			family := "ip "
			if a.test.Net.Prefix.Addr().Is6() {
				family = "ip6 "
			}
			return "ct original " + family + a.what + " " + not(a.test.Not) + nftNetwork(a.test.Net)
		}
	}
	for _, p := range [...]struct {
		what string
		test PortTest
	}{{"proto-src", m.OrigSrcPort}, {"proto-dst", m.OrigDstPort}} {
		if p.test.Set {
			return "ct original " + p.what + " " + not(p.test.Not) + natPorts(p.test.Range)
		}
	}
	return m.String()
}

// kernel are the states' bits in nf_tables (include/net/netfilter/
// nf_conntrack.h, NF_CT_STATE_BIT).
func (s ConnStates) kernel() (bits uint64) {
	for _, p := range connStateBits {
		if s&p.state != 0 {
			bits |= p.bit
		}
	}
	return bits
}

// ConnStatesOf are the states of the bits that a key of TypeCTState has. ok is
// false if there are others.
func ConnStatesOf(k Key) (s ConnStates, ok bool) {
	bits := k.Uint()
	for _, p := range connStateBits {
		if bits&p.bit != 0 {
			s |= p.state
			bits &^= p.bit
		}
	}
	return s, bits == 0 && s != 0
}

var connStateBits = [...]struct {
	state ConnStates
	bit   uint64
}{{StateInvalid, 1}, {StateEstablished, 2}, {StateRelated, 4}, {StateNew, 8}, {StateUntracked, 64}}

// NFTStatement is a statement of a table of that family as nft prints it.
func NFTStatement(family Family, s Statement) string {
	switch s := s.(type) {
	case Verdict:
		return strings.ToLower(s.Name())
	case *Jump:
		if s.Goto {
			return "goto " + s.Name
		}
		return "jump " + s.Name
	case *Provided:
		return NFTMatch(family, s.Match)
	case *SetMark:
		return "meta mark set " + nftSetMark("meta mark", s.Value, s.Mask)
	case *SetConnMark:
		return "ct mark set " + nftSetMark("ct mark", s.Value, s.Mask)
	case *SaveMark:
		return "ct mark set meta mark" + maskedText(TypeMark, uint64(s.PacketMask), 0)
	case *RestoreMark:
		return "meta mark set ct mark" + maskedText(TypeMark, uint64(s.ConnMask), 0)
	case *DNAT:
		return "dnat " + natFamily(family, s.To()) + "to " + nftNATRange(s.To()) + s.flags.nft()
	case *SNAT:
		return "snat " + natFamily(family, s.To) + "to " + nftNATRange(s.To) + s.Flags.nft()
	case *Masquerade:
		if s.HasPorts {
			return "masquerade to :" + natPorts(s.Ports) + s.Flags.nft()
		}
		return "masquerade" + s.Flags.nft()
	case *Redirect:
		if s.HasPorts {
			return "redirect to :" + natPorts(s.Ports) + s.Flags.nft()
		}
		return "redirect" + s.Flags.nft()
	case *Reject:
		return nftReject(family, s.With)
	case *Log:
		return nftLog(s)
	case *NFLog:
		return nftNFLog(s)
	case *NFQueue:
		return nftQueue(s)
	case *Tee:
		if s.Interface != "" {
			return "dup to " + addrString(s.Gateway) + ` device "` + s.Interface + `"`
		}
		return "dup to " + addrString(s.Gateway)
	case *Track:
		return "notrack"
	}
	return s.String()
}

func nftSetMark(field string, value, mask uint32) string {
	if mask == 1<<32-1 {
		return fmt.Sprintf("0x%08x", value)
	}
	return field + maskedText(TypeMark, uint64(^mask), uint64(value))
}

// natFamily is "ip " or "ip6 " where a table of both families needs it.
func natFamily(family Family, r NATRange) string {
	switch {
	case family != Inet || !r.First.IsValid():
		return ""
	case r.First.Is4():
		return "ip "
	}
	return "ip6 "
}

func nftNATRange(r NATRange) string {
	var b strings.Builder
	write := func(s string, brackets bool) {
		if brackets {
			s = "[" + s + "]"
		}
		b.WriteString(s)
	}
	if r.First.IsValid() {
		brackets := r.First.Is6() && r.HasPorts
		write(addrString(r.First), brackets)
		if r.Last != r.First {
			b.WriteByte('-')
			write(addrString(r.Last), brackets)
		}
	}
	if r.HasPorts {
		b.WriteString(":" + natPorts(r.Ports))
	}
	return b.String()
}

func nftReject(family Family, with string) string {
	switch {
	case family == IPv4 && with == "icmp-port-unreachable", family == IPv6 && with == "icmp6-port-unreachable",
		with == "icmpx-port-unreachable":
		return "reject"
	case with == "tcp-reset":
		return "reject with tcp reset"
	}
	for _, prefix := range [...]string{"icmpx", "icmp6", "icmp"} {
		if code, ok := strings.CutPrefix(with, prefix+"-"); ok {
			if prefix == "icmp6" {
				prefix = "icmpv6"
			}
			return "reject with " + prefix + " " + code
		}
	}
	return "reject with " + with
}

// nftLogLevels are in the order of syslog's numbers.
var nftLogLevels = [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit"}

func nftLog(s *Log) string {
	out := "log"
	if s.Prefix != "" {
		out += ` prefix "` + s.Prefix + `"`
	}
	if s.Level != DefaultLogLevel && int(s.Level) < len(nftLogLevels) {
		out += " level " + nftLogLevels[s.Level]
	}
	switch {
	case s.TCPSequence && s.TCPOptions && s.IPOptions && s.UID && s.MACDecode:
		return out + " flags all"
	case s.TCPSequence && s.TCPOptions:
		out += " flags tcp sequence,options"
	case s.TCPSequence:
		out += " flags tcp sequence"
	case s.TCPOptions:
		out += " flags tcp options"
	}
	if s.IPOptions {
		out += " flags ip options"
	}
	if s.UID {
		out += " flags skuid"
	}
	if s.MACDecode {
		out += " flags ether"
	}
	return out
}

func nftNFLog(s *NFLog) string {
	out := "log"
	if s.Prefix != "" {
		out += ` prefix "` + s.Prefix + `"`
	}
	out += " group " + strconv.Itoa(int(s.Group))
	if s.Size != nil {
		out += " snaplen " + strconv.FormatUint(uint64(*s.Size), 10)
	}
	if s.Threshold != 0 {
		out += " queue-threshold " + strconv.Itoa(int(s.Threshold))
	}
	return out
}

func nftQueue(s *NFQueue) string {
	var flags []string
	if s.Bypass {
		flags = append(flags, "bypass")
	}
	if s.CPUFanout {
		flags = append(flags, "fanout")
	}
	out := "queue"
	if flags != nil {
		out += " flags " + strings.Join(flags, ",")
	}
	return out + " to " + natPorts(PortRange{s.First, s.Last})
}
