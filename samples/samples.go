// Package samples holds recordings of real nodes that are shipped inside the
// binary: each a directory of dumps, the cluster objects behind them, and a
// README.md that says what there is to see.
package samples

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed ipvs-fault-nodeport-drift ipvs-myth2-loadbalancer ipvs-service-zoo myth2-loadbalancer nftables-service-zoo service-zoo
var files embed.FS

// A Sample is a recording of one node.
type Sample struct {
	Name    string // its directory; what stands after "sample:" on the command line
	Title   string // a few words
	Summary string // one or two sentences
}

var all = []Sample{
	{
		Name:  "ipvs-fault-nodeport-drift",
		Title: "IPVS mode: a node port whose real servers are not its service's",
		Summary: "The node of ipvs-service-zoo, where one virtual server of a node port lacks an endpoint " +
			"and has an address that is none.",
	},
	{
		Name:  "ipvs-myth2-loadbalancer",
		Title: "IPVS mode: a LoadBalancer service that has no load balancer yet",
		Summary: "The service of myth2-loadbalancer in IPVS mode: node port and cluster IP are virtual servers " +
			"that have nothing in common but their real servers.",
	},
	{
		Name:  "ipvs-service-zoo",
		Title: "IPVS mode: most kinds of Service",
		Summary: "27 services in IPVS mode, where a path is spread over iptables, ipsets, the IPVS table " +
			"and the addresses of kube-ipvs0.",
	},
	{
		Name:  "myth2-loadbalancer",
		Title: "a LoadBalancer service that has no load balancer yet",
		Summary: "One LoadBalancer service without a load-balancer address, node port 32000. " +
			"Shows how the node port joins the chain of the cluster IP without ever taking its address.",
	},
	{
		Name:  "nftables-service-zoo",
		Title: "nftables mode: one of every kind of Service",
		Summary: "The 72 services of service-zoo with kube-proxy in nftables mode: services are elements of maps, " +
			"and their chains bear their names.",
	},
	{
		Name:  "service-zoo",
		Title: "one of every kind of Service",
		Summary: "72 services: every type, traffic policy, affinity, source range, protocol and family " +
			"that makes kube-proxy write different rules.",
	},
}

// List is all samples, by name. The caller may change the slice.
func List() []Sample { return append([]Sample(nil), all...) }

// Open gives the files of a sample. The error for an unknown name lists the
// names that there are.
func Open(name string) (fs.FS, error) {
	names := make([]string, len(all))
	for i, s := range all {
		if s.Name == name {
			return fs.Sub(files, name)
		}
		names[i] = s.Name
	}
	return nil, fmt.Errorf("no sample is named %q: there are %s", name, strings.Join(names, ", "))
}
