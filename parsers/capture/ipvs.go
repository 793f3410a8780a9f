package capture

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/source"
)

func ipvsadmSaveBegins(line string) bool {
	if !starts(line, "-") {
		return false
	}
	w, n := words(line)
	if n < 3 || w[0] != "-A" && w[0] != "-a" {
		return false
	}
	switch w[1] {
	case "-t", "-u", "-f", "--tcp-service", "--udp-service", "--sctp-service", "--fwmark-service":
		return true
	}
	return false
}

func ipvsListBegins(line string) bool {
	if !starts(line, "IP") {
		return false
	}
	w, n := words(line)
	return n >= 4 && w[0] == "IP" && w[1] == "Virtual" && w[2] == "Server" && w[3] == "version" ||
		n >= 2 && w[0] == "Prot" && w[1] == "LocalAddress:Port"
}

func ipvsListContinues(line string) bool {
	w, n := words(line)
	if n < 2 {
		return false
	}
	switch w[0] {
	case "Prot":
		return w[1] == "LocalAddress:Port"
	case "->":
		return true
	case "TCP", "UDP", "SCTP", "FWM":
		return w[0] == "FWM" || strings.Contains(w[1], ":")
	}
	return false
}

// isProcIPVS tells the kernel's own listing from ipvsadm's: it has the same
// first line, but no columns (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show).
func isProcIPVS(at source.Cursor) bool {
	for range 3 {
		line, after := at.Next()
		if strings.HasPrefix(strings.TrimLeft(line, " \t"), "-> RemoteAddress:Port Forward Weight") {
			return true
		}
		if !after.More() {
			break
		}
		at = after
	}
	return false
}
