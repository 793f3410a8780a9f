package trace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// atLink runs the chains of nftables at a link: those at ingress before all
// other hooks, those at egress behind them. A chain sees what passes the
// devices that it names.
func (w *walk) atLink(h netfilter.Hook, ps []particle) []particle {
	stages := w.family.hooks[h]
	if len(stages) == 0 {
		return ps
	}
	for i, p := range ps {
		ps[i].packet = w.changed(p.packet, func(p *packet) { p.hook = h })
	}
	for _, s := range stages {
		chain := s.chains[0]
		past := []particle{}
		ps = slices.DeleteFunc(ps, func(p particle) bool {
			at := w.packet(p.packet)
			l := at.in
			if h == netfilter.Egress {
				l = at.out
			}
			if sees := l.known && slices.Contains(chain.Base.Devices, l.name); !sees && l.known {
				past = append(past, p)
				return true
			}
			return false
		})
		for i, p := range ps {
			at := w.packet(p.packet)
			if h == netfilter.Ingress && at.in.known || h == netfilter.Egress && at.out.known {
				continue
			}
			by := strings.Join(chain.Base.Devices, ", ")
			through, beside := w.fork(p, fmt.Sprintf("\x00devices %s %s", h, by), question{
				yes: "the packet passes " + by, no: "the packet does not pass " + by,
			})
			ps[i] = through
			if len(beside.mass) > 0 {
				past = append(past, beside)
			}
		}
		ps = append(w.base(chain, ps), past...)
	}
	return ps
}
