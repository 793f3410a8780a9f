package netfilter

import (
	"strconv"
	"strings"
)

// Log writes the packet to the kernel's log. The packet goes on to the next
// rule.
type Log struct {
	Prefix string
	Level  uint8 // of syslog, 0 emergency to 7 debug

	TCPSequence, TCPOptions, IPOptions, UID, MACDecode bool
}

// DefaultLogLevel is the level that iptables-save does not print: warning
// (extensions/libxt_LOG.c, LOG_DEFAULT_LEVEL).
const DefaultLogLevel = 4

func (t *Log) String() string {
	var b strings.Builder
	b.WriteString("-j LOG")
	if t.Prefix != "" {
		b.WriteString(" --log-prefix " + Quote(t.Prefix))
	}
	if t.Level != DefaultLogLevel {
		b.WriteString(" --log-level " + strconv.Itoa(int(t.Level)))
	}
	for _, flag := range []struct {
		set    bool
		option string
	}{
		{t.TCPSequence, " --log-tcp-sequence"}, {t.TCPOptions, " --log-tcp-options"},
		{t.IPOptions, " --log-ip-options"}, {t.UID, " --log-uid"}, {t.MACDecode, " --log-macdecode"},
	} {
		if flag.set {
			b.WriteString(flag.option)
		}
	}
	return b.String()
}

// NFLog gives a copy of the packet to a logging program. The packet goes on to
// the next rule.
type NFLog struct {
	Prefix    string
	Group     uint16
	Size      *uint32 // bytes to copy, nil when not said
	Range     uint32  // the older, disregarded form of Size; 0 when not said
	Threshold uint16  // packets to gather; 0 when not said
}

func (t *NFLog) String() string {
	// Order of libxt_NFLOG.c, nflog_print.
	s := "-j NFLOG"
	if t.Prefix != "" {
		s += " --nflog-prefix " + Quote(t.Prefix)
	}
	if t.Group != 0 {
		s += " --nflog-group " + strconv.Itoa(int(t.Group))
	}
	if t.Size != nil {
		s += " --nflog-size " + strconv.FormatUint(uint64(*t.Size), 10)
	}
	if t.Range != 0 {
		s += " --nflog-range " + strconv.FormatUint(uint64(t.Range), 10)
	}
	if t.Threshold != 0 {
		s += " --nflog-threshold " + strconv.Itoa(int(t.Threshold))
	}
	return s
}

// Trace makes the kernel report each rule that the packet meets from here on.
// The packet goes on to the next rule.
type Trace struct{}

func (*Trace) String() string { return "-j TRACE" }

// Audit writes an audit record. The packet goes on to the next rule, whatever
// the record's type says.
type Audit struct {
	Type string // "accept", "drop" or "reject"
}

func (t *Audit) String() string { return "-j AUDIT --type " + t.Type }

func (*Log) isStatement()   {}
func (*NFLog) isStatement() {}
func (*Trace) isStatement() {}
func (*Audit) isStatement() {}
