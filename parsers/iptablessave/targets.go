package iptablessave

import "github.com/svcpath/svcpath/analyzer/netfilter"

// verdicts are the targets that are verdicts.
var verdicts = map[string]netfilter.Verdict{
	"ACCEPT": netfilter.Accept,
	"DROP":   netfilter.Drop,
	"RETURN": netfilter.Return,
	"QUEUE":  netfilter.Queue,
}

// targets are the targets with options by name. A name that is neither here
// nor among the verdicts is a chain's.
var targets = map[string]*extension{
	"DNAT":       dnat,
	"SNAT":       snat,
	"MASQUERADE": masquerade,
	"REDIRECT":   redirect,
	"NETMAP":     netmap,

	"MARK":     setMark,
	"CONNMARK": setConnMark,

	"REJECT":   reject,
	"TCPMSS":   setMSS,
	"DSCP":     setDSCP,
	"TOS":      setTOS,
	"TTL":      setTTL,
	"HL":       setHopLimit,
	"CLASSIFY": classify,
	"CHECKSUM": fillChecksum,

	"LOG":   log,
	"NFLOG": nflog,
	"TRACE": trace,
	"AUDIT": audit,

	"TPROXY":  tproxy,
	"NFQUEUE": nfqueue,
	"TEE":     tee,
	"CT":      track,
	"NOTRACK": notrack,
	"SET":     updateSet,

	"CLUSTERIP": unmodelled([]string{"--new"},
		[]string{"--hashmode", "--clustermac", "--total-nodes", "--local-node", "--hash-init"}),
	"CONNSECMARK": unmodelled([]string{"--save", "--restore"}, nil),
	"DNPT":        unmodelled(nil, []string{"--src-pfx", "--dst-pfx"}),
	"ECN":         unmodelled([]string{"--ecn-tcp-remove"}, nil),
	"HMARK": unmodelled(nil, []string{"--hmark-tuple", "--hmark-mod", "--hmark-offset", "--hmark-src-prefix",
		"--hmark-dst-prefix", "--hmark-sport-mask", "--hmark-dport-mask", "--hmark-spi-mask", "--hmark-sport",
		"--hmark-dport", "--hmark-spi", "--hmark-proto-mask", "--hmark-rnd"}),
	"IDLETIMER":   unmodelled([]string{"--alarm"}, []string{"--timeout", "--label"}),
	"LED":         unmodelled([]string{"--led-always-blink"}, []string{"--led-trigger-id", "--led-delay"}),
	"RATEEST":     unmodelled(nil, []string{"--rateest-name", "--rateest-interval", "--rateest-ewmalog"}),
	"SECMARK":     unmodelled(nil, []string{"--selctx"}),
	"SNPT":        unmodelled(nil, []string{"--src-pfx", "--dst-pfx"}),
	"SYNPROXY":    unmodelled([]string{"--sack-perm", "--timestamp"}, []string{"--mss", "--wscale"}),
	"TCPOPTSTRIP": unmodelled(nil, []string{"--strip-options"}),
	"ULOG":        unmodelled(nil, []string{"--ulog-nlgroup", "--ulog-prefix", "--ulog-cprange", "--ulog-qthreshold"}),
}

// maxTargetName is the length of the longest name of a target. Chains of
// kube-proxy are longer, and need not be looked for here.
var maxTargetName = func() (longest int) {
	for name := range targets {
		longest = max(longest, len(name))
	}
	for name := range verdicts {
		longest = max(longest, len(name))
	}
	return longest
}()
