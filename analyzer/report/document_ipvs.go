package report

import "github.com/svcpath/svcpath/analyzer/ipvs"

// A docPlace is where something stands in the input.
type docPlace struct {
	File docText `json:"file" yaml:"file"`
	Line int     `json:"line" yaml:"line"`
}

// A docVirtualServer is a virtual server of an entry. What the text does not
// tell is left out.
type docVirtualServer struct {
	Address   docText  `json:"address" yaml:"address"` // with the port
	Scheduler docText  `json:"scheduler,omitempty" yaml:"scheduler,omitempty"`
	Flags     []string `json:"flags,omitempty" yaml:"flags,omitempty"`
	// Sharing is what the scheduler's choice rests on, in words.
	Sharing           string          `json:"sharing" yaml:"sharing"`
	PersistentSeconds uint32          `json:"persistentSeconds,omitempty" yaml:"persistentSeconds,omitempty"`
	RealServers       []docRealServer `json:"realServers" yaml:"realServers"`
}

type docRealServer struct {
	Address docText `json:"address" yaml:"address"` // with the port
	Weight  *uint32 `json:"weight,omitempty" yaml:"weight,omitempty"`
	Method  string  `json:"method,omitempty" yaml:"method,omitempty"`
}

func newDocVirtualServer(v *ipvs.VirtualServer) docVirtualServer {
	d := docVirtualServer{
		Address: newDocText(v.Dial()), Scheduler: newDocText(string(v.Scheduler)), Flags: v.Flags.Words(v.Scheduler),
		Sharing: v.Scheduler.Sharing().String(), RealServers: []docRealServer{},
	}
	if v.Persistence != nil {
		d.PersistentSeconds = uint32(v.Persistence.Timeout.Seconds())
	}
	servers := v.Servers()
	for i := range servers {
		r := &servers[i]
		s := docRealServer{Address: newDocText(r.String()), Method: r.Method.String()}
		if r.WeightKnown {
			s.Weight = &r.Weight
		}
		d.RealServers = append(d.RealServers, s)
	}
	return d
}
