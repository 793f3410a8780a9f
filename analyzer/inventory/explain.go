package inventory

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// Explanation puts the verdict into one or two plain sentences.
func (d *draft) Explanation() string {
	b, e, j, own := d.service.builder, &d.entry, &d.outcome, d.service.own
	dialled := nameOfEntry(e, d.dial)
	start := strings.ToUpper(dialled[:1]) + dialled[1:] // of a sentence
	switch e.Verdict {
	case IsClusterIP:
		return fmt.Sprintf("%s jumps into %s, which translates to %s. %s",
			start, j.decided.Name, j.endpoints(e.Endpoints), sourceKept(e))
	case JoinsClusterIP:
		if own == nil {
			return fmt.Sprintf("%s jumps into %s, the service's own chain; the rule that leads %s there is gone. %s",
				start, j.decided.Name, d.service.nameOfClusterIP(), sourceKept(e))
		}
		return fmt.Sprintf("%s jumps into %s, the chain that %s jumps into%s. %s",
			start, j.decided.Name, d.service.nameOfClusterIP(), d.service.neverClusterIP(), sourceKept(e))
	case Filtered:
		return fmt.Sprintf("%s jumps into %s, the chain that %s jumps into, but only for clients from %s; %s. %s",
			start, j.decided.Name, d.service.nameOfClusterIP(), prefixes(j.sources), b.fateOfOthers(d), sourceKept(e))
	case LocalEndpoints:
		return fmt.Sprintf("Under externalTrafficPolicy: Local, %s goes to %s only: %s on this node%s. %s",
			dialled, j.decided.Name, j.endpoints(e.Endpoints), b.onlyFrom(d, j), sourceKept(e))
	case SameBackends:
		return fmt.Sprintf("%s jumps into %s, not into the chain of %s, but both translate to the same endpoints. %s",
			start, j.decided.Name, d.service.nameOfClusterIP(), sourceKept(e))
	case DifferentBackends:
		return b.explainDifference(e, dialled, start, j, own)
	case NoEndpoints:
		return b.explainRefusal(e, dialled)
	case Broken:
		return b.explainBreak(e, dialled, start, d, j)
	case Unknown:
		return b.explainUnknown(e, dialled, start, j, own)
	}
	return ""
}

// InCluster says what pods and the node get from the entry under
// externalTrafficPolicy: Local, where that differs from what others get.
func (d *draft) InCluster() string { return d.service.builder.explainInCluster(&d.entry, d) }

// nameOfEntry is how a sentence names the entry: "NodePort 30080".
func nameOfEntry(e *Entry, d dial) string {
	switch e.Kind {
	case NodePort:
		return fmt.Sprintf("NodePort %d", d.port)
	case LoadBalancerIP:
		return "load-balancer IP " + netip.AddrPortFrom(d.address, d.port).String()
	case ExternalIP:
		return "external IP " + netip.AddrPortFrom(d.address, d.port).String()
	}
	return "cluster IP " + netip.AddrPortFrom(d.address, d.port).String()
}

func nameOf(svc *Service) string {
	if svc.Name == "" {
		return "an unnamed service"
	}
	return svc.PortString()
}

func endpoints(list Endpoints) string {
	switch list.Len() {
	case 0:
		return "endpoints that the text does not hold"
	case 1:
		return "endpoint " + list.At(0).Addr.String()
	}
	const most = 4
	names := make([]string, 0, most+1)
	for i, e := range list.All() {
		if i == most && list.Len() > most+1 {
			names = append(names, fmt.Sprintf("%d more", list.Len()-most))
			break
		}
		names = append(names, e.Addr.String())
	}
	return fmt.Sprintf("one of %d endpoints (%s)", list.Len(), strings.Join(names, ", "))
}

// endpoints names those of a list that a journey ends at, and says so where the
// text may lack others.
func (o *outcome) endpoints(list Endpoints) string {
	words := endpoints(list)
	if o.end == atBackends && o.backends != nil && o.backends.part && list.Len() > 0 {
		words += " and perhaps others that the text does not hold"
	}
	return words
}

func prefixes(list []netip.Prefix) string {
	if len(list) == 0 {
		return "nowhere"
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	return strings.Join(names, ", ")
}

// sourceKept says whether the endpoint sees the client's address.
func sourceKept(e *Entry) string {
	switch e.Masquerade {
	case MasqueradeAlways:
		return "The client's address is replaced by the node's."
	case MasqueradeHairpin:
		return "The client's address is kept, except when an endpoint calls itself."
	case MasqueradeConditional:
		return "The client's address is kept for pods and replaced by the node's for others."
	case MasqueradeUnknown:
		return "Whether the client's address is kept cannot be told from the text."
	}
	return "The client's address is kept."
}

// fateOfOthers says what happens to clients outside the source ranges.
func (b *builder) fateOfOthers(d *draft) string {
	for _, r := range d.rules {
		if jump, ok := r.Jump(); ok && jump.Chain != nil {
			for r := range jump.Chain.Rules() {
				if to, ok := r.Jump(); ok && b.isDropMark(r) {
					return "others are marked for dropping (" + to.Name + ")"
				}
			}
		}
	}
	if b.filter == nil {
		return "whether others are dropped cannot be told without the filter table"
	}
	if b.firewalled[d.dial] {
		return "others are dropped in filter (" + kubeproxy.ProxyFirewallChain + ")"
	}
	if b.filter.Complete {
		return "others go on untranslated: no rule of filter drops them"
	}
	return "whether others are dropped cannot be told: the filter table is not whole"
}

func (b *builder) onlyFrom(d *draft, j *outcome) string {
	if len(j.sources) == 0 {
		return ""
	}
	return ", and only for clients from " + prefixes(j.sources) + "; " + b.fateOfOthers(d)
}

func (b *builder) explainDifference(e *Entry, dialled, start string, j, own *outcome) string {
	switch {
	case j.ahead:
		taker := e.Path[len(e.Path)-1]
		return fmt.Sprintf("A rule before kube-proxy's takes packets from outside to %s: %s (rule %d of %s) sends them to %s; the service's own chains are not reached.",
			dialled, taker.Chain().Name, taker.Number(), taker.Chain().Name, endpoints(e.Endpoints))
	case j.end == translated:
		taker := e.Path[len(e.Path)-1]
		return fmt.Sprintf("%s is translated to %s by rule %d of %s, not through the service's chain.", start, e.Endpoints.At(0).Addr, taker.Number(), taker.Chain().Name)
	}
	whose := ""
	if kind, hash := kubeproxy.ParseChainName(j.decided.Name); kind != kubeproxy.OtherChain && !b.isOwn(e.Service, j.decided) {
		if place, ok := b.byHash[hash]; ok && b.kins[place].service != nil && &b.kins[place].service.Service != e.Service {
			whose = ", the chain of " + nameOf(&b.kins[place].service.Service)
		} else {
			whose = ", which is no chain of this service"
		}
	}
	if e.Kind == ClusterIP {
		return fmt.Sprintf("%s jumps into %s%s, and ends at %s. %s", start, j.decided.Name, whose, j.endpoints(e.Endpoints), sourceKept(e))
	}
	against := "the cluster IP gets none"
	if own != nil && own.end == atBackends {
		against = "the cluster IP's are " + difference(own.backends.endpoints, e.Endpoints.List())
		if e.Service.InternalPolicy == Local && whose == "" {
			against = "under internalTrafficPolicy: Local the cluster IP goes to those on this node only (" + own.decided.Name + ")"
		}
	}
	return fmt.Sprintf("%s jumps into %s%s, and ends at %s; %s. %s", start, j.decided.Name, whose, j.endpoints(e.Endpoints), against, sourceKept(e))
}

// difference names the endpoints of one list that the other lacks.
func difference(of, without []Endpoint) string {
	var only []Endpoint
	for _, e := range of {
		found := false
		for _, w := range without {
			found = found || w.Addr == e.Addr
		}
		if !found {
			only = append(only, e)
		}
	}
	if len(only) == 0 {
		return "among them"
	}
	return endpoints(endpointsIn(&only))
}

func (b *builder) explainRefusal(e *Entry, dialled string) string {
	r := e.Path[len(e.Path)-1]
	claim, _ := kubeproxy.ParseComment(r.Comment())
	how := "dropped without an answer"
	if reject, ok := r.Target().(*netfilter.Reject); ok {
		how = "rejected (" + reject.With + ")"
	}
	if claim.Kind == kubeproxy.ClaimNoLocal {
		policy := "externalTrafficPolicy"
		if e.Kind == ClusterIP {
			policy = "internalTrafficPolicy"
		}
		return fmt.Sprintf("Packets to %s are %s: under %s: Local only endpoints on this node count, and there is none.", dialled, how, policy)
	}
	text := fmt.Sprintf("Packets to %s are %s in %s: the service has no endpoints.", dialled, how, r.Chain().Name)
	if e.KindAssumed {
		text += " The rules do not tell whether the address is a load balancer's or an external IP."
	}
	return text
}

func (b *builder) explainBreak(e *Entry, dialled, start string, d *draft, j *outcome) string {
	last := e.Path[len(e.Path)-1]
	where := fmt.Sprintf("rule %d of %s", last.Number(), last.Chain().Name)
	switch {
	case d.missing != nil:
		return fmt.Sprintf("%s still names %s, but no rule of %s leads to the chain: the entry's rule is gone, and packets to it are not translated.",
			last.Chain().Name, dialled, kubeproxy.ServicesChain)
	case j.ahead:
		return fmt.Sprintf("A rule before kube-proxy's takes packets from outside to %s: %s; they are not translated to an endpoint.", dialled, where)
	case b.reached(d) == no && b.entered == nil:
		return fmt.Sprintf("Nothing in PREROUTING leads to %s, so no packet from outside comes to the rule for %s.", kubeproxy.ServicesChain, dialled)
	case b.reached(d) == no:
		return fmt.Sprintf("No rule of %s leads to %s, so no packet comes to the rule for %s.", kubeproxy.ServicesChain, kubeproxy.NodePortsChain, dialled)
	case j.end == dangling:
		return fmt.Sprintf("The way of %s ends at %s: it jumps to a chain that the table does not have.", dialled, where)
	case j.end == looping:
		return fmt.Sprintf("The chains that %s leads to form a circle.", dialled)
	case j.end == atBackends:
		return fmt.Sprintf("%s comes to %s, but none of its endpoint chains translates to an endpoint.", start, j.decided.Name)
	case j.end == fallsThrough:
		return fmt.Sprintf("%s is translated to nothing: what %s leads to has no rule for clients outside the node, and filter does not refuse them.", start, where)
	}
	return fmt.Sprintf("The way of %s ends at %s without an endpoint.", dialled, where)
}

func (b *builder) explainUnknown(e *Entry, dialled, start string, j, own *outcome) string {
	switch {
	case j.open != nil:
		return fmt.Sprintf("Where %s leads rests on a condition that is not understood: rule %d of %s.", dialled, j.open.Number(), j.open.Chain().Name)
	case j.end == atBackends && j.backends.dead != nil && b.hidesTargets():
		return fmt.Sprintf("%s jumps into %s; what its endpoint chains do, nft has no words for: iptables-save prints it.", start, j.decided.Name)
	case j.end == atBackends && own != nil:
		return fmt.Sprintf("%s jumps into %s; the text does not show all that the cluster IP's way could be compared by.", start, j.decided.Name)
	case j.end == atBackends:
		return fmt.Sprintf("%s jumps into %s; the text does not show the cluster IP's entry to compare with.", start, j.decided.Name)
	case j.end == dangling && len(e.Path) > 0:
		last := e.Path[len(e.Path)-1]
		jump, _ := last.Jump()
		return fmt.Sprintf("%s leads to %s, which is not in the text.", start, jump.Name)
	case b.filter == nil:
		return fmt.Sprintf("nat has no way to an endpoint for %s; whether filter refuses it cannot be told, for table filter is not in the input.", dialled)
	}
	return fmt.Sprintf("The text does not show where %s leads.", dialled)
}

func (b *builder) explainInCluster(e *Entry, d *draft) string {
	for _, r := range d.rules {
		if j, ok := r.Jump(); ok && j.Chain != nil && j.Chain == e.Service.Chains.Firewall && len(e.Service.SourceRanges) > 0 {
			return "Pods and the node itself are bound by the source ranges as well."
		}
	}
	return e.exemptFromLocal()
}

// exemptFromLocal says who goes to all endpoints though the policy is Local,
// "" if nobody does.
func (e *Entry) exemptFromLocal() string {
	c := e.Service.Chains.External
	if e.Kind == ClusterIP || c == nil || e.Service.ExternalPolicy != Local || e.Verdict == Broken {
		return ""
	}
	var pods, node string
	for r := range c.Rules() {
		jump, ok := r.Jump()
		if !ok || jump.Chain == nil || jump.Chain != e.Service.Chains.Service {
			continue
		}
		if testsLocalSource(r) {
			node = jump.Name
		} else if who := podsOf(r); who != "" {
			pods = who + " with their address kept"
		}
	}
	switch {
	case pods != "" && node != "":
		return fmt.Sprintf("%s, and the node itself masqueraded, go to %s, the chain with all endpoints.", pods, node)
	case node != "":
		return fmt.Sprintf("The node itself goes to %s, the chain with all endpoints, masqueraded; pods get what clients from outside get.", node)
	}
	return ""
}

// podsOf names the pods that a rule is limited to, "" when it is not limited.
func podsOf(r *netfilter.Rule) string {
	for _, m := range r.Matches() {
		switch m := m.(type) {
		case *netfilter.Addr:
			if m.Side == netfilter.Source && !m.Not {
				return "Pods of " + m.Net.String()
			}
		case *netfilter.Interface, *netfilter.Physdev:
			return "Pods behind " + strings.TrimPrefix(m.String(), "-m physdev ")
		}
	}
	return ""
}
