// Package redact replaces addresses and names in what was recorded on a node,
// so that it can be shown to others and still be analysed.
//
// Addresses keep which network they lie in: two that share their first n bits
// share n bits of what replaces them. Services get other names, and kube-proxy's
// chains the names that it would give them for those: a hash that fitted its
// comment fits again, and one that did not still does not.
package redact

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"net/netip"

	"github.com/svcpath/svcpath/analyzer/kubeproxy"
	"github.com/svcpath/svcpath/parsers/bundle"
)

// A Key decides what replaces what. Whoever has it can tell which address was
// replaced by which, so it is made for one recording and thrown away.
type Key [sha256.Size]byte

// NewKey makes a key.
func NewKey() (k Key) {
	rand.Read(k[:]) // never fails
	return k
}

// A Redactor replaces addresses and names in the texts of one recording, the
// same by the same in all of them.
type Redactor struct {
	key       Key
	addresses map[netip.Addr]netip.Addr
	names     map[string]string // by kind and name
	comments  map[string]string
	services  map[service]bool // those that comments name

	ports     map[kubeproxy.ServicePort]bool
	endpoints []endpointChain
	hashes    map[kubeproxy.Hash]kubeproxy.Hash // of chain names; nil until all texts were seen

	ranges, opaque int
}

// A service is a Service's namespace and name.
type service struct{ namespace, name string }

// An endpointChain is a KUBE-SEP-… chain whose name fits what its rule says.
type endpointChain struct {
	hash     kubeproxy.Hash
	port     kubeproxy.ServicePort
	protocol string
	endpoint netip.AddrPort
	old      bool // hashed as kube-proxy before 1.16 did
}

// New makes a redactor.
func New(k Key) *Redactor {
	return &Redactor{
		key: k, addresses: map[netip.Addr]netip.Addr{}, names: map[string]string{}, comments: map[string]string{},
		services: map[service]bool{}, ports: map[kubeproxy.ServicePort]bool{},
	}
}

// Report says how much was replaced so far.
func (r *Redactor) Report() bundle.Redaction {
	return bundle.Redaction{
		Addresses: len(r.addresses), Names: len(r.names), Comments: len(r.comments), Ranges: r.ranges, Opaque: r.opaque,
	}
}

// digest is a number that nobody without the key can relate to the text.
func (r *Redactor) digest(kind, text string) [sha256.Size]byte {
	b := make([]byte, 0, len(r.key)+len(kind)+1+len(text))
	b = append(append(append(append(b, r.key[:]...), kind...), 0), text...)
	return sha256.Sum256(b)
}

// nameDigits is how many hexadecimal digits tell replaced names apart.
const nameDigits = 10

// replaced is what stands for a name: its kind and a number.
func (r *Redactor) replaced(kind, name string) string {
	key := kind + "-" + name
	to, ok := r.names[key]
	if !ok {
		sum := r.digest(kind, name)
		to = kind + "-" + hex.EncodeToString(sum[:])[:nameDigits]
		r.names[key] = to
	}
	return to
}

// Host is what stands for the name of a machine.
func (r *Redactor) Host(name string) string {
	if name == "" {
		return ""
	}
	return r.replaced("node", name)
}

// letters are n letters as kube-proxy's hashes have them.
func (r *Redactor) letters(kind, text string, n int) string {
	sum := r.digest(kind, text)
	return base32.StdEncoding.EncodeToString(sum[:])[:n]
}
