package report

import "github.com/svcpath/svcpath/analyzer/inventory"

// warmed is how many services are read ahead of.
const warmed = 32

// warm reads a little of services, and of their entries, before they are written
// one by one. In the order in which they are written they lie far apart in a large
// node's memory: one after another, each is waited for; asked for together, they
// are fetched together. Nothing depends on what is read.
func (p *textPrinter) warm(services []*inventory.Service) {
	// One thing of each is read at a time, in short loops: the processor looks
	// ahead a few hundred instructions.
	sum := 0
	for _, s := range services {
		sum += len(s.PortName) + len(s.InternalPolicy) + int(s.HealthCheckNodePort) + len(s.Entries)
	}
	for _, s := range services {
		sum += s.Endpoints.Len()
		for _, e := range s.Entries {
			sum += len(e.Kind) + len(e.Verdict) + len(e.Path) + len(e.Virtual)
		}
	}
	for _, s := range services {
		for _, e := range s.Entries {
			if len(e.Addresses) > 0 {
				sum += e.Addresses[0].Bits()
			}
			if isExternal(e) && len(e.Virtual) > 0 {
				sum += int(e.Virtual[0].Port)
			}
		}
	}
	p.warmth += sum
}
