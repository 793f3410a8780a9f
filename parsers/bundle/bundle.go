// Package bundle knows the manifest of a bundle: what "svcpath capture" recorded
// on a node, with which commands, and what it could not record.
package bundle

import (
	"bytes"
	"encoding/json"
	"time"
)

// ManifestName is the manifest's name in its bundle. Whoever reads a bundle
// tells the manifest by its content, like every other file.
const ManifestName = "manifest.json"

// What a manifest says of itself in its first two fields.
const (
	APIVersion = "svcpath/v1"
	Kind       = "Bundle"
)

// A Manifest says what a bundle holds and how that was recorded.
type Manifest struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Time       time.Time  `json:"time"`     // when the recording began
	Recorder   string     `json:"recorder"` // which svcpath recorded it
	Host       Host       `json:"host"`
	Redaction  *Redaction `json:"redaction,omitempty"` // nil when nothing was replaced
	Tools      []Tool     `json:"tools"`
	Records    []Record   `json:"records"`
}

// A Host is the machine that was recorded. What it did not tell is left out.
type Host struct {
	Hostname string `json:"hostname,omitempty"`
	Kernel   string `json:"kernel,omitempty"` // /proc/sys/kernel/osrelease
	OS       string `json:"os,omitempty"`     // PRETTY_NAME of /etc/os-release
	Platform string `json:"platform"`         // "linux/amd64"
	UserID   int    `json:"userID"`           // of the recording process; 0 is root
	// NetworkNamespace is the one that was recorded. Unless it is that of the
	// machine's first process, the rules may be those of a container.
	NetworkNamespace string `json:"networkNamespace,omitempty"`
	FirstNamespace   string `json:"firstNamespace,omitempty"`
	// KubeProxyMode is what kube-proxy answers at /proxyMode.
	KubeProxyMode string            `json:"kubeProxyMode,omitempty"`
	Sysctls       map[string]string `json:"sysctls,omitempty"`
	// IPTables has up to one of each family.
	IPTables []IPTables `json:"iptables,omitempty"`
}

// An IPTables is the iptables that the node's own programs use, for one family.
// A node can have the other back end's beside it, under another name.
type IPTables struct {
	Family  string `json:"family"` // "IPv4" or "IPv6"
	Path    string `json:"path"`
	Version string `json:"version"` // "1.8.9"
	// Backend is the one that it writes to: "legacy" or "nft".
	Backend string `json:"backend"`
	// RandomFully says that it knows MASQUERADE's --random-fully, which
	// kube-proxy writes wherever it can.
	RandomFully bool `json:"randomFully"`
}

// A Tool is a program that was asked for its version.
type Tool struct {
	Name    string `json:"name"`
	Path    string `json:"path,omitempty"` // left out when there is none
	Version string `json:"version,omitempty"`
	Error   string `json:"error,omitempty"`
}

// A Redaction says what was replaced, and what replacing could not keep.
type Redaction struct {
	Addresses int `json:"addresses"` // how many different ones
	Names     int `json:"names"`     // of services and their parts, of hosts
	Comments  int `json:"comments"`  // whose text names no service
	// Ranges counts ranges of addresses that are no network. Their ends were
	// replaced; what lies between them is not what lay there before.
	Ranges int `json:"ranges"`
	// Opaque counts lines that may hold addresses in a form that is not
	// looked into: -m u32, -m bpf, raw payload.
	Opaque int `json:"opaque"`
}

// A Status says what became of a record.
type Status string

// The statuses.
const (
	Recorded  Status = "recorded"
	Empty     Status = "empty"     // it worked, and there was nothing
	Absent    Status = "absent"    // no such program, or the kernel has no such thing
	Forbidden Status = "forbidden" // it takes more rights than the process had
	Failed    Status = "failed"
	Skipped   Status = "skipped" // another record holds the same
)

// A Record is one thing that was to be recorded.
type Record struct {
	File    string `json:"file,omitempty"` // in the bundle; left out when nothing was kept
	What    string `json:"what"`
	Command string `json:"command"`        // or what was read: "read /proc/net/ip_vs"
	Path    string `json:"path,omitempty"` // of the program
	Status  Status `json:"status"`
	// ExitStatus is the command's; nil when none was run to its end.
	ExitStatus *int   `json:"exitStatus,omitempty"`
	Error      string `json:"error,omitempty"`  // why the status is what it is
	Stderr     string `json:"stderr,omitempty"` // its beginning
	Bytes      int    `json:"bytes,omitempty"`
	// Truncated says that the file holds the beginning only.
	Truncated    bool  `json:"truncated,omitempty"`
	Milliseconds int64 `json:"milliseconds"`
}

// Encode is the manifest as its file holds it.
func (m *Manifest) Encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(m)
	return b.Bytes(), err
}
