// Package kernel asks the running Linux kernel what becomes of packets: it
// loads a dump into a network namespace of its own, sends real packets through
// it and tells of each whether it left, where to and with which source, whether
// the node itself got it, or who refused it. Tests compare package trace with
// it; nothing else may import it.
//
// Every interface of the namespace is a TUN device that the test holds: writing
// to it is a packet that comes in, reading from it is one that left, after
// POSTROUTING. Raw sockets of the namespace show what was delivered locally.
// Each packet carries a number where NAT leaves it alone (the TCP sequence, the
// SCTP initiate tag, the payload of UDP and ICMP), which ICMP errors and TCP
// resets give back. So no endpoint has to answer, and nothing is read from
// conntrack.
package kernel
