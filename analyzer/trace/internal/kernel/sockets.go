//go:build linux

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// sockets are a node's own: what its processes would have.
type sockets struct {
	send4, send6 int // for packets with headers of our own
	// delivered show what the node's processes would get, a socket for each
	// protocol.
	delivered []delivery
	fence     int // on lo, of an Ethernet type that nothing else uses
	loopback  int // index of lo
}

type delivery struct {
	fd       int
	v6       bool
	protocol uint8
}

// fenceType is an Ethernet type for experiments (IEEE 802, "Local Experimental
// Ethertype 1"), in network byte order as sockets want it.
const fenceType = 0xb588

// room is how many bytes of packets a socket keeps until they are read.
const room = 64 << 20

func (s *sockets) open() error {
	var err error
	if s.send4, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("opening a raw socket: %w", err)
	}
	if s.send6, err = unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW); err != nil {
		return fmt.Errorf("opening a raw IPv6 socket: %w", err)
	}
	for _, d := range []delivery{
		{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}, {protocol: ICMP},
		{v6: true, protocol: TCP}, {v6: true, protocol: UDP}, {v6: true, protocol: SCTP}, {v6: true, protocol: ICMPv6},
	} {
		family := unix.AF_INET
		if d.v6 {
			family = unix.AF_INET6
		}
		d.fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, int(d.protocol))
		if err == nil {
			s.delivered = append(s.delivered, d)
			err = unix.SetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room)
		}
		if err == nil && d.v6 { // a raw IPv6 socket gets no IPv6 header
			err = unix.SetsockoptInt(d.fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
		if err != nil {
			return fmt.Errorf("opening a raw socket for protocol %d: %w", d.protocol, err)
		}
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("looking for lo: %w", err)
	}
	s.loopback = lo.Index
	if s.fence, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("opening a packet socket: %w", err)
	}
	if err := unix.Bind(s.fence, &unix.SockaddrLinklayer{Protocol: fenceType, Ifindex: lo.Index}); err != nil {
		return fmt.Errorf("binding a packet socket to lo: %w", err)
	}
	return nil
}

func (s *sockets) close() {
	fds := []int{s.send4, s.send6, s.fence}
	for _, d := range s.delivered {
		fds = append(fds, d.fd)
	}
	for _, fd := range fds {
		if fd > 0 {
			unix.Close(fd)
		}
	}
}

// hops is how often a probe and what comes of it can pass lo one after the
// other: the probe, the answer to it, the answer to that, and one to spare.
const hops = 4

// settle waits until the kernel has handled all packets on their way over lo.
// Those wait in a queue of the CPU, in order; a frame that goes through the
// same queue and passes no hook of netfilter comes out behind them, and behind
// what they made comes the next frame.
func (s *sockets) settle() error {
	frame := []byte("fence")
	for range hops {
		if err := unix.Sendto(s.fence, frame, 0, &unix.SockaddrLinklayer{Protocol: fenceType, Ifindex: s.loopback}); err != nil {
			return fmt.Errorf("sending a fence: %w", err)
		}
		waiting := []unix.PollFd{{Fd: int32(s.fence), Events: unix.POLLIN}}
		for end := time.Now().Add(10 * time.Second); ; {
			ready, err := unix.Poll(waiting, int(time.Until(end).Milliseconds()))
			if ready > 0 {
				break
			}
			if err != nil && !errors.Is(err, unix.EINTR) || time.Now().After(end) {
				return fmt.Errorf("waiting for a fence: %w", errors.Join(err, errors.New("it never came")))
			}
		}
		if _, _, err := unix.Recvfrom(s.fence, make([]byte, len(frame)), 0); err != nil {
			return fmt.Errorf("receiving a fence: %w", err)
		}
	}
	return nil
}

// inject sends a packet as a process of the node does. That the rules refuse
// it is no error.
func (s *sockets) inject(packet []byte, dst netip.Addr) error {
	var err error
	if dst.Is4() {
		err = unix.Sendto(s.send4, packet, 0, &unix.SockaddrInet4{Addr: dst.As4()})
	} else {
		err = unix.Sendto(s.send6, packet, 0, &unix.SockaddrInet6{Addr: dst.As16()})
	}
	if errors.Is(err, unix.EPERM) { // what sendto says of a verdict of drop
		return nil
	}
	return err
}

// read gives each packet that was delivered and has to do with a probe.
func (d delivery) read(buf []byte, see func(sighting)) error {
	oob := make([]byte, 128)
	for {
		n, oobn, _, from, err := unix.Recvmsg(d.fd, buf, oob, 0)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		} else if err != nil {
			return fmt.Errorf("receiving protocol %d: %w", d.protocol, err)
		}
		var s sighting
		ok := false
		if !d.v6 {
			s, ok = parseIP(buf[:n])
		} else if dst, found := packetInfo(oob[:oobn]); found {
			if src, isV6 := from.(*unix.SockaddrInet6); isV6 {
				s, ok = parseTransport(netip.AddrFrom16(src.Addr), dst, d.protocol, buf[:n])
			}
		}
		if ok {
			see(s)
		}
	}
}

// packetInfo is the destination address of a packet that came by a raw IPv6
// socket.
func packetInfo(oob []byte) (netip.Addr, bool) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return netip.Addr{}, false
	}
	for _, m := range messages {
		if m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16 {
			return netip.AddrFrom16([16]byte(m.Data)), true
		}
	}
	return netip.Addr{}, false
}
