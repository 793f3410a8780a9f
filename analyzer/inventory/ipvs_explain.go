package inventory

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/kubeproxy"
)

// Explanation puts the verdict into plain sentences.
func (r *ipvsDraft) Explanation() string {
	e := &r.entry
	name := r.name()
	start := strings.ToUpper(name[:1]) + name[1:]
	switch e.Verdict {
	case IsClusterIP:
		return fmt.Sprintf("%s is virtual server %s, which balances over %s%s. %s", start, r.virtual(), endpoints(e.Endpoints), r.how(), r.source())
	case SameBackends:
		text := fmt.Sprintf("%s is a virtual server of its own (%s), with the real servers, weights and scheduler of %s%s", start, r.virtual(), r.ownName(), r.how())
		if r.why == fallback {
			text += ". It is under externalTrafficPolicy: Local and " + r.fallbackWords()
		}
		return text + ". " + r.source() + r.guessWords()
	case Filtered:
		return fmt.Sprintf("%s is a virtual server of its own (%s), with the real servers, weights and scheduler of %s, but only for clients from %s; %s%s. %s",
			start, r.virtual(), r.ownName(), prefixes(r.ranges()), r.othersWords(), r.how(), r.source())
	case LocalEndpoints:
		only := ""
		if len(r.ranges()) > 0 {
			only = ", and only for clients from " + prefixes(r.ranges()) + "; " + r.othersWords()
		}
		return fmt.Sprintf("Under externalTrafficPolicy: Local, %s (%s) goes to %s on this node only%s%s. %s", name, r.virtual(), endpoints(e.Endpoints), r.how(), only, r.source())
	case DifferentBackends:
		return r.differenceWords(start)
	case NoEndpoints:
		return r.refusalWords(start)
	case Broken:
		return r.breakWords(start)
	}
	return r.unknownWords(start)
}

// InCluster says what pods and the node get where that is something else.
func (r *ipvsDraft) InCluster() string {
	switch {
	case r.entry.Verdict == Broken && r.why == notOnNode, r.entry.Verdict == Broken && r.why == refusedByRule:
		return "Processes of the node itself reach it all the same: IPVS takes what they send before it is routed, and INPUT does not see it."
	case r.local == yes && len(r.entry.Virtual) > 0:
		return "Pods and the node itself get the same real servers here as clients outside: a virtual server has no others for them."
	}
	return ""
}

func (r *ipvsDraft) name() string {
	return nameOfEntry(&r.entry, r.dial)
}

func (r *ipvsDraft) ownName() string {
	if r.own == nil {
		return "the cluster IP"
	}
	return "cluster IP " + netip.AddrPortFrom(r.own.address, r.own.port).String()
}

// virtual names the entry's virtual servers.
func (r *ipvsDraft) virtual() string {
	list := r.listed()
	if len(list) > 3 {
		return fmt.Sprintf("%s and %d more", list[0], len(list)-1)
	}
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.String()
	}
	return strings.Join(names, ", ")
}

// how says what the shares of new connections rest on.
func (r *ipvsDraft) how() string {
	if r.pool.scheduler() == "" || r.pool.len() < 2 {
		return r.drained()
	}
	text := fmt.Sprintf("; scheduler %s: ", r.pool.scheduler())
	switch r.pool.scheduler().Sharing() {
	case ipvs.EqualSharing:
		text += "each in turn"
	case ipvs.WeightedSharing:
		text += "each in turn, as often as its weight says"
	case ipvs.HighestWeight:
		text += "all to the one with the highest weight"
	case ipvs.LoadSharing:
		text += "which one depends on load"
	case ipvs.SourceSharing:
		text += "which one is fixed per source address"
	case ipvs.DestinationSharing:
		text += "which one is fixed per destination address"
	default:
		text += "what it goes by is not known"
	}
	return text + r.drained()
}

func (r *ipvsDraft) drained() string {
	drained := r.pool.drained()
	if len(drained) == 0 {
		return ""
	}
	return "; " + addrPorts(drained) + " with weight 0 keeps its connections and gets no new ones"
}

func (r *ipvsDraft) source() string {
	if r.entry.Masquerade == MasqueradeUnknown {
		return "Whether the client's address is kept cannot be told from what was captured."
	}
	return sourceKept(&r.entry)
}

func (r *ipvsDraft) guessWords() string {
	if !r.guessed {
		return ""
	}
	return " That the two belong to one service is a guess: nothing in the input names services, and no other cluster IP has these real servers."
}

func (r *ipvsDraft) fallbackWords() string {
	if r.service.b.localness(r.pool, r.protocol).all == no {
		return "has no endpoint on this node, so that kube-proxy gives it all of them, unmasqueraded: replies to outside clients do not come back through this node, and usually get lost"
	}
	return "whether its endpoints are on this node cannot be told without the set " + kubeproxy.SetName(kubeproxy.LoopBackSet, r.service.b.family)
}

// othersWords say what becomes of clients outside the source ranges.
func (r *ipvsDraft) othersWords() string {
	rule, enforced := r.service.b.firewall()
	switch enforced {
	case yes:
		return "others are dropped (" + rule.Chain().Name + ")"
	case no:
		return "but no rule asks for them, and others get through as well"
	}
	return "whether others are dropped cannot be told without the filter table"
}

func (r *ipvsDraft) differenceWords(start string) string {
	if r.more == nil || r.more.differs == nil {
		return start + " ends at other endpoints than " + r.ownName() + "."
	}
	if r.why == amongNode {
		return fmt.Sprintf("%s: the virtual servers of the node's addresses are not alike. %s differs from %s: %s. %s%s",
			start, r.more.at, r.more.other, r.differs(), r.source(), r.guessWords())
	}
	text := fmt.Sprintf("%s is a virtual server of its own (%s), and other than %s: %s", start, r.virtual(), r.ownName(), r.differs())
	switch r.why {
	case internalLocal:
		text += "; under internalTrafficPolicy: Local the cluster IP goes to those on this node only"
	case notLocal:
		text += "; under externalTrafficPolicy: Local it should go to the endpoints of this node, or without one to all of them"
	}
	return text + ". " + r.source() + r.guessWords()
}

// differs says in what the real servers are others than those that they are
// compared with.
func (r *ipvsDraft) differs() string {
	pools := r.service.b.pools
	if r.why == amongNode {
		return r.more.differs.words(r.pool, pools.pool([]*ipvs.VirtualServer{r.more.other}), r.more.other.String())
	}
	return r.more.differs.words(r.pool, pools.pool(r.own.listed()), "the cluster IP")
}

func (r *ipvsDraft) refusalWords(start string) string {
	if drained := r.pool.drained(); len(drained) > 0 {
		return fmt.Sprintf("%s: virtual server %s has no real server that takes new connections (%s with weight 0). IPVS refuses them.", start, r.virtual(), addrPorts(drained))
	}
	text := fmt.Sprintf("%s: virtual server %s has no real server. IPVS refuses connections to it; no rule is needed for that.", start, r.virtual())
	if r.entry.Kind == ClusterIP && r.entry.Service.InternalPolicy == Local {
		text += " Under internalTrafficPolicy: Local that means that no endpoint is on this node."
	}
	return text
}

func (r *ipvsDraft) breakWords(start string) string {
	switch r.why {
	case noVirtual:
		if len(r.entry.Elements) > 0 {
			return fmt.Sprintf("%s stands in the set %s, but there is no virtual server for it: nobody balances its connections.", start, r.entry.Elements[0].Set.Name)
		}
		return fmt.Sprintf("%s is the Service's, as its object says, but there is no virtual server for it: kube-proxy has not made it yet, or somebody removed it.", start)
	case notOnNode:
		return fmt.Sprintf("%s has a virtual server, but its address is none of the node's: it is missing on %s, so that the kernel sends packets from pods and from outside on instead of to IPVS.", start, kubeproxy.IPVSInterface)
	}
	return fmt.Sprintf("%s has a virtual server, but its address and port stand in none of the sets that %s lets pass, so that it refuses new connections from pods and from outside before IPVS sees them.", start, kubeproxy.IPVSFilterChain)
}

func (r *ipvsDraft) unknownWords(start string) string {
	switch r.why {
	case maybeElse:
		if r.service.b.table == nil {
			return start + " stands in the sets, or in the cluster's objects; what becomes of its connections is in the IPVS table, which was not captured. On the node run ipvsadm-save -n."
		}
		if r.service.b.table.Complete {
			return start + " has no virtual server by number in the text, where others go by names that are not resolved. On the node run ipvsadm-save -n."
		}
		return start + " has no virtual server in the text, which is not the whole IPVS table. On the node run ipvsadm-save -n."
	case openPool:
		return fmt.Sprintf("%s is virtual server %s, but the text does not tell all of its real servers, or not their addresses. On the node run ipvsadm-save -n.", start, r.virtual())
	case maybeLocal:
		return fmt.Sprintf("%s is a virtual server of its own (%s) with fewer real servers than %s: %s. Whether externalTrafficPolicy: Local is the reason cannot be told without the sets. On the node run ipset save.%s",
			start, r.virtual(), r.ownName(), r.differs(), r.guessWords())
	}
	return fmt.Sprintf("%s is a virtual server of its own (%s), which balances over %s%s. Nothing in the input tells which service it is of, so there is no cluster IP to compare it with; the cluster's Services as an input would tell. %s",
		start, r.virtual(), endpoints(r.entry.Endpoints), r.how(), r.source())
}
