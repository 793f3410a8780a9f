package ipsetsave

import (
	"errors"
	"strconv"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
)

// An icmpName is ipset's name for a type and code. The first of several for one
// type and code is the one that it prints.
type icmpName struct {
	name      string
	typ, code uint8
}

// icmpNames are ipset's (lib/icmp.c); "ipset help hash:ip,port" lists them.
var icmpNames = []icmpName{
	{"echo-reply", 0, 0}, {"pong", 0, 0},
	{"network-unreachable", 3, 0}, {"host-unreachable", 3, 1}, {"protocol-unreachable", 3, 2}, {"port-unreachable", 3, 3},
	{"fragmentation-needed", 3, 4}, {"source-route-failed", 3, 5}, {"network-unknown", 3, 6}, {"host-unknown", 3, 7},
	{"network-prohibited", 3, 9}, {"host-prohibited", 3, 10}, {"TOS-network-unreachable", 3, 11}, {"TOS-host-unreachable", 3, 12},
	{"communication-prohibited", 3, 13}, {"host-precedence-violation", 3, 14}, {"precedence-cutoff", 3, 15},
	{"source-quench", 4, 0},
	{"network-redirect", 5, 0}, {"host-redirect", 5, 1}, {"TOS-network-redirect", 5, 2}, {"TOS-host-redirect", 5, 3},
	{"echo-request", 8, 0}, {"ping", 8, 0}, {"router-advertisement", 9, 0}, {"router-solicitation", 10, 0},
	{"ttl-zero-during-transit", 11, 0}, {"ttl-zero-during-reassembly", 11, 1},
	{"ip-header-bad", 12, 0}, {"required-option-missing", 12, 1},
	{"timestamp-request", 13, 0}, {"timestamp-reply", 14, 0}, {"address-mask-request", 17, 0}, {"address-mask-reply", 18, 0},
}

// icmp6Names are ipset's (lib/icmpv6.c).
var icmp6Names = []icmpName{
	{"no-route", 1, 0}, {"communication-prohibited", 1, 1}, {"address-unreachable", 1, 3}, {"port-unreachable", 1, 4},
	{"packet-too-big", 2, 0}, {"ttl-zero-during-transit", 3, 0}, {"ttl-zero-during-reassembly", 3, 1},
	{"bad-header", 4, 0}, {"unknown-header-type", 4, 1}, {"unknown-option", 4, 2},
	{"echo-request", 128, 0}, {"ping", 128, 0}, {"echo-reply", 129, 0}, {"pong", 129, 0},
	{"router-solicitation", 133, 0}, {"router-advertisement", 134, 0},
	{"neighbour-solicitation", 135, 0}, {"neigbour-solicitation", 135, 0},
	{"neighbour-advertisement", 136, 0}, {"neigbour-advertisement", 136, 0}, {"redirect", 137, 0},
}

func icmpNamesOf(protocol uint8) []icmpName {
	if protocol == netfilter.ICMP {
		return icmpNames
	}
	return icmp6Names
}

// icmpOf reads a type and code: a name, or "3/1". They make up the port that
// the kernel compares (ip_set_getport.c, get_port).
func icmpOf(protocol uint8, word string) (netfilter.PortRange, error) {
	for _, n := range icmpNamesOf(protocol) {
		if n.name == word {
			return icmpPort(n.typ, n.code), nil
		}
	}
	typ, code, has := strings.Cut(word, "/")
	t, errT := strconv.ParseUint(typ, 10, 8)
	c, errC := strconv.ParseUint(code, 10, 8)
	if !has || errT != nil || errC != nil {
		return netfilter.PortRange{}, errors.New("a name of ipset's for a type and code of ICMP, or TYPE/CODE")
	}
	return icmpPort(uint8(t), uint8(c)), nil
}

func icmpPort(typ, code uint8) netfilter.PortRange {
	port := uint16(typ)<<8 | uint16(code)
	return netfilter.PortRange{First: port, Last: port}
}

// icmpText is a type and code as ipset prints them.
func icmpText(protocol uint8, port uint16) string {
	for _, n := range icmpNamesOf(protocol) {
		if icmpPort(n.typ, n.code).First == port {
			return n.name
		}
	}
	return strconv.Itoa(int(port>>8)) + "/" + strconv.Itoa(int(port&0xff))
}
