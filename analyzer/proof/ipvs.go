package proof

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
)

// mostAlike is how many findings of one kind are given one by one.
const mostAlike = 100

// Mismatches gives a finding for each thing that one of the kernel's lists has
// in IPVS mode and another lacks: kube-proxy writes the same thing into the
// IPVS table, into sets and onto an interface. Of more than mostAlike of a
// kind the last one given says how many there are. allServices says that the
// Services given are those of the whole cluster; else it cannot be told whether
// virtual servers without one are somebody's, which is said once.
func Mismatches(inv *inventory.Inventory, allServices bool) []audit.Finding {
	var findings []audit.Finding
	var open []inventory.Mismatch
	alike, last := map[inventory.MismatchKind]int{}, map[inventory.MismatchKind]int{}
	for _, m := range inv.Mismatches {
		if m.Kind == inventory.UnownedVirtual && !allServices {
			open = append(open, m)
			continue
		}
		if alike[m.Kind]++; alike[m.Kind] <= mostAlike {
			last[m.Kind] = len(findings)
			findings = append(findings, mismatch(m))
		}
	}
	for kind, n := range alike {
		if n > mostAlike {
			findings[last[kind]].Message += fmt.Sprintf("; there are %d more like this", n-mostAlike)
		}
	}
	if len(open) > 0 {
		findings = append(findings, unowned(open))
	}
	return findings
}

// unowned tells of virtual servers that Services may ask for which were not
// given.
func unowned(open []inventory.Mismatch) audit.Finding {
	f := mismatch(open[0])
	f.Severity, f.Certainty, f.Assumptions = audit.Info, "undetermined", nil
	f.Message = fmt.Sprintf("no Service that was given asks for %d virtual servers, first %s; whether the cluster has one cannot be told", len(open), open[0].Virtual)
	f.Missing = []string{"all Services of the cluster: those that were given are not evidently all"}
	f.Remediation = "Give all objects: kubectl get services,endpointslices,nodes -A -o yaml"
	return f
}

func mismatch(m inventory.Mismatch) audit.Finding {
	f := audit.Finding{Severity: audit.Medium, Certainty: "certain"}
	if m.Entry != nil {
		f.Service = m.Entry.Service.PortString()
	}
	if m.Virtual != nil {
		f.Lines = append(f.Lines, audit.Line{Pos: m.Virtual.Pos(), Text: m.Virtual.Text()})
	}
	if m.Element.Set != nil {
		f.Lines = append(f.Lines, audit.Line{Pos: m.Element.Pos(), Text: m.Element.Text()})
	}
	const resync = "kube-proxy mends this at its next full sync; where it comes back, look for who else writes to IPVS. " +
		"Restarting kube-proxy on the node makes it sync at once."
	f.Remediation = resync
	switch m.Kind {
	case inventory.UnownedVirtual:
		f.ID, f.Name = "KP5001", "virtual-server-without-service"
		f.Message = fmt.Sprintf("no Service that was given asks for virtual server %s", m.Virtual)
		f.Certainty = "assumed"
		f.Assumptions = []string{"that the Services given are of the same moment"}
		f.Remediation = "If the Services given are of the same moment, the virtual server is left over or somebody else's: ipvsadm -D removes it."
	case inventory.VirtualWithoutSet:
		f.ID, f.Name = "KP5002", "virtual-server-without-set-entry"
		f.Message = fmt.Sprintf("virtual server %s stands in no set that the rules ask for it (%s): %s", m.Virtual, strings.Join(m.Sets, ", "), effectOfNoSet(m.Entry))
	case inventory.SetWithoutVirtual:
		f.ID, f.Name = "KP5003", "set-entry-without-virtual-server"
		f.Message = fmt.Sprintf("set %s has %s, for which there is no virtual server", m.Element.Set.Name, m.Element.Text())
	case inventory.AddressMissing:
		f.ID, f.Name, f.Severity = "KP5004", "service-address-missing", audit.High
		f.Message = fmt.Sprintf("%s of virtual server %s is none of the node's addresses: packets to it from pods and from outside do not come to IPVS", m.Address, m.Virtual)
	case inventory.AddressLeft:
		f.ID, f.Name, f.Severity = "KP5005", "service-address-left-over", audit.Low
		f.Message = fmt.Sprintf("%s is on kube-ipvs0, and no virtual server has it: the node keeps packets to it that are meant for somebody else", m.Address)
	case inventory.NodePortMissing:
		f.ID, f.Name = "KP5006", "node-port-missing-at-address"
		f.Message = fmt.Sprintf("NodePort %d has no virtual server at %s, where most other node ports have one", m.Entry.Port, m.Address)
	}
	return f
}

// effectOfNoSet says what it does to an entry that its set does not have it.
func effectOfNoSet(e *inventory.Entry) string {
	switch {
	case e.Kind == inventory.NodePort:
		return "packets from outside keep their source address, and connections to endpoints on other nodes hang"
	case e.Verdict == inventory.Broken:
		return "new connections from pods and from outside are refused before IPVS sees them"
	}
	return "packets to it are not masqueraded, and where the rules refuse what is in no set, new connections are refused"
}
