// Package kubeproxy holds what kube-proxy means by what it writes: the hashes
// in its chain names, the grammar of its comments, the shapes of its chains.
// One file a mode. It reads the model and never text of a dump; what it says
// of comments are the comments' claims.
package kubeproxy

// A Mode is the way in which a node's kube-proxy programs the kernel.
type Mode string

// The modes, as kube-proxy's own configuration names them.
const (
	IPTables  Mode = "iptables"
	IPVS      Mode = "ipvs"
	NFTables  Mode = "nftables"
	Userspace Mode = "userspace"
	NoMode    Mode = "none"  // no sign of kube-proxy, although nat was captured whole
	Mixed     Mode = "mixed" // signs of more than one
	// UnknownMode means that what was captured does not tell.
	UnknownMode Mode = "unknown"
)
