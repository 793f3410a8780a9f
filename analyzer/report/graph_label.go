package report

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// conditions is a short form of a rule's matches: "-d 10.96.0.10/32 udp dport
// 53", "chance 33.3%"; "" when every packet matches. Comments are left out,
// and what only counts.
func conditions(r *netfilter.Rule) string {
	var words []string
	protocol, length := "", 0
	native := r.Chain().Table.Backend == netfilter.Native
	for _, m := range r.Matches() {
		word := ""
		if _, isComment := m.(*netfilter.Comment); native && !isComment {
			word = netfilter.NFTMatch(r.Chain().Table.Family, m)
			words = append(words, word)
			if length += len(word); length > maxLabelBytes {
				break
			}
			continue
		}
		switch m := m.(type) {
		case *netfilter.Comment, *netfilter.NFAcct:
		case *netfilter.Addr, *netfilter.Interface:
			word = m.String()
		case *netfilter.Protocol:
			word = strings.TrimPrefix(m.String(), "-p ")
			protocol = word
		case *netfilter.Transport:
			// "-p udp -m udp --dport 53" names the protocol twice.
			word = short(m.String())
			if word == protocol {
				word = ""
			}
			word = strings.TrimPrefix(word, protocol+" ")
		case *netfilter.Mark:
			word = markTest(m)
		case *netfilter.Statistic:
			word = short(m.String())
			if !m.Nth {
				chance, _ := m.Chance().Float64()
				word = "chance " + percent(chance)
			}
		case *netfilter.Recent:
			word, _, _ = strings.Cut(short(m.String()), " name ")
		default:
			word = short(m.String())
		}
		if word == "" {
			continue
		}
		words = append(words, word)
		if length += len(word); length > maxLabelBytes {
			break
		}
	}
	return strings.Join(words, " ")
}

// maxLabelBytes of text are as much as a label shows, and more.
const maxLabelBytes = (maxLabel + 1) * utf8.UTFMax

// short takes from a match or statement what only iptables needs:
// "-m conntrack --ctstate NEW" is "conntrack ctstate NEW".
func short(option string) string {
	option = option[:min(len(option), 2*maxLabelBytes)] // what is taken out may be a part of it
	option = strings.TrimPrefix(strings.TrimPrefix(option, "-m "), "-j ")
	return strings.ReplaceAll(option, " --", " ")
}

func markTest(m *netfilter.Mark) string {
	word := "mark "
	if m.Not {
		word = "! mark "
	}
	word += "0x" + strconv.FormatUint(uint64(m.Value), 16)
	if m.Mask != m.Value && m.Mask != 0xffffffff {
		word += "/0x" + strconv.FormatUint(uint64(m.Mask), 16)
	}
	return word
}

// ending is what a rule does that does not jump, as a node shows it: "DNAT
// 10.0.0.1:80", "DROP". ok is false for a rule that only counts.
func ending(r *netfilter.Rule) (label string, class graphClass, ok bool) {
	if r.Chain().Table.Backend == netfilter.Native {
		return nativeEnding(r)
	}
	switch s := r.Target().(type) {
	case nil, *netfilter.Jump:
		return "", "", false
	case netfilter.Verdict:
		return s.Name(), classEnding, true
	case *netfilter.DNAT:
		return strings.ReplaceAll(short(s.String()), "to-destination ", ""), classEnding, true
	case *netfilter.SNAT:
		return strings.ReplaceAll(short(s.String()), "to-source ", ""), classEnding, true
	case *netfilter.Masquerade, *netfilter.Redirect, *netfilter.TProxy, *netfilter.NFQueue:
		return short(s.String()), classEnding, true
	case *netfilter.Reject:
		return strings.Replace(short(s.String()), "reject-with", "with", 1), classEnding, true
	case *netfilter.SetMark:
		return short(s.String()), classMark, true
	case *netfilter.OpaqueTarget:
		if s.Text == "" {
			return "target cut off", classOther, true
		}
		return short(s.Text), classOther, true
	default:
		return short(s.String()), classOther, true
	}
}

// nativeEnding is ending of a rule of nftables, in nft's words: it may do
// several things, of which the last is what ends.
func nativeEnding(r *netfilter.Rule) (label string, class graphClass, ok bool) {
	s := r.Target()
	class = classOther
	switch s := s.(type) {
	case nil, *netfilter.Jump, *netfilter.VerdictMap, *netfilter.Count, *netfilter.Provided:
		return "", "", false
	case *netfilter.OpaqueTarget:
		if s.Text == "" {
			return "target cut off", classOther, true
		}
	case netfilter.Verdict, *netfilter.DNAT, *netfilter.SNAT, *netfilter.MapNAT, *netfilter.Masquerade, *netfilter.Redirect,
		*netfilter.Reject, *netfilter.NFQueue:
		class = classEnding
	case *netfilter.SetMark:
		class = classMark
	}
	text := netfilter.NFTStatement(r.Chain().Table.Family, s)
	return text[:min(len(text), maxLabelBytes)], class, true
}
