// Package protocol knows transport protocols by name.
package protocol

import "strconv"

// Number is the number of a name. The names are those of libxtables
// (xtables_chain_protos) and of Debian's /etc/protocols: where the tools look
// for what they print.
func Number(name string) (n uint8, ok bool) {
	switch name { // most of what there is
	case "tcp":
		return 6, true
	case "udp":
		return 17, true
	}
	n, ok = numbers[name]
	return n, ok
}

// Name is a protocol's name in /etc/protocols; one that has none there is
// printed as its number.
func Name(number uint8) string {
	if name := names[number]; name != "" {
		return name
	}
	return strconv.Itoa(int(number))
}

var numbers = map[string]uint8{
	"hopopt":          0,
	"all":             0,
	"icmp":            1,
	"igmp":            2,
	"ggp":             3,
	"ipencap":         4,
	"st":              5,
	"tcp":             6,
	"egp":             8,
	"igp":             9,
	"pup":             12,
	"udp":             17,
	"hmp":             20,
	"xns-idp":         22,
	"rdp":             27,
	"iso-tp4":         29,
	"dccp":            33,
	"xtp":             36,
	"ddp":             37,
	"idpr-cmtp":       38,
	"ipv6":            41,
	"ipv6-route":      43,
	"ipv6-frag":       44,
	"idrp":            45,
	"rsvp":            46,
	"gre":             47,
	"esp":             50,
	"ah":              51,
	"skip":            57,
	"ipv6-icmp":       58,
	"icmpv6":          58,
	"ipv6-nonxt":      59,
	"ipv6-opts":       60,
	"rspf":            73,
	"vmtp":            81,
	"eigrp":           88,
	"ospf":            89,
	"ax.25":           93,
	"ipip":            94,
	"etherip":         97,
	"encap":           98,
	"pim":             103,
	"ipcomp":          108,
	"vrrp":            112,
	"l2tp":            115,
	"isis":            124,
	"sctp":            132,
	"fc":              133,
	"mobility-header": 135,
	"ipv6-mh":         135,
	"mh":              135,
	"udplite":         136,
	"mpls-in-ip":      137,
	"manet":           138,
	"hip":             139,
	"shim6":           140,
	"wesp":            141,
	"rohc":            142,
	"ethernet":        143,
}

// names are the names by number: of several, the one that /etc/protocols has
// first.
var names = func() (names [256]string) {
	others := map[string]bool{"all": true, "icmpv6": true, "ipv6-mh": true, "mh": true, "hopopt": true}
	for name, number := range numbers {
		if !others[name] { // at most one a number is left
			names[number] = name
		}
	}
	return names
}()
