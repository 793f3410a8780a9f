package inventory

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// modeRemarks say what could be told of a mode whose services are not read
// back, and by which signs.
func modeRemarks(s *snapshot.Snapshot) (kubeproxy.Mode, []source.Diagnostic) {
	mode, signs := kubeproxy.Detect(s)
	var remarks []source.Diagnostic
	for _, sign := range signs {
		if sign.Mode != kubeproxy.Userspace {
			continue
		}
		const text = "kube-proxy's userspace mode, which was removed in 1.26: rules lead cluster IPs and node ports to ports of the kube-proxy process, which balances itself; the endpoints are not in the rules"
		remarks = append(remarks, source.Diagnostic{Severity: source.Warning, Code: "mode", Pos: sign.Pos, Message: sign.Why + " shows " + text})
	}
	if mode == kubeproxy.Mixed {
		var all []string
		for _, sign := range signs {
			all = append(all, string(sign.Mode)+" ("+sign.Why+")")
		}
		remarks = append(remarks, source.Diagnostic{
			Severity: source.Warning, Code: "mixed-modes", Pos: signs[0].Pos,
			Message: "signs of several modes stand side by side: " + strings.Join(all, ", ") + "; a change of mode leaves rules behind",
		})
	}
	return mode, remarks
}
