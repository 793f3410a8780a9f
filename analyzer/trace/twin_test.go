package trace_test

import (
	"fmt"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/trace"
	"pgregory.net/rapid"
)

// TestTwin holds traces of small random rulesets against a slow twin, which
// tries every course of chance by itself, once for each way to answer the open
// questions, and remembers nothing.
func TestTwin(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dump := drawDump(rt)
		f := rapid.SampledFrom([]trace.Flow{
			outside("192.0.2.10:80"), outside("203.0.113.5:80"), outside("10.1.0.5:81"),
			pod("192.0.2.10:80"), pod("203.0.113.5:80"), pod("10.1.0.6:80"),
			local("192.0.2.10:80"), local("203.0.113.5:80"), local("10.1.0.5:81"),
		}).Draw(rt, "flow")
		if f.From == trace.FromNode {
			f.Source = netip.MustParseAddr("192.0.2.10")
		}
		s := read(t, dump+node)
		tracer := trace.New(s)
		tr, err := tracer.Trace(f)
		if err != nil {
			rt.Fatal(err)
		}
		if err := tracer.CheckSum(f); err != nil {
			rt.Fatalf("%v\n%s", err, dump)
		}
		if len(tr.Diagnostics) > 0 {
			rt.Fatalf("%v\n%s", tr.Diagnostics, dump)
		}
		for answers := range 1 << len(twinQuestions) {
			want := (&twin{snapshot: s, flow: f, answers: answers}).outcomes()
			got := underAnswers(tr, answers)
			if want != got {
				rt.Fatalf("%s %s to %s:%d, answers %b:\nwant %s\ngot  %s\nof   %q\n%s", f.From, f.Source, f.Destination, f.Port, answers, want, got, summary(tr), dump)
			}
		}
	})
}

// twinQuestions are the open questions of the rulesets; bit i of answers is
// the answer to the i-th.
var twinQuestions = []string{"-m string --string a --algo bm", "-m string --string b --algo bm"}

// underAnswers is what a trace says if the questions are answered so.
func underAnswers(tr *trace.Trace, answers int) string {
	shares := map[string]*big.Rat{}
	for _, o := range tr.Outcomes {
		agrees := true
		for _, a := range o.Assumptions {
			for i, q := range twinQuestions {
				yes := answers&(1<<i) != 0
				agrees = agrees && (a.Text != q+" matches" || yes) && (a.Text != q+" does not match" || !yes)
			}
		}
		if agrees {
			addShare(shares, o.Verdict, o.Endpoint, o.Masquerade, o.Probability.Rat())
		}
	}
	return sharesString(shares)
}

func addShare(shares map[string]*big.Rat, v trace.Verdict, endpoint netip.AddrPort, masquerade bool, p *big.Rat) {
	key := string(v)
	if v == trace.DNAT {
		key += " " + endpoint.String()
	}
	if masquerade {
		key += " masquerade"
	}
	if shares[key] == nil {
		shares[key] = new(big.Rat)
	}
	shares[key].Add(shares[key], p)
}

func sharesString(shares map[string]*big.Rat) string {
	var lines []string
	for key, p := range shares {
		lines = append(lines, key+" "+p.RatString())
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// drawDump makes a dump of tables raw, mangle, nat and filter with chains that
// jump to later ones only.
func drawDump(t *rapid.T) string {
	matches := append([]string{
		"", "", "-s 198.51.100.0/24", "! -s 10.1.0.0/24", "-d 192.0.2.10/32", "-d 10.1.0.0/24", "-i eth0", "! -i eth0", "-o cni0", "! -o eth0",
		"-p tcp -m tcp --dport 80", "-p tcp -m tcp ! --dport 80", "-p udp", "-m mark --mark 0x1/0x1", "-m mark ! --mark 0x2/0x3", "-m connmark --mark 0x1/0x1",
		"-m conntrack --ctstate NEW", "-m conntrack --ctstate DNAT", "-m conntrack ! --ctstate DNAT", "-m conntrack --ctstate UNTRACKED", "-m addrtype --dst-type LOCAL",
		"-m statistic --mode random --probability 0.25000000000", "-m statistic --mode random --probability 0.50000000000", "-m comment --comment x",
	}, twinQuestions...)
	everywhere := []string{"", "-j ACCEPT", "-j RETURN", "-j LOG", "-j MARK --set-xmark 0x1/0x1", "-j MARK --set-xmark 0x3/0x0", "-j MARK --set-xmark 0x0/0x2", "-j CONNMARK --save-mark --nfmask 0x3 --ctmask 0x3"}
	own := map[string][]string{
		"raw":    {"-j CT --notrack", "-j DROP"},
		"mangle": {"-j DROP", "-j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0x3"},
		"filter": {"-j DROP", "-j DROP", "-j REJECT --reject-with icmp-port-unreachable"},
	}
	destinations := []string{"-p tcp -j DNAT --to-destination 10.1.0.7:8080", "-j DNAT --to-destination 192.0.2.10", "-j DNAT --to-destination 10.1.0.8"}
	sources := []string{"-j SNAT --to-source 10.1.0.1", "-j SNAT --to-source 192.0.2.10"}

	var b strings.Builder
	for _, table := range []string{"raw", "mangle", "nat", "filter"} {
		fmt.Fprintf(&b, "*%s\n", table)
		// In nat, chains for destinations and those for sources do not mix.
		groups := [][]string{builtin["*"+table]}
		if table == "nat" {
			groups = [][]string{{"PREROUTING", "OUTPUT"}, {"INPUT", "POSTROUTING"}}
		}
		var rules strings.Builder
		for g, bases := range groups {
			user := []string{}
			for i := range 3 {
				user = append(user, fmt.Sprintf("C%d%d", g, i))
			}
			for i, chain := range append(slices.Clone(bases), user...) {
				policy := "-"
				if i < len(bases) {
					policy = "ACCEPT"
					if table == "filter" {
						policy = rapid.SampledFrom([]string{"ACCEPT", "ACCEPT", "DROP"}).Draw(t, "policy")
					}
				}
				fmt.Fprintf(&b, ":%s %s [0:0]\n", chain, policy)
				targets := append(slices.Clone(everywhere), own[table]...)
				switch {
				case table == "nat" && g == 0:
					targets = append(targets, destinations...)
				case table == "nat":
					targets = append(targets, sources...)
				}
				for _, to := range user[max(0, i-len(bases)+1):] {
					targets = append(targets, "-j "+to, "-g "+to)
				}
				for range rapid.IntRange(0, 3).Draw(t, "rules") {
					rule := "-A " + chain
					for range rapid.IntRange(1, 2).Draw(t, "matches") {
						m := rapid.SampledFrom(matches).Draw(t, "match")
						if i < len(bases) && (strings.Contains(m, "-i ") && (chain == "OUTPUT" || chain == "POSTROUTING") ||
							strings.Contains(m, "-o ") && (chain == "INPUT" || chain == "PREROUTING")) || strings.Contains(rule, m) ||
							strings.Contains(rule, "-p ") && strings.Contains(m, "-p ") || sameOption(rule, m) {
							continue
						}
						if m != "" {
							rule += " " + m
						}
					}
					target := rapid.SampledFrom(targets).Draw(t, "target")
					if strings.HasPrefix(target, "-p ") && strings.Contains(rule, "-p ") {
						target = "-j ACCEPT"
					}
					if target != "" {
						rule += " " + target
					}
					rules.WriteString(rule + "\n")
				}
			}
		}
		b.WriteString(rules.String() + "COMMIT\n")
	}
	return b.String()
}

// sameOption reports whether the rule tests already what the match does.
func sameOption(rule, match string) bool {
	for _, option := range []string{" -s ", " -d ", " -i ", " -o "} {
		if strings.Contains(rule, option) && strings.Contains(" "+match, option) {
			return true
		}
	}
	return false
}

// twin is the slow way to follow a packet.
type twin struct {
	snapshot *snapshot.Snapshot
	flow     trace.Flow
	answers  int
	shares   map[string]*big.Rat
}

// twinPacket is the packet on one course.
type twinPacket struct {
	src, dst           netip.Addr
	port               uint16
	mark, connMark     uint32
	in, out            string
	conntrack          string // "", "tracked", "untracked"
	boundDst, boundSrc bool
	dnat, changed      bool
	masquerade         bool
	hook               netfilter.Hook
}

func (t *twin) outcomes() string {
	t.shares = map[string]*big.Rat{}
	p := twinPacket{src: t.flow.Source, dst: t.flow.Destination, port: t.flow.Port}
	one := big.NewRat(1, 1)
	if t.flow.From != trace.FromNode {
		p.in = t.link(p.src)
		t.hook(netfilter.Prerouting, p, one, func(p twinPacket, c *big.Rat) {
			if t.isLocal(p.dst) {
				t.hook(netfilter.Input, p, c, t.arrive)
				return
			}
			p.out = t.link(p.dst)
			t.hook(netfilter.Forward, p, c, func(p twinPacket, c *big.Rat) {
				t.hook(netfilter.Postrouting, p, c, t.arrive)
			})
		})
		return sharesString(t.shares)
	}
	p.out = t.link(p.dst)
	t.hook(netfilter.Output, p, one, func(p twinPacket, c *big.Rat) {
		p.out = t.link(p.dst)
		t.hook(netfilter.Postrouting, p, c, func(p twinPacket, c *big.Rat) {
			if !t.isLocal(p.dst) {
				t.arrive(p, c)
				return
			}
			p.in, p.out = "lo", ""
			t.hook(netfilter.Prerouting, p, c, func(p twinPacket, c *big.Rat) {
				t.hook(netfilter.Input, p, c, t.arrive)
			})
		})
	})
	return sharesString(t.shares)
}

func (t *twin) arrive(p twinPacket, c *big.Rat) {
	v := trace.Accept
	if p.dnat {
		v = trace.DNAT
	}
	addShare(t.shares, v, netip.AddrPortFrom(p.dst, p.port), p.masquerade, c)
}

func (t *twin) isLocal(a netip.Addr) bool {
	local, _ := t.snapshot.IsLocal(a)
	return local
}

func (t *twin) link(a netip.Addr) string {
	switch {
	case t.isLocal(a):
		return "lo"
	case netip.MustParsePrefix("10.1.0.0/24").Contains(a):
		return "cni0"
	}
	return "eth0"
}

// course is how a packet goes on; ways are those of a chain.
type course func(p twinPacket, chance *big.Rat)

func (t *twin) hook(h netfilter.Hook, p twinPacket, c *big.Rat, then course) {
	p.hook = h
	tables := []string{"raw", "mangle", "nat", "filter"}
	if h == netfilter.Input || h == netfilter.Postrouting {
		tables = []string{"raw", "mangle", "filter", "nat"}
	}
	t.tables(tables, p, c, then)
}

func (t *twin) tables(names []string, p twinPacket, c *big.Rat, then course) {
	if len(names) == 0 {
		then(p, c)
		return
	}
	name, rest := names[0], names[1:]
	if name == "mangle" && p.conntrack == "" {
		p.conntrack = "tracked"
	}
	table := t.snapshot.Table(netfilter.IPv4, name)
	var chain *netfilter.Chain
	for _, other := range table.Chains() {
		if other.Base != nil && other.Base.Hook == p.hook {
			chain = other
		}
	}
	source := p.hook == netfilter.Input || p.hook == netfilter.Postrouting
	skip := chain == nil || name == "nat" && (p.conntrack != "tracked" || source && p.boundSrc || !source && p.boundDst)
	if skip {
		t.tables(rest, p, c, then)
		return
	}
	t.chain(chain, 0, p, c, func(way string, p twinPacket, c *big.Rat) {
		if way == "return" {
			way = "accept"
			if chain.Base.Policy == netfilter.Drop {
				way = "drop"
			}
		}
		if way != "accept" {
			addShare(t.shares, trace.Verdict(way), netip.AddrPort{}, false, c)
			return
		}
		if name == "nat" {
			p.boundSrc, p.boundDst = p.boundSrc || source, p.boundDst || !source
		}
		t.tables(rest, p, c, then)
	})
}

// chain follows the packet from the i-th rule of a chain on.
func (t *twin) chain(c *netfilter.Chain, i int, p twinPacket, chance *big.Rat, then func(way string, p twinPacket, c *big.Rat)) {
	if i == c.NumRules() {
		then("return", p, chance)
		return
	}
	rule := c.Rule(i)
	odds := big.NewRat(1, 1)
	for _, m := range rule.Matches() {
		odds = new(big.Rat).Mul(odds, t.odds(m, p))
	}
	if miss := new(big.Rat).Sub(big.NewRat(1, 1), odds); miss.Sign() > 0 {
		t.chain(c, i+1, p, new(big.Rat).Mul(chance, miss), then)
	}
	if odds.Sign() == 0 {
		return
	}
	chance = new(big.Rat).Mul(chance, odds)
	switch target := rule.Target().(type) {
	case netfilter.Verdict:
		then(map[netfilter.Verdict]string{netfilter.Accept: "accept", netfilter.Drop: "drop", netfilter.Return: "return"}[target], p, chance)
		return
	case *netfilter.Reject:
		then("reject", p, chance)
		return
	case *netfilter.Jump:
		t.chain(target.Chain, 0, p, chance, func(way string, p twinPacket, chance *big.Rat) {
			if way == "return" && !target.Goto {
				t.chain(c, i+1, p, chance, then)
				return
			}
			then(way, p, chance)
		})
		return
	case *netfilter.DNAT:
		before, port := p.dst, p.port
		to := target.To()
		p.dst = to.First
		if to.HasPorts {
			p.port = to.Ports.First
		}
		p.dnat, p.changed = true, p.dst != before || p.port != port
		then("accept", p, chance)
		return
	case *netfilter.SNAT:
		p.src, p.masquerade = target.To.First, p.hook == netfilter.Postrouting
		then("accept", p, chance)
		return
	case *netfilter.SetMark:
		p.mark = target.Apply(p.mark)
	case *netfilter.SaveMark:
		if p.conntrack == "tracked" {
			p.connMark = p.connMark&^target.ConnMask ^ p.mark&target.PacketMask
		}
	case *netfilter.RestoreMark:
		if p.conntrack == "tracked" {
			p.mark = p.mark&^target.PacketMask ^ p.connMark&target.ConnMask
		}
	case *netfilter.Track:
		if p.conntrack == "" {
			p.conntrack = "untracked"
		}
	}
	t.chain(c, i+1, p, chance, then)
}

// odds is the chance with which a match holds, 0 and 1 mostly.
func (t *twin) odds(m netfilter.Match, p twinPacket) *big.Rat {
	if s, ok := m.(*netfilter.Statistic); ok {
		return s.Chance()
	}
	if t.holds(m, p) {
		return big.NewRat(1, 1)
	}
	return new(big.Rat)
}

func (t *twin) holds(m netfilter.Match, p twinPacket) bool {
	switch m := m.(type) {
	case *netfilter.Comment:
		return true
	case *netfilter.Opaque:
		return t.answers&(1<<slices.Index(twinQuestions, m.Text)) != 0
	case *netfilter.Addr:
		a := p.src
		if m.Side == netfilter.Destination {
			a = p.dst
		}
		return m.Net.Contains(a) != m.Not
	case *netfilter.Interface:
		name := p.in
		if m.Side == netfilter.Destination {
			name = p.out
		}
		return (name == m.Name) != m.Not
	case *netfilter.Protocol:
		return (m.Number == netfilter.TCP) != m.Not
	case *netfilter.Transport:
		return !m.DstPort.Set || m.DstPort.Range.Contains(p.port) != m.DstPort.Not
	case *netfilter.Mark:
		return (p.mark&m.Mask == m.Value) != m.Not
	case *netfilter.ConnMark:
		return p.conntrack == "tracked" && (p.connMark&m.Mask == m.Value) != m.Not
	case *netfilter.Conntrack:
		var state netfilter.ConnStates
		switch p.conntrack {
		case "tracked":
			state = netfilter.StateNew
			if p.changed {
				state |= netfilter.StateDNAT
			}
		case "untracked":
			state = netfilter.StateUntracked
		default:
			state = netfilter.StateInvalid
		}
		return (m.States&state != 0) != m.StatesNot
	case *netfilter.AddrType:
		return t.isLocal(p.dst)
	}
	panic(fmt.Sprintf("the twin does not know %s", m))
}
