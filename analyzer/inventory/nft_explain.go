package inventory

import (
	"fmt"
	"strings"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An nftReason is what an entry's explanation is made of. Nothing of it changes
// after Build.
type nftReason struct {
	b       *nftReader
	entry   *Entry
	draft   *nftDraft
	journey *nftJourney
	own     *nftJourney // of the cluster IP, nil if the service has none
	clusterIP
}

// Explanation puts the verdict into one or two plain sentences.
func (r *nftReason) Explanation() string {
	e, j := r.entry, r.journey
	dialled := r.dialled()
	start := strings.ToUpper(dialled[:1]) + dialled[1:] // of a sentence
	switch e.Verdict {
	case IsClusterIP:
		return fmt.Sprintf("%s goes to %s, which translates to %s. %s", start, j.decided.Name, j.endpoints(e.Endpoints), sourceKept(e))
	case JoinsClusterIP:
		if r.own == nil {
			return fmt.Sprintf("%s goes to %s, the service's own chain; the element that leads %s there is gone. %s", start, j.decided.Name, r.nameOfClusterIP(), sourceKept(e))
		}
		return fmt.Sprintf("%s goes to %s, the chain that %s goes to%s. %s%s", start, j.decided.Name, r.nameOfClusterIP(), r.neverClusterIP(), sourceKept(e), r.rangesInVain())
	case Filtered:
		return fmt.Sprintf("%s goes to %s, the chain that %s goes to, but only for clients from %s; others are dropped by %s. %s",
			start, j.decided.Name, r.nameOfClusterIP(), prefixes(j.sources), r.nameOfLimiter(), sourceKept(e))
	case LocalEndpoints:
		only := ""
		if len(j.sources) > 0 {
			only = ", and only for clients from " + prefixes(j.sources) + "; others are dropped by " + r.nameOfLimiter()
		}
		return fmt.Sprintf("Under externalTrafficPolicy: Local, %s goes to %s only: %s on this node%s. %s%s", dialled, j.decided.Name, j.endpoints(e.Endpoints), only, sourceKept(e), r.rangesInVain())
	case SameBackends:
		return fmt.Sprintf("%s goes to %s, not to the chain of %s, but both translate to the same endpoints. %s", start, j.decided.Name, r.nameOfClusterIP(), sourceKept(e))
	case DifferentBackends:
		return r.difference(dialled, start)
	case NoEndpoints:
		return r.refusal(dialled)
	case Broken:
		return r.fault(dialled, start)
	}
	return r.unknown(dialled, start)
}

func (r *nftReason) dialled() string { return nameOfEntry(r.entry, r.draft.dial) }

// nameOfLimiter names the rule that drops clients outside the source ranges.
func (r *nftReason) nameOfLimiter() string {
	at := r.journey.limiter
	return fmt.Sprintf("rule %d of %s", at.Number(), at.Chain().Name)
}

// rangesInVain says that source ranges are written down and not heeded:
// kube-proxy 1.29 checks them after translation, by the address before it.
func (r *nftReason) rangesInVain() string {
	if r.b.firewalled[r.draft.dial] && len(r.journey.sources) == 0 && len(r.entry.Service.SourceRanges) > 0 {
		return fmt.Sprintf(" The source ranges %s stand in the rules, but no packet from outside that is translated meets the check.", prefixes(r.entry.Service.SourceRanges))
	}
	return ""
}

func (r *nftReason) difference(dialled, start string) string {
	e, j, own := r.entry, r.journey, r.own
	if j.end == translated {
		taker := j.path[len(j.path)-1]
		return fmt.Sprintf("%s is translated to %s by rule %d of %s, not through the service's chain.", start, j.to, taker.Number(), taker.Chain().Name)
	}
	whose := ""
	if n := r.b.nameOf(j.decided); !r.b.isOwn(e.Service, j.decided) {
		whose = ", which is no chain of this service"
		if n.Kind != kubeproxy.OtherChain && !n.Cut {
			whose = ", the chain of " + n.Port.String()
		}
	}
	if e.Kind == ClusterIP {
		return fmt.Sprintf("%s goes to %s%s, and ends at %s. %s", start, j.decided.Name, whose, j.endpoints(e.Endpoints), sourceKept(e))
	}
	against := "the cluster IP gets none"
	if own != nil && own.end == atBackends && own.backends != nil {
		against = "the cluster IP's are " + difference(own.backends.endpoints, e.Endpoints.List())
		if e.Service.InternalPolicy == Local && whose == "" {
			against = "under internalTrafficPolicy: Local the cluster IP goes to those on this node only (" + own.decided.Name + ")"
		}
	}
	return fmt.Sprintf("%s goes to %s%s, and ends at %s; %s. %s", start, j.decided.Name, whose, j.endpoints(e.Endpoints), against, sourceKept(e))
}

func (r *nftReason) refusal(dialled string) string {
	e := r.entry
	last := e.Path[len(e.Path)-1]
	how := "dropped without an answer"
	if reject, ok := last.Target().(*netfilter.Reject); ok {
		how = "rejected"
		if reject.With != "" {
			how += " (" + reject.With + ")"
		}
	} else {
		policy := "externalTrafficPolicy"
		if e.Kind == ClusterIP {
			policy = "internalTrafficPolicy"
		}
		return fmt.Sprintf("Packets to %s are %s: under %s: Local only endpoints on this node count, and there is none.", dialled, how, policy)
	}
	text := fmt.Sprintf("Packets to %s are %s: the service has no endpoints.", dialled, how)
	if e.KindAssumed && e.Kind != ClusterIP {
		text += " The rules do not tell whether the address is a load balancer's or an external IP."
	}
	return text
}

func (r *nftReason) fault(dialled, start string) string {
	e, d, j := r.entry, r.draft, r.journey
	switch {
	case d.missing != nil:
		return fmt.Sprintf("%s still names %s, but no map has an element for it: packets to it are not translated.", d.missing.Chain().Name, dialled)
	case j.end == dangling:
		return fmt.Sprintf("The way of %s ends at %s: the table has no such chain.", dialled, j.dangles)
	case j.end == looping:
		return fmt.Sprintf("The chains that %s leads to form a circle.", dialled)
	case j.end == atBackends:
		return fmt.Sprintf("%s comes to %s, but nothing there translates to an endpoint.", start, j.decided.Name)
	case j.end == refused:
		last := e.Path[len(e.Path)-1]
		return fmt.Sprintf("Packets to %s are refused by rule %d of %s, not for want of endpoints.", dialled, last.Number(), last.Chain().Name)
	case j.end != fallsThrough:
		return fmt.Sprintf("The way of %s ends without an endpoint.", dialled)
	case len(j.lost) > 0:
		last := j.lost[len(j.lost)-1]
		return fmt.Sprintf("%s is translated to nothing: what rule %d of %s leads to has nothing for clients outside the node, and no rule refuses them.", start, last.Number(), last.Chain().Name)
	}
	return fmt.Sprintf("An element is there for %s, but no rule that packets from outside meet looks it up.", dialled)
}

func (r *nftReason) unknown(dialled, start string) string {
	j := r.journey
	switch {
	case j.open != nil:
		return fmt.Sprintf("Where %s leads rests on a condition that is not understood: rule %d of %s.", dialled, j.open.Number(), j.open.Chain().Name)
	case j.end == atBackends && r.own.ended() != nil && r.own.decided == j.decided && r.b.hidesRanges(r.entry):
		return fmt.Sprintf("%s goes to %s, the chain that %s goes to; the text does not show whether only some clients may.", start, j.decided.Name, r.nameOfClusterIP())
	case j.end == atBackends && r.own.ended() != nil && len(r.entry.Endpoints.List()) > 0:
		return fmt.Sprintf("%s goes to %s; the text does not show all that the cluster IP's way could be compared by.", start, j.decided.Name)
	case j.end == atBackends && j.backends != nil && len(j.backends.endpoints) > 0:
		return fmt.Sprintf("%s goes to %s; the text does not show the cluster IP's element to compare with.", start, j.decided.Name)
	case j.end == dangling:
		return fmt.Sprintf("%s leads to %s, which is not in the text. On the node run nft list ruleset.", start, j.dangles)
	}
	return fmt.Sprintf("The text does not show where %s leads. On the node run nft list ruleset.", dialled)
}

// InCluster says what pods and the node get from the entry, where that differs
// from what others get.
func (r *nftReason) InCluster() string {
	e, b := r.entry, r.b
	if len(r.journey.sources) > 0 && b.firewalled[r.draft.dial] {
		return "Pods and the node itself are bound by the source ranges as well."
	}
	return e.exemptFromLocal()
}
