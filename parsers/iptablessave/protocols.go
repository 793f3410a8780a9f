package iptablessave

import (
	"fmt"

	known "github.com/svcpath/svcpath/parsers/internal/protocol"
)

// protocol reads a protocol's name or number.
func protocol(s string) (uint8, error) {
	if n, ok := known.Number(s); ok {
		return n, nil
	}
	n, err := number8(s)
	if err != nil {
		return 0, fmt.Errorf("%q: expected the name or number of a transport protocol", s)
	}
	return n, nil
}
