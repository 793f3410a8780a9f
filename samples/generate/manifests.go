package generate

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// WriteManifests writes the Services and EndpointSlices that kube-proxy was
// told of, as YAML documents. The error is the writer's.
func (n *Node) WriteManifests(w io.Writer) error {
	out := bufio.NewWriter(w)
	for _, s := range n.services {
		s.writeService(out)
		s.writeSlice(out)
	}
	return out.Flush()
}

func (s *service) writeService(out *bufio.Writer) {
	kind := "ClusterIP"
	switch {
	case s.balancer.IsValid():
		kind = "LoadBalancer"
	case s.nodePort != 0:
		kind = "NodePort"
	}
	fmt.Fprintf(out, "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  type: %s\n", s.name, s.namespace, kind)
	fmt.Fprintf(out, "  clusterIP: %s\n  clusterIPs: [%s]\n  ipFamilies: [IPv4]\n  internalTrafficPolicy: Cluster\n", s.clusterIP, s.clusterIP)
	if s.isExternal() {
		policy := "Cluster"
		if s.local {
			policy = "Local"
		}
		fmt.Fprintf(out, "  externalTrafficPolicy: %s\n", policy)
	}
	if s.healthPort != 0 {
		fmt.Fprintf(out, "  healthCheckNodePort: %d\n", s.healthPort)
	}
	if s.external.IsValid() {
		fmt.Fprintf(out, "  externalIPs: [%s]\n", s.external)
	}
	if s.ranges {
		fmt.Fprintf(out, "  loadBalancerSourceRanges: [%s]\n", sourceRange)
	}
	if s.affinity {
		fmt.Fprintf(out, "  sessionAffinity: ClientIP\n  sessionAffinityConfig: {clientIP: {timeoutSeconds: %d}}\n", affinityTime)
	}
	fmt.Fprintf(out, "  ports:\n  - {name: %q, protocol: %s, port: %d, targetPort: %d", s.portName, strings.ToUpper(s.protocol()), s.port, s.targetPort)
	if s.nodePort != 0 {
		fmt.Fprintf(out, ", nodePort: %d", s.nodePort)
	}
	out.WriteString("}\nstatus:\n")
	if s.balancer.IsValid() {
		fmt.Fprintf(out, "  loadBalancer: {ingress: [{ip: %s}]}\n", s.balancer)
	} else {
		out.WriteString("  loadBalancer: {}\n")
	}
}

func (s *service) writeSlice(out *bufio.Writer) {
	fmt.Fprintf(out, "---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: %s-1\n  namespace: %s\n  labels:\n    kubernetes.io/service-name: %s\naddressType: IPv4\n", s.name, s.namespace, s.name)
	fmt.Fprintf(out, "ports:\n- {name: %q, protocol: %s, port: %d}\nendpoints:", s.portName, strings.ToUpper(s.protocol()), s.targetPort)
	for _, e := range s.endpoints {
		node := "worker-2"
		if e.local {
			node = nodeName
		}
		fmt.Fprintf(out, "\n- {addresses: [%s], conditions: {ready: true, serving: true, terminating: false}, nodeName: %s}", e.addr.Addr(), node)
	}
	if len(s.endpoints) == 0 {
		out.WriteString(" []")
	}
	out.WriteByte('\n')
}
