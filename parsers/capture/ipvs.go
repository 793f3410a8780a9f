package capture

import (
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

func readIPVSSave(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	t, next := ipvsadm.ParseSave(at, foreign)
	return r.ipvsText(snapshot.IPVSADMSave, t), next
}

func readIPVSList(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	t, proc, next := ipvsadm.ParseList(at, foreign)
	if proc {
		return r.ipvsText(snapshot.ProcIPVS, t), next
	}
	return r.ipvsText(snapshot.IPVSADMList, t), next
}

func (r *reading) ipvsText(f snapshot.Format, t *ipvsadm.Text) *snapshot.Source {
	r.ipvs = append(r.ipvs, t.Table)
	src := r.source(f, t.Diagnostics)
	src.VirtualServers, src.RealServers = len(t.Table.Services()), t.Table.NumRealServers()
	return src
}

// Connections of IPVS, as "ipvsadm -Lc" and /proc/net/ip_vs_conn print them:
// they are named, and nothing is concluded from them.

func ipvsConnectionsBegin(line string) bool {
	if !starts(line, "IP") {
		return false
	}
	w, n := words(line)
	return n >= 3 && w[0] == "IPVS" && w[1] == "connection" && w[2] == "entries" ||
		n >= 5 && w[0] == "Pro" && w[1] == "FromIP" && w[2] == "FPrt" && w[3] == "ToIP"
}

func ipvsConnectionsContinue(line string) bool {
	w, n := words(line)
	if n < 6 {
		return false
	}
	switch w[0] {
	case "pro":
		return w[1] == "expire"
	case "TCP", "UDP", "SCTP":
		return true
	case "IP": // the clients of a firewall mark
		return w[1] != "Virtual"
	}
	return false
}
