package netfilter

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limit matches up to a rate of packets ("-m limit"): a bucket of Burst packets
// that is filled again with Count each Per. Whether it holds for a packet
// depends on those before it.
type Limit struct {
	Count uint32
	Per   time.Duration // time.Second, time.Minute, time.Hour or 24 of these
	Burst uint32
}

// DefaultLimitBurst is the burst that iptables-save does not print
// (extensions/libxt_limit.c, XT_LIMIT_BURST).
const DefaultLimitBurst = 5

func (m *Limit) String() string {
	s := "-m limit --limit " + strconv.FormatUint(uint64(m.Count), 10) + "/" + unitName(m.Per)
	if m.Burst != DefaultLimitBurst {
		s += " --limit-burst " + strconv.FormatUint(uint64(m.Burst), 10)
	}
	return s
}

func unitName(per time.Duration) string {
	switch per {
	case time.Second:
		return "sec"
	case time.Minute:
		return "min"
	case time.Hour:
		return "hour"
	}
	return "day"
}

// HashLimit matches up to or above a rate, counted for each group of packets
// by itself ("-m hashlimit").
type HashLimit struct {
	Above bool   // above the rate, else up to it
	Rate  string // "5/sec", or bytes: "512kb/s"
	Burst string // "5", or bytes: "1mb"; "" when not written
	Mode  string // what tells the groups apart: "srcip,dstport"; "" for one group
	Name  string // of the table that counts
	Rest  string // further options as text: "--hashlimit-srcmask 24"
}

func (m *HashLimit) String() string {
	// Order of libxt_hashlimit.c, hashlimit_mt_save.
	var b strings.Builder
	b.WriteString("-m hashlimit --hashlimit-")
	if m.Above {
		b.WriteString("above " + m.Rate)
	} else {
		b.WriteString("upto " + m.Rate)
	}
	if m.Burst != "" {
		b.WriteString(" --hashlimit-burst " + m.Burst)
	}
	if m.Mode != "" {
		b.WriteString(" --hashlimit-mode " + m.Mode)
	}
	b.WriteString(" --hashlimit-name " + m.Name)
	if m.Rest != "" {
		b.WriteString(" " + m.Rest)
	}
	return b.String()
}

// ConnLimit matches by the number of connections that a client or server, or a
// network of these, has at present ("-m connlimit").
type ConnLimit struct {
	Above   bool // more than Limit, else up to it
	Limit   uint32
	HasMask bool  // false: each address by itself
	Mask    uint8 // length of the networks
	Side    Side  // whose connections are counted
}

func (m *ConnLimit) String() string {
	how, mask, side := "upto", "", "saddr"
	if m.Above {
		how = "above"
	}
	if m.HasMask {
		mask = " --connlimit-mask " + strconv.Itoa(int(m.Mask))
	}
	if m.Side == Destination {
		side = "daddr"
	}
	return fmt.Sprintf("-m connlimit --connlimit-%s %d%s --connlimit-%s", how, m.Limit, mask, side)
}

// ConnBytes matches by how much a connection has transferred ("-m connbytes"),
// both ends of the range included.
type ConnBytes struct {
	Not       bool
	From      uint64
	To        uint64 // math.MaxUint64 when open
	Mode      string // "packets", "bytes" or "avgpkt"
	Direction string // "original", "reply" or "both"
}

func (m *ConnBytes) String() string {
	s := "-m connbytes " + not(m.Not) + "--connbytes " + strconv.FormatUint(m.From, 10)
	if m.To != 1<<64-1 {
		s += ":" + strconv.FormatUint(m.To, 10)
	}
	return s + " --connbytes-mode " + m.Mode + " --connbytes-dir " + m.Direction
}

func (*Limit) isMatch()     {}
func (*HashLimit) isMatch() {}
func (*ConnLimit) isMatch() {}
func (*ConnBytes) isMatch() {}
