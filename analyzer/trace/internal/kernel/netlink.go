//go:build linux

package kernel

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Messages of include/uapi/linux/netfilter/nfnetlink_conntrack.h (enum
// cntl_msg_types) and nfnetlink_acct.h (enum nfnl_acct_msg_types).
const (
	conntrackDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
	acctNew         = unix.NFNL_SUBSYS_ACCT << 8
	ipsetFlush      = unix.NFNL_SUBSYS_IPSET<<8 | 4
)

// acctName is the attribute NFACCT_NAME.
const acctName = 1

// flushConntrack makes the namespace forget all connections.
func flushConntrack() error {
	if err := netfilterRequest(conntrackDelete, 0, nil); err != nil {
		return fmt.Errorf("flushing conntrack: %w", err)
	}
	return nil
}

// addAcct makes an nfacct object: rules that name one are refused without it.
func addAcct(name string) error {
	err := netfilterRequest(acctNew, unix.NLM_F_CREATE, appendText(nil, acctName, name))
	if err != nil && err != unix.EEXIST && err != unix.EBUSY {
		return fmt.Errorf("making nfacct object %q: %w", name, err)
	}
	return nil
}

// Attributes of an ipset message (include/uapi/linux/netfilter/ipset/ip_set.h),
// and the protocol's version.
const (
	ipsetProtocol = 1
	ipsetName     = 2
	ipsetVersion  = 6 // which all kernels understand
)

// flushSet takes all elements out of an ipset.
func flushSet(name string) error {
	attr := binary.NativeEndian.AppendUint16(nil, 5)
	attr = binary.NativeEndian.AppendUint16(attr, ipsetProtocol)
	attr = append(attr, ipsetVersion, 0, 0, 0)
	attr = binary.NativeEndian.AppendUint16(attr, uint16(4+len(name)+1))
	attr = binary.NativeEndian.AppendUint16(attr, ipsetName)
	attr = append(append(attr, name...), 0)
	for len(attr)%4 != 0 {
		attr = append(attr, 0)
	}
	if err := netfilterRequest(ipsetFlush, 0, attr); err != nil {
		return fmt.Errorf("emptying ipset %q: %w", name, err)
	}
	return nil
}

// netfilterRequest sends one request to the calling thread's namespace and
// waits for the kernel's acknowledgement.
func netfilterRequest(message, flags uint16, attrs []byte) error {
	return acknowledged(appendMessage(nil, message, unix.NLM_F_REQUEST|unix.NLM_F_ACK|flags, unix.AF_UNSPEC, 0, attrs))
}

// acknowledged sends messages one of which asks for an acknowledgement, and
// waits for that.
func acknowledged(messages []byte) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, messages, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096)
	got, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if got < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("netlink answered with message type %d, expected an acknowledgement", binary.NativeEndian.Uint16(answer[4:]))
	}
	if code := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
