package manifests

// The types below are Kubernetes objects as the API writes them, with the few
// fields that are read. encoding/json takes field names in any case; for YAML
// those in camel case are spelled out. Values that may be damaged are text
// until they are looked at.

type meta struct {
	Name, Namespace text
	Labels          map[string]text
}

// An object is any of the kinds that are read.
type object struct {
	APIVersion text `yaml:"apiVersion"`
	Kind       text
	Metadata   meta
	Spec       spec
	Status     status

	// Of an EndpointSlice.
	AddressType text `yaml:"addressType"`
	Endpoints   []endpoint
	Ports       []port

	// Of an Endpoints object.
	Subsets []subset

	// Of a list that is read as one piece.
	Items []object
}

// A spec is that of a Service or a Node.
type spec struct {
	Type                     text
	ClusterIP                text   `yaml:"clusterIP"`
	ClusterIPs               []text `yaml:"clusterIPs"`
	ExternalIPs              []text `yaml:"externalIPs"`
	LoadBalancerSourceRanges []text `yaml:"loadBalancerSourceRanges"`
	IPFamilies               []text `yaml:"ipFamilies"`
	ExternalTrafficPolicy    text   `yaml:"externalTrafficPolicy"`
	InternalTrafficPolicy    text   `yaml:"internalTrafficPolicy"`
	HealthCheckNodePort      text   `yaml:"healthCheckNodePort"`
	SessionAffinity          text   `yaml:"sessionAffinity"`
	SessionAffinityConfig    struct {
		ClientIP struct {
			TimeoutSeconds text `yaml:"timeoutSeconds"`
		} `yaml:"clientIP"`
	} `yaml:"sessionAffinityConfig"`
	Ports []port

	PodCIDR  text   `yaml:"podCIDR"`
	PodCIDRs []text `yaml:"podCIDRs"`
}

type status struct {
	LoadBalancer struct {
		Ingress []struct {
			IP     text `yaml:"ip"`
			IPMode text `yaml:"ipMode"`
		}
	} `yaml:"loadBalancer"`
	Addresses []struct {
		Type, Address text
	}
}

// A port is one of a Service, of an EndpointSlice or of a subset.
type port struct {
	Name, Protocol, Port text
	NodePort             text `yaml:"nodePort"`
}

type endpoint struct {
	Addresses  []text
	Conditions struct {
		Ready, Serving, Terminating *bool
	}
	NodeName text `yaml:"nodeName"`
	Zone     text
	Hints    struct {
		ForZones []named `yaml:"forZones"`
		ForNodes []named `yaml:"forNodes"`
	}
}

type named struct{ Name text }

type subset struct {
	Addresses         []subsetAddress
	NotReadyAddresses []subsetAddress `yaml:"notReadyAddresses"`
	Ports             []port
}

type subsetAddress struct {
	IP       text `yaml:"ip"`
	NodeName text `yaml:"nodeName"`
}
