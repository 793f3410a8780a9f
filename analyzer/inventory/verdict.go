package inventory

// isPart reports whether the text may lack some of the endpoints that a journey
// ends at, or does not show where it ends.
func (o *outcome) isPart() bool {
	return o == nil || o.end != atBackends || o.backends == nil || o.backends.part || len(o.backends.endpoints) == 0
}

// An arrival is what is known of a chain that deals connections out to endpoints,
// seen from an entry whose packets come to it.
type arrival struct {
	isOwn     bool // it is one of the service's own
	isService bool // it is one with all endpoints of a service
	isLocal   bool // it is one with those on this node, for clients from outside
	isWhole   bool // its table was captured whole
}

// verdict is that of the entry, whose packets end at that chain's endpoints. own
// is how those to the service's cluster IP end, nil if the input does not show.
func (a arrival) verdict(kind Kind, j, own *outcome) Verdict {
	switch {
	case kind == ClusterIP && a.isOwn:
		return IsClusterIP
	case kind == ClusterIP:
		return DifferentBackends
	case a.isLocal && a.isOwn:
		return LocalEndpoints
	case own != nil && own.end == atBackends && own.decided == j.decided:
		if len(j.sources) > 0 {
			return Filtered
		}
		return JoinsClusterIP
	case own == nil && a.isOwn:
		// The input shows the entry and its service chain, and no cluster IP's
		// entry. Missing from a part of the table is not missing on the node;
		// where the whole lacks the cluster IP's, the chain is its still.
		if a.isWhole && a.isService {
			return JoinsClusterIP
		}
		return Unknown
	case !a.isWhole && (j.isPart() || own.isPart()):
		return Unknown // what there is to compare may be in the rest of the table
	case own != nil && own.end == atBackends && own.backends != nil && sameEndpoints(own.backends.endpoints, j.backends.endpoints):
		return SameBackends
	}
	return DifferentBackends
}
