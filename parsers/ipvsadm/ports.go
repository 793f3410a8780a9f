package ipvsadm

import (
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// Names of ports that "ipvsadm -L" without -n prints in place of their numbers:
// those of well-known services, which have one number with IANA, in Debian's
// /etc/services and in Red Hat's alike. A node may have changed its own, so that
// the number is said to be assumed. Other names are kept as they are.
var (
	bothPorts = map[string]uint16{
		"echo": 7, "discard": 9, "daytime": 13, "time": 37, "domain": 53, "http": 80, "kerberos": 88, "sunrpc": 111,
		"ntp": 123, "snmp": 161, "ldap": 389, "https": 443, "ldaps": 636, "openvpn": 1194, "radius": 1812,
		"nfs": 2049, "sip": 5060, "sip-tls": 5061, "xmpp-client": 5222, "postgresql": 5432, "amqp": 5672, "mdns": 5353,
	}
	tcpPorts = map[string]uint16{
		"ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "pop3": 110, "imap2": 143, "imap": 143, "bgp": 179,
		"submission": 587, "rsync": 873, "ftps": 990, "imaps": 993, "pop3s": 995, "mysql": 3306, "ms-wbt-server": 3389,
		"svn": 3690, "redis": 6379, "http-alt": 8080, "webcache": 8080, "git": 9418,
	}
	udpPorts = map[string]uint16{"bootps": 67, "bootpc": 68, "tftp": 69, "syslog": 514, "snmp-trap": 162}
)

// portOf is the number of a port's name. known is false for a name that may
// stand for different ones.
func portOf(name string, protocol uint8) (port uint16, known bool) {
	own := tcpPorts
	switch protocol {
	case netfilter.TCP:
	case netfilter.UDP:
		own = udpPorts
	default:
		return 0, false
	}
	if port, known = own[name]; known {
		return port, true
	}
	port, known = bothPorts[name]
	return port, known
}

func quote(s string) string { return source.Quote(s) }
