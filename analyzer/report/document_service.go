package report

import (
	"strings"

	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
)

type docService struct {
	// The names are left out where nothing in the input names the service;
	// a named service always has all three, "" among them.
	Namespace             *docText             `json:"namespace,omitempty" yaml:"namespace,omitempty"`
	Name                  docText              `json:"name,omitempty" yaml:"name,omitempty"`
	PortName              *docText             `json:"portName,omitempty" yaml:"portName,omitempty"`
	Protocol              string               `json:"protocol" yaml:"protocol"`
	Port                  uint16               `json:"port,omitempty" yaml:"port,omitempty"`
	Family                string               `json:"family" yaml:"family"`
	Types                 []string             `json:"types" yaml:"types"`
	ExternalTrafficPolicy inventory.Policy     `json:"externalTrafficPolicy,omitempty" yaml:"externalTrafficPolicy,omitempty"`
	InternalTrafficPolicy inventory.Policy     `json:"internalTrafficPolicy,omitempty" yaml:"internalTrafficPolicy,omitempty"`
	SessionAffinity       *docAffinity         `json:"sessionAffinity,omitempty" yaml:"sessionAffinity,omitempty"`
	SourceRanges          []string             `json:"sourceRanges,omitempty" yaml:"sourceRanges,omitempty"`
	HealthCheckNodePort   uint16               `json:"healthCheckNodePort,omitempty" yaml:"healthCheckNodePort,omitempty"`
	Chains                *docChains           `json:"chains,omitempty" yaml:"chains,omitempty"`
	GroupingAssumed       bool                 `json:"groupingAssumed,omitempty" yaml:"groupingAssumed,omitempty"`
	Object                *docPlace            `json:"object,omitempty" yaml:"object,omitempty"`
	NameFrom              inventory.NameOrigin `json:"nameFrom,omitempty" yaml:"nameFrom,omitempty"`
	Endpoints             []docEndpoint        `json:"endpoints" yaml:"endpoints"`
	Entries               []docEntry           `json:"entries" yaml:"entries"`
}

type docAffinity struct {
	Type           string `json:"type" yaml:"type"`
	TimeoutSeconds uint32 `json:"timeoutSeconds,omitempty" yaml:"timeoutSeconds,omitempty"`
}

type docChains struct {
	Service  docText `json:"service,omitempty" yaml:"service,omitempty"`
	External docText `json:"external,omitempty" yaml:"external,omitempty"`
	Local    docText `json:"local,omitempty" yaml:"local,omitempty"`
	Firewall docText `json:"firewall,omitempty" yaml:"firewall,omitempty"`
}

type docEndpoint struct {
	Address     string          `json:"address" yaml:"address"`
	Port        uint16          `json:"port" yaml:"port"`
	Probability *float64        `json:"probability,omitempty" yaml:"probability,omitempty"`
	Scope       inventory.Scope `json:"scope,omitempty" yaml:"scope,omitempty"`
}

type docEntry struct {
	Kind            inventory.Kind         `json:"kind" yaml:"kind"`
	KindAssumed     bool                   `json:"kindAssumed,omitempty" yaml:"kindAssumed,omitempty"`
	Addresses       []string               `json:"addresses" yaml:"addresses"`
	ExceptAddresses []string               `json:"exceptAddresses,omitempty" yaml:"exceptAddresses,omitempty"`
	Port            uint16                 `json:"port" yaml:"port"`
	Verdict         inventory.Verdict      `json:"verdict" yaml:"verdict"`
	Masquerade      inventory.Masquerading `json:"masquerade" yaml:"masquerade"`
	Path            []docStep              `json:"path" yaml:"path"`
	Endpoints       []docEndpoint          `json:"endpoints,omitempty" yaml:"endpoints,omitempty"`
	VirtualServers  []docVirtualServer     `json:"virtualServers,omitempty" yaml:"virtualServers,omitempty"`
	Explanation     docText                `json:"explanation" yaml:"explanation"`
	InCluster       docText                `json:"inCluster,omitempty" yaml:"inCluster,omitempty"`
}

// A docStep is a line of an entry's evidence: a rule of its path; in IPVS mode
// also a set's element (table "ipset") or a server (table "ipvs"), in nftables
// mode an element of the map that stands for the chain.
type docStep struct {
	Table docText `json:"table" yaml:"table"`
	Chain docText `json:"chain" yaml:"chain"`
	File  docText `json:"file" yaml:"file"`
	Line  int     `json:"line" yaml:"line"`
	Rule  docText `json:"rule" yaml:"rule"`
}

func newDocService(s *inventory.Service) docService {
	d := docService{
		Name:     newDocText(s.Name),
		Protocol: netfilter.ProtocolName(s.Protocol), Port: s.Port, Family: s.Family.String(),
		Types:                 s.Types.Names(),
		ExternalTrafficPolicy: s.ExternalPolicy, InternalTrafficPolicy: s.InternalPolicy,
		SourceRanges: prefixStrings(s.SourceRanges), HealthCheckNodePort: s.HealthCheckNodePort,
		Chains:    newDocChains(s.Chains),
		Endpoints: docEndpoints(s.Endpoints, true),
		Entries:   []docEntry{},
	}
	if s.Name != "" {
		namespace, portName := newDocText(s.Namespace), newDocText(s.PortName)
		d.Namespace, d.PortName = &namespace, &portName
	}
	d.GroupingAssumed = s.Guessed
	d.NameFrom = s.NameFrom
	if s.Object != nil {
		d.Object = &docPlace{File: newDocText(s.Object.Pos.Path()), Line: s.Object.Pos.Line}
	}
	if s.Affinity != nil {
		d.SessionAffinity = &docAffinity{Type: "ClientIP", TimeoutSeconds: s.Affinity.TimeoutSeconds}
	}
	var memo docEndpointsMemo
	for _, e := range s.Entries {
		d.Entries = append(d.Entries, newDocEntry(e, &memo))
	}
	return d
}

func newDocChains(c inventory.Chains) *docChains {
	if c == (inventory.Chains{}) {
		return nil
	}
	name := func(c *netfilter.Chain) docText {
		if c == nil {
			return ""
		}
		return newDocText(c.Name)
	}
	return &docChains{Service: name(c.Service), External: name(c.External), Local: name(c.Local), Firewall: name(c.Firewall)}
}

// docEndpoints are endpoints, those of a service with their scopes.
func docEndpoints(endpoints inventory.Endpoints, scoped bool) []docEndpoint {
	d := make([]docEndpoint, endpoints.Len())
	shares := make([]float64, endpoints.Len())
	for i, e := range endpoints.All() {
		d[i] = docEndpoint{Address: e.Addr.Addr().String(), Port: e.Addr.Port()}
		if e.Probability != nil {
			shares[i] = e.Probability.Float64() // the nearest there is
			d[i].Probability = &shares[i]
		}
		if scoped {
			d[i].Scope = e.Scope
		}
	}
	return d
}

// A docEndpointsMemo keeps the last list of an entry's endpoints: entries of a
// service share theirs.
type docEndpointsMemo struct {
	of   inventory.Endpoints
	last []docEndpoint
}

func (m *docEndpointsMemo) endpoints(of inventory.Endpoints) []docEndpoint {
	if of == (inventory.Endpoints{}) || of != m.of {
		m.of, m.last = of, docEndpoints(of, false)
	}
	return m.last
}

func newDocEntry(e *inventory.Entry, memo *docEndpointsMemo) docEntry {
	d := docEntry{
		Kind: e.Kind, KindAssumed: e.KindAssumed,
		Addresses: []string{}, ExceptAddresses: prefixStrings(e.ExceptAddresses),
		Port: e.Port, Verdict: e.Verdict, Masquerade: e.Masquerade,
		Path: []docStep{}, Endpoints: memo.endpoints(e.Endpoints),
		Explanation: newDocText(e.Explanation()), InCluster: newDocText(e.InCluster()),
	}
	for _, p := range e.Addresses {
		// A node port listens on ranges of addresses, the others are dialled
		// at one.
		if e.Kind == inventory.NodePort {
			d.Addresses = append(d.Addresses, p.String())
		} else {
			d.Addresses = append(d.Addresses, p.Addr().String())
		}
	}
	for _, l := range e.Lines() {
		d.Path = append(d.Path, docStep{
			Table: newDocText(l.In[0]), Chain: newDocText(l.In[1]),
			File: newDocText(l.Pos.Path()), Line: l.Pos.Line, Rule: newDocText(strings.TrimSpace(l.Text)),
		})
	}
	for _, v := range e.Virtual {
		d.VirtualServers = append(d.VirtualServers, newDocVirtualServer(v))
	}
	return d
}
