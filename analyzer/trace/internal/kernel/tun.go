//go:build linux

package kernel

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// tunQueue is how many packets a device keeps until they are read. A batch of
// probes makes at most two packets a probe: the probe itself and an answer.
const tunQueue = 4 * batch

// A tun is a network device whose other end this process holds.
type tun struct {
	name string
	fd   int
}

// openTun makes the device in the calling thread's namespace. It lives until
// the file is closed.
func openTun(name string) (tun, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return tun{}, fmt.Errorf("opening /dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		// Without IFF_NAPI the kernel takes a packet through all hooks before
		// write returns (drivers/net/tun.c, tun_get_user).
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return tun{}, fmt.Errorf("making device %s: %w", name, err)
	}
	return tun{name, fd}, nil
}
