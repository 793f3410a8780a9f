//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

const (
	// batch is how many probes are on their way before anything is read.
	batch = 1024
	// stride is the distance between the numbers of two probes: a TCP reset
	// adds the packet's length to the number.
	stride = 2048
	// firstNumber keeps probes' numbers apart from what other packets have
	// in their place.
	firstNumber = 1 << 24
	// Source ports of probes that name none.
	firstPort, lastPort = 32768, 60999
)

// A client is what no two connections may share that conntrack knows at once:
// if both were translated to one destination, the kernel would give one of them
// another source port.
type client struct {
	protocol uint8
	source   netip.AddrPort
}

// Send sends the probes, in order, and tells what became of each. No probe
// sees anything of those before it: each is the first packet of a connection
// that conntrack does not know, and of a client that no list of recent
// addresses knows, and no set that rules fill (see Probe.Fills).
func (n *Node) Send(probes []Probe) ([]Fate, error) {
	fates := make([]Fate, len(probes))
	err := n.do(func() error {
		for first := 0; first < len(probes); {
			last, err := n.sendBatch(probes, fates, first)
			if err != nil {
				return err
			}
			first = last
		}
		return nil
	})
	return fates, err
}

// sendBatch sends probes from the first on, as many as go at once, and fills
// in their fates. It gives the first one that was not sent.
func (n *Node) sendBatch(probes []Probe, fates []Fate, first int) (last int, err error) {
	if n.known+batch > lastPort-firstPort || n.fixed {
		if err := flushConntrack(); err != nil {
			return 0, err
		}
		n.known, n.fixed = 0, false
	}
	base := n.number
	sent := map[client]bool{}
	var packet []byte
	for last = first; last < len(probes) && last < first+batch; last++ {
		p := &probes[last]
		port := p.Source.Port()
		if port == 0 {
			port = n.nextPort()
		} else {
			c := client{p.Protocol, p.Source}
			if sent[c] {
				break // the next batch begins with an empty conntrack
			}
			sent[c], n.fixed = true, true
		}
		if n.alone && last > first {
			if err := flushConntrack(); err != nil {
				return 0, err
			}
		}
		if err := errors.Join(n.emptyRecents(), n.emptyIPSets()); err != nil {
			return 0, err
		}
		if n.fresh || p.Alone || n.fillers[p.Source.Addr()] {
			if err := n.emptySets(); err != nil {
				return 0, err
			}
			n.fresh, n.fillers = false, map[netip.Addr]bool{}
		}
		if p.Fills {
			n.fillers[p.Source.Addr()] = true
		}
		packet = appendPacket(packet[:0], p, port, n.number)
		n.number += stride
		n.known++
		if err := n.write(p, packet); err != nil {
			return 0, fmt.Errorf("sending a probe from %v to %v: %w", p.Source, p.Destination, err)
		}
	}
	return last, n.collect(probes[first:last], fates[first:last], base)
}

func (n *Node) nextPort() uint16 {
	port := n.port
	if n.port++; n.port > lastPort {
		n.port = firstPort
	}
	return port
}

func (n *Node) write(p *Probe, packet []byte) error {
	if p.In == "" {
		return n.inject(packet, p.Destination.Addr())
	}
	i, ok := n.byName[p.In]
	if !ok {
		return fmt.Errorf("the node has no interface %q", p.In)
	}
	_, err := unix.Write(n.tuns[i].fd, packet)
	return err
}

// collect reads all that came of a batch of probes, the first of which has the
// number base.
func (n *Node) collect(probes []Probe, fates []Fate, base uint32) error {
	if err := n.settle(); err != nil {
		return err
	}
	see := func(s sighting, kind Kind, dev string) {
		if s.isReset(probes, base) {
			s.number, s.reject = s.reset, "tcp-reset"
		}
		i := (s.number - base) / stride
		if i >= uint32(len(fates)) {
			return // of an earlier batch, or no probe's
		}
		f := &fates[i]
		switch {
		case s.reject == "":
			*f = Fate{
				Kind: kind, Source: s.src, Destination: s.dst, Interface: dev,
				Masqueraded: s.src.Addr() != probes[i].Source.Addr(),
			}
		case f.Kind == Lost: // else it is the node's answer to what was delivered
			*f = Fate{Kind: Rejected, Reject: s.reject}
		}
	}
	buf := make([]byte, 1<<16)
	for _, d := range n.delivered {
		if err := d.read(buf, func(s sighting) { see(s, Delivered, "") }); err != nil {
			return err
		}
	}
	for _, t := range n.tuns {
		for {
			size, err := unix.Read(t.fd, buf)
			if errors.Is(err, unix.EAGAIN) {
				break
			} else if err != nil {
				return fmt.Errorf("reading what left by %s: %w", t.name, err)
			}
			if s, ok := parseIP(buf[:size]); ok {
				see(s, Forwarded, t.name)
			}
		}
	}
	return nil
}

// isReset tells a TCP reset from a probe that has the flag itself.
func (s *sighting) isReset(probes []Probe, base uint32) bool {
	if !s.hasRST {
		return false
	}
	i := (s.number - base) / stride
	return i >= uint32(len(probes)) || probes[i].TCPFlags&RST == 0
}
