//go:build !linux

package record

import (
	"fmt"
	"runtime"
)

// Here says why this machine cannot be recorded.
func Here() (Machine, error) {
	return nil, fmt.Errorf("%s has none of what is recorded, which is the packet filter of Linux: run svcpath capture on the node itself", runtime.GOOS)
}
