package iptablessave

// matches are the match modules by name. What is missing here stays opaque,
// and so does a module whose options are only listed: it looks at what no
// capture tells.
var matches = map[string]*extension{
	"comment": comment,

	"tcp":       tcp,
	"udp":       udp,
	"udplite":   udplite,
	"sctp":      sctp,
	"dccp":      dccp,
	"multiport": multiport,
	"icmp":      icmp,
	"icmp6":     icmp6,

	"addrtype": addrtype,
	"iprange":  iprange,
	"set":      inSet,
	"mac":      mac,
	"pkttype":  pktType,
	"physdev":  physdev,
	"owner":    owner,
	"socket":   socket,
	"rpfilter": rpfilter,

	"length": length,
	"ttl":    ttl,
	"hl":     hopLimit,
	"tos":    tos,
	"dscp":   dscp,

	"mark":      mark,
	"connmark":  connmark,
	"conntrack": conntrack,
	"state":     state,
	"helper":    helper,
	"ipvs":      ipvs,

	"statistic": statistic,
	"recent":    recent,
	"limit":     limit,
	"hashlimit": hashlimit,
	"connlimit": connlimit,
	"connbytes": connbytes,
	"nfacct":    nfacct,

	// The payload, headers between network and transport.
	"string": unmodelled([]string{"--icase"}, []string{"--algo", "--from", "--to", "--string", "--hex-string"}),
	"u32":    unmodelled(nil, []string{"--u32"}),
	"bpf":    unmodelled(nil, []string{"--object-pinned", "--bytecode"}),
	"ah":     unmodelled([]string{"--ahres"}, []string{"--ahspi", "--ahlen"}),
	"esp":    unmodelled(nil, []string{"--espspi"}),
	"ipcomp": unmodelled([]string{"--compres"}, []string{"--ipcompspi"}),
	"frag": unmodelled([]string{"--fragres", "--fragfirst", "--fragmore", "--fraglast"},
		[]string{"--fragid", "--fraglen"}),
	"hbh":        unmodelled(nil, []string{"--hbh-len", "--hbh-opts"}),
	"dst":        unmodelled(nil, []string{"--dst-len", "--dst-opts"}),
	"mh":         unmodelled(nil, []string{"--mh-type"}),
	"ipv6header": unmodelled([]string{"--soft"}, []string{"--header"}),
	"eui64":      unmodelled(nil, nil),
	"rt": unmodelled([]string{"--rt-0-res", "--rt-0-not-strict"},
		[]string{"--rt-type", "--rt-segsleft", "--rt-len", "--rt-0-addrs"}),
	"tcpmss": unmodelled(nil, []string{"--mss"}),
	"ecn":    unmodelled([]string{"--ecn-tcp-cwr", "--ecn-tcp-ece"}, []string{"--ecn-ip-ect"}),
	"osf":    unmodelled(nil, []string{"--genre", "--ttl", "--log"}),

	// The clock, the machine, counts of earlier packets.
	"time": unmodelled([]string{"--kerneltz", "--contiguous", "--utc", "--localtz"},
		[]string{"--timestart", "--timestop", "--datestart", "--datestop", "--monthdays", "--weekdays"}),
	"cpu":       unmodelled(nil, []string{"--cpu"}),
	"quota":     unmodelled(nil, []string{"--quota"}),
	"connlabel": unmodelled([]string{"--set"}, []string{"--label"}),
	"rateest": unmodelled([]string{"--rateest-delta", "--rateest-lt", "--rateest-gt", "--rateest-eq", "--rateest-bps", "--rateest-pps"},
		[]string{"--rateest", "--rateest1", "--rateest2", "--rateest-bps1", "--rateest-bps2", "--rateest-pps1", "--rateest-pps2"}),

	// Configuration of the node that is not captured.
	"cgroup":   unmodelled(nil, []string{"--cgroup", "--path"}),
	"realm":    unmodelled(nil, []string{"--realm"}),
	"devgroup": unmodelled(nil, []string{"--src-group", "--dst-group"}),
	"cluster": unmodelled(nil, []string{"--cluster-total-nodes", "--cluster-local-node",
		"--cluster-local-nodemask", "--cluster-hash-seed"}),
	"policy": unmodelled([]string{"--strict", "--next"},
		[]string{"--dir", "--pol", "--reqid", "--spi", "--proto", "--mode", "--tunnel-src", "--tunnel-dst"}),
}
