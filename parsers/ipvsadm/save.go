package ipvsadm

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
	"strings"
	"time"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// SaveBegins reports whether a line is one of the save form's: "-A -t …",
// "-a -t … -r …", with or without "ipvsadm" before it.
func SaveBegins(line string) bool {
	command, rest := saveCommand(line)
	if command == "" {
		return false
	}
	option, rest := cutWord(rest)
	if !isServiceOption(option) {
		return false
	}
	value, _ := cutWord(rest)
	return value != "" || strings.IndexByte(option, '=') > 0
}

// saveCommand is "-A" or "-a", the command of a line; "" if it has another one
// or none.
func saveCommand(line string) (command, rest string) {
	word, rest := cutWord(line)
	if word == "ipvsadm" || word == "/sbin/ipvsadm" || word == "/usr/sbin/ipvsadm" {
		word, rest = cutWord(rest)
	}
	switch word {
	case "-A", "--add-service":
		return "-A", rest
	case "-a", "--add-server":
		return "-a", rest
	}
	return "", ""
}

func isServiceOption(word string) bool {
	name, _, _ := strings.Cut(word, "=")
	switch name {
	case "-t", "-u", "-f", "--tcp-service", "--udp-service", "--sctp-service", "--fwmark-service":
		return true
	}
	return false
}

// ParseSave reads the save form from at on, up to the first line that is no
// part of it or that foreign claims; a virtual server that is added a second
// time begins another text. What follows is at next.
func ParseSave(at source.Cursor, foreign func(line string) bool) (t *Text, next source.Cursor) {
	r := saveReader{reader: newReader(at), odd: map[string]*ipvs.VirtualServer{}}
	// Nearly all lines are of real servers; a text of as many virtual servers
	// as can be makes its table grow.
	const usual = 500 // bytes for a virtual server, with its real servers
	r.table.Expect((len(at.File.Text) - at.Offset) / usual)
	next = at
	for at.More() {
		if after := r.plainLines(at); after != at {
			at, next = after, after
			continue
		}
		line, after := at.Next()
		command, rest := saveCommand(line)
		option, _ := cutWord(rest)
		switch {
		case isBlank(line):
			at = after
			continue
		case after.IsCut() && (line == "-" || command != "" && (option == "" || option == "-" || isServiceOption(option))):
			r.cutOff(at, command == "-A")
			return r.text(), after
		case command != "" && (option == "" || isServiceOption(option)):
			words, behind := serviceWords(rest)
			if command == "-A" && r.again(words) {
				return r.text(), next
			}
			r.line(at, command, words, behind, line)
		case foreign != nil && foreign(line) || !resumes(after, foreign, r.beginsAnother, SaveBegins):
			return r.text(), next
		default:
			r.foreign(at, line)
		}
		at, next = after, after
	}
	return r.text(), next
}

// A saveReader reads one text in the save form.
type saveReader struct {
	reader
	// odd are virtual servers by their words in the text ("-t 10.0.0.1:80") that
	// the table has under another key; nil for those that cannot be read.
	odd  map[string]*ipvs.VirtualServer
	last string // words of the service
	// before is what plain lines of its real servers begin with, "" until there
	// was one.
	before string
	behind plainBehind
	// scheduler is that of the plain virtual server before.
	scheduler ipvs.Scheduler
}

// seen is the virtual server that words have named; nil if its line cannot be
// read.
func (r *saveReader) seen(words string) (v *ipvs.VirtualServer, known bool) {
	if v, known = r.odd[words]; known {
		return v, true
	}
	named, _, err := readService(words)
	if key, hasKey := named.Key(); err == nil && hasKey {
		v = r.table.Service(key)
	} else if err == nil {
		v = r.table.Named(named.Protocol, named.Name)
	}
	return v, v != nil
}

// again reports whether words add a virtual server that was added already, in
// the same words.
func (r *saveReader) again(words string) bool {
	v, _ := r.seen(words)
	if v == nil || v.Partial {
		return false
	}
	_, rest := saveCommand(v.Text())
	before, _ := serviceWords(rest)
	return words == before
}

// beginsAnother reports whether another text begins with a line.
func (r *saveReader) beginsAnother(line string) bool {
	command, rest := saveCommand(line)
	words, _ := serviceWords(rest)
	return command == "-A" && r.again(words)
}

// serviceWords are the words that name a line's virtual server, as they are
// printed: first of all, with -6 behind a mark.
func serviceWords(rest string) (words, behind string) {
	option, after := cutWord(rest)
	if strings.IndexByte(option, '=') < 0 {
		_, after = cutWord(after)
	}
	if word, more := cutWord(after); word == "-6" || word == "--ipv6" {
		after = more
	}
	begin := 0
	for begin < len(rest) && isSpace(rest[begin]) {
		begin++
	}
	return rest[begin : len(rest)-len(after)], after
}

func (r *saveReader) line(at source.Cursor, command, words, behind, line string) {
	if command == "-A" {
		r.endLost()
		r.service, r.last, r.before = r.addService(at, words, behind, line), words, ""
		return
	}
	v, known := r.service, true
	if words != r.last {
		if v, known = r.seen(words); v != nil {
			_, _ = r.readNoted(at, words)
		}
	}
	if known && v == nil {
		r.lose(at)
		return
	}
	server, details, err := r.readServer(at, words, behind)
	if err != nil {
		r.unread(at, err)
		if v != nil {
			v.Partial = true
		}
		return
	}
	if !known {
		if v = r.orphan(at, words); v == nil {
			return
		}
	}
	if words != r.last {
		r.before = ""
	}
	r.service, r.last = v, words
	if v.Mark == 0 && v.PortKnown && !server.PortKnown && details.Name == "" {
		server.Port, server.PortKnown = v.Port, true // left out: the virtual server's own
	}
	server.SetDetails(details)
	server.SetText(spanOf(at, line))
	v.AddServer(server)
}

// addService reads the line of a virtual server; nil if it cannot be read.
func (r *saveReader) addService(at source.Cursor, words, behind, line string) *ipvs.VirtualServer {
	v, err := r.readNoted(at, words)
	named, _ := v.Key()
	if err == nil {
		err = serviceOptions(&v, behind)
	}
	if err != nil {
		r.unread(at, err)
		r.odd[words] = nil
		return nil
	}
	key, _ := v.Key()
	added, isNew := r.table.Add(v)
	if key == named {
		delete(r.odd, words)
	} else {
		r.odd[words] = added
	}
	if !isNew {
		if !added.Partial || added.Scheduler != "" {
			r.odd[words] = nil
			r.unread(at, fmt.Errorf("virtual server %s is added a second time, the first time in line %d", added, added.Pos().Line))
			return nil
		}
		// Its real servers came first.
		added.Scheduler, added.Persistence, added.OnePacket, added.Flags = v.Scheduler, v.Persistence, v.OnePacket, v.Flags
	}
	added.SetText(spanOf(at, line))
	return added
}

// orphan makes the virtual server of a real server that comes before it, as
// parts of a text have it; nil if its words cannot be read.
func (r *saveReader) orphan(at source.Cursor, words string) *ipvs.VirtualServer {
	v, err := r.readNoted(at, words)
	if err != nil {
		r.unread(at, err)
		r.odd[words] = nil
		return nil
	}
	r.table.Complete = false
	v.Partial = true
	r.remarks.Add(source.Diagnostic{
		Severity: source.Error, Pos: at.Pos(), Code: "ipvs-orphan-server",
		Message: fmt.Sprintf("real server before its virtual server: expected %s before it; its scheduler and other real servers are not known", quote("-A "+words+" …")),
	})
	added, _ := r.table.Add(v)
	line, _ := at.Next()
	added.SetText(spanOf(at, line))
	return added
}

// readNoted is readService for words that are met with.
func (r *saveReader) readNoted(at source.Cursor, words string) (ipvs.VirtualServer, error) {
	v, e, err := readService(words)
	if err == nil {
		r.named(at, e)
	}
	return v, err
}

// readService reads the words that name a virtual server, and gives the
// endpoint that they have if it does not go by a mark.
func readService(words string) (v ipvs.VirtualServer, e endpoint, err error) {
	option, rest := cutWord(words)
	option, value, hasValue := strings.Cut(option, "=")
	if !hasValue {
		value, rest = cutWord(rest)
	}
	switch option {
	case "-f", "--fwmark-service":
		// Printed with %d: a mark from 2^31 on is negative.
		n, ok := decimal(strings.TrimPrefix(value, "-"), math.MaxUint32)
		if !ok || n == 0 {
			return v, e, fmt.Errorf("firewall mark %s: expected 1 to %d", quote(value), uint32(math.MaxUint32))
		}
		if v.Mark = uint32(n); strings.HasPrefix(value, "-") {
			v.Mark = -v.Mark
		}
		v.Family = netfilter.IPv4
		if word, _ := cutWord(rest); word != "" {
			v.Family = netfilter.IPv6
		}
		return v, e, nil
	case "-t", "--tcp-service":
		v.Protocol = netfilter.TCP
	case "-u", "--udp-service":
		v.Protocol = netfilter.UDP
	case "--sctp-service":
		v.Protocol = netfilter.SCTP
	default:
		return v, e, errors.New("a line without a virtual server: expected one of -t, -u, --sctp-service, -f behind the command")
	}
	if e, err = readEndpoint(value, v.Protocol, saved); err != nil {
		return v, e, fmt.Errorf("virtual server %w", err)
	}
	v.Family, v.Address, v.Port, v.PortKnown, v.Name = e.family, e.addr, e.port, e.portKnown, e.name
	return v, e, nil
}

// An options cuts a line into options and their values.
type options struct {
	rest         string
	option       string
	inline       string
	hasInline    bool
	missingValue bool
}

func (o *options) next() bool {
	var word string
	if word, o.rest = cutWord(o.rest); word == "" {
		return false
	}
	o.option, o.inline, o.hasInline = word, "", false
	if strings.HasPrefix(word, "--") {
		o.option, o.inline, o.hasInline = strings.Cut(word, "=")
	}
	return true
}

// value takes the value of the option.
func (o *options) value() string {
	if o.hasInline {
		return o.inline
	}
	var word string
	word, o.rest = cutWord(o.rest)
	o.missingValue = o.missingValue || word == ""
	return word
}

// optional takes the option's value if there is one.
func (o *options) optional() string {
	if word, _ := cutWord(o.rest); !o.hasInline && strings.HasPrefix(word, "-") {
		return ""
	}
	v := o.value()
	o.missingValue = false
	return v
}

func (o *options) number(limit uint64) (uint64, error) {
	v := o.value()
	n, ok := decimal(v, limit)
	if !ok {
		return 0, fmt.Errorf("%s %s: expected a number from 0 to %d", o.option, quote(v), limit)
	}
	return n, nil
}

// serviceOptions reads what stands behind a virtual server's name. Older
// versions print "pe NAME" and "ops" without dashes.
func serviceOptions(v *ipvs.VirtualServer, rest string) error {
	o := options{rest: rest}
	var flags, mask, engine string
	v.Scheduler = ipvs.WeightedLeastConnection // ipvsadm.c, DEF_SCHED
	for o.next() {
		switch o.option {
		case "-s", "--scheduler":
			v.Scheduler = ipvs.Scheduler(o.value())
		case "-p", "--persistent":
			v.Persistence = &ipvs.Persistence{}
			if text := o.optional(); text != "" {
				n, ok := decimal(text, math.MaxUint32)
				if !ok {
					return fmt.Errorf("%s %s: expected a timeout in seconds", o.option, quote(text))
				}
				v.Persistence.Timeout = time.Duration(n) * time.Second
			}
		case "-M", "--netmask":
			mask = o.value()
		case "--pe", "pe":
			engine = o.value()
		case "-o", "--ops", "ops":
			v.OnePacket = true
		case "-b", "--sched-flags":
			flags = o.value()
		case "-6", "--ipv6":
			if v.Mark == 0 { // ipvsadm.c, parse_options: "-6 used before -f"
				return fmt.Errorf("%s of a virtual server with an address: expected it with -f only", o.option)
			}
			v.Family = netfilter.IPv6
		default:
			return fmt.Errorf("%s of a virtual server is not understood: expected one of -s, -p, -M, --pe, -o, -b", quote(o.option))
		}
		if o.missingValue {
			return fmt.Errorf("%s of a virtual server without its value", o.option)
		}
	}
	if flags != "" {
		f, err := readFlags(flags, v.Scheduler)
		if err != nil {
			return err
		}
		v.Flags = f
	}
	return persistenceOptions(v, mask, engine)
}

func persistenceOptions(v *ipvs.VirtualServer, mask, engine string) error {
	if mask == "" && engine == "" {
		return nil
	}
	if v.Persistence == nil {
		return errors.New("a mask or a persistence engine without persistence: expected -p and a timeout in seconds")
	}
	v.Persistence.Engine = engine
	if mask == "" {
		return nil
	}
	return setMask(v, mask)
}

// setMask reads the mask of an IPv4 client or the prefix length of an IPv6 one.
func setMask(v *ipvs.VirtualServer, mask string) error {
	if v.Family == netfilter.IPv6 {
		n, ok := decimal(mask, 128)
		if !ok || n == 0 {
			return fmt.Errorf("mask %s: expected a prefix length from 1 to 128", quote(mask))
		}
		if n != 128 {
			v.Persistence.PrefixLen = uint8(n)
		}
		return nil
	}
	a, err := netip.ParseAddr(mask)
	if err != nil || !a.Is4() {
		return fmt.Errorf("mask %s: expected one like 255.255.255.0", quote(mask))
	}
	setIPv4Mask(v.Persistence, a)
	return nil
}

func setIPv4Mask(p *ipvs.Persistence, mask netip.Addr) {
	if mask != netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		p.Mask = mask
	}
}

// readFlags reads "sh-port,sh-fallback".
func readFlags(words string, s ipvs.Scheduler) (f ipvs.SchedulerFlags, err error) {
	for word := range strings.SplitSeq(words, ",") {
		bit, ok := s.SchedulerFlag(word)
		if !ok {
			return 0, fmt.Errorf("scheduler flag %s: expected %s of scheduler %s", quote(word), strings.Join(ipvs.SchedulerFlags(7).Words(s), ", "), quote(string(s)))
		}
		f |= bit
	}
	return f, nil
}

// readServer reads what stands behind the name of a real server's virtual server.
func (r *saveReader) readServer(at source.Cursor, words, rest string) (s ipvs.RealServer, d ipvs.Details, err error) {
	protocol := protocolOf(words)
	o := options{rest: rest}
	s.Weight, s.WeightKnown, s.Method = 1, true, ipvs.DirectRouting // ipvsadm.c, process_options
	var tunnel ipvs.Tunnel
	hasServer := false
	for o.next() {
		switch o.option {
		case "-r", "--real-server":
			e, err := readEndpoint(o.value(), protocol, saved)
			if err != nil {
				return s, d, fmt.Errorf("real server %w", err)
			}
			hasServer = true
			r.named(at, e)
			s.Address, s.Port, s.PortKnown, d.Name = e.addr, e.port, e.portKnown, e.name
			if e.port == 0 && e.portKnown && protocol != 0 {
				s.PortKnown = false // its virtual server's, ipvsadm.c, parse_service
			}
		case "-m", "--masquerading":
			s.Method = ipvs.Masquerading
		case "-g", "--gatewaying":
			s.Method = ipvs.DirectRouting
		case "-i", "--ipip":
			s.Method = ipvs.ViaTunnel
		case "-w", "--weight":
			s.Weight, err = o.number32(math.MaxInt32)
		case "-x", "--u-threshold":
			d.UpperThreshold, err = o.number32(math.MaxUint32)
			d.ThresholdsKnown = d.ThresholdsKnown || d.UpperThreshold != 0 // 0 is as good as none
		case "-y", "--l-threshold":
			d.LowerThreshold, err = o.number32(math.MaxUint32)
			d.ThresholdsKnown = d.ThresholdsKnown || d.LowerThreshold != 0
		case "--tun-type":
			word := o.value()
			var ok bool
			if tunnel.Type, ok = tunnelType(word); !ok {
				err = fmt.Errorf("tunnel type %s: expected one of ipip, gue, gre", quote(word))
			}
		case "--tun-port":
			var n uint64
			n, err = o.number(1<<16 - 1)
			tunnel.Port = uint16(n)
		case "--tun-nocsum":
			tunnel.Checksum = ipvs.NoChecksum
		case "--tun-csum":
			tunnel.Checksum = ipvs.FullChecksum
		case "--tun-remcsum":
			tunnel.Checksum = ipvs.RemoteChecksum
		case "-6", "--ipv6":
		default:
			return s, d, fmt.Errorf("%s of a real server is not understood: expected one of -r, -m, -g, -i, -w, -x, -y, --tun-…", quote(o.option))
		}
		if err != nil {
			return s, d, err
		}
		if o.missingValue {
			return s, d, fmt.Errorf("%s of a real server without its value", o.option)
		}
	}
	if !hasServer {
		return s, d, errors.New("no real server in a line that adds one: expected -r and an address and port")
	}
	if s.Method == ipvs.ViaTunnel {
		kept := tunnel
		d.Tunnel = &kept
		return s, d, impossibleTunnel(tunnel)
	} else if tunnel != (ipvs.Tunnel{}) {
		return s, d, errors.New("options of a tunnel without -i")
	}
	return s, d, nil
}

// impossibleTunnel says why there is no such tunnel (ipvsadm.c,
// tunnel_options_valid).
func impossibleTunnel(t ipvs.Tunnel) error {
	switch {
	case t.Type == ipvs.GUE && t.Port == 0:
		return errors.New("a tunnel of type gue without --tun-port")
	case t.Type != ipvs.GUE && t.Port != 0:
		return fmt.Errorf("--tun-port %d of a tunnel of type %s: only gue has a port", t.Port, t.Type)
	case t.Type == ipvs.IPIP && t.Checksum != ipvs.NoChecksum, t.Type == ipvs.GRE && t.Checksum == ipvs.RemoteChecksum:
		return fmt.Errorf("%s of a tunnel of type %s: it has no such checksum", t.Checksum, t.Type)
	}
	return nil
}

func (o *options) number32(limit uint64) (uint32, error) {
	n, err := o.number(limit)
	return uint32(n), err
}

func tunnelType(word string) (ipvs.TunnelType, bool) {
	for _, t := range []ipvs.TunnelType{ipvs.IPIP, ipvs.GUE, ipvs.GRE} {
		if word == t.String() {
			return t, true
		}
	}
	return 0, false
}

func protocolOf(words string) uint8 {
	switch {
	case strings.HasPrefix(words, "-t"), strings.HasPrefix(words, "--tcp"):
		return netfilter.TCP
	case strings.HasPrefix(words, "-u"), strings.HasPrefix(words, "--udp"):
		return netfilter.UDP
	case strings.HasPrefix(words, "--sctp"):
		return netfilter.SCTP
	}
	return 0
}

// prefixLen reads the netmask that /proc/net/ip_vs has for IPv6: a prefix length
// that went through ntohl (ip_vs_ctl.c, ip_vs_info_seq_show).
func prefixLen(n uint32) (length uint8, ok bool) {
	if n > 128 {
		n = bits.ReverseBytes32(n)
	}
	return uint8(n), n >= 1 && n <= 128
}
