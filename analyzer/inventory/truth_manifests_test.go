package inventory_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// A recording is what stands beside a dump: what kube-proxy was told. It knows
// nothing of packet filter rules.
type recording struct {
	release  release
	config   proxyConfig
	node     node
	services []service
	slices   []endpointSlice
	// addresses are those of the node's interfaces.
	addresses []netip.Addr
	// fault names the edit that was made to the rules afterwards, "" for none.
	fault string
}

// The types below hold the few fields that kube-proxy goes by, named as in the
// manifests.

type objectMeta struct {
	Name, Namespace     string
	Labels, Annotations map[string]string
}

type service struct {
	Metadata objectMeta
	Spec     struct {
		Type                     string
		ClusterIP                string   `yaml:"clusterIP"`
		ClusterIPs               []string `yaml:"clusterIPs"`
		ExternalIPs              []string `yaml:"externalIPs"`
		LoadBalancerSourceRanges []string `yaml:"loadBalancerSourceRanges"`
		ExternalTrafficPolicy    string   `yaml:"externalTrafficPolicy"`
		InternalTrafficPolicy    string   `yaml:"internalTrafficPolicy"`
		HealthCheckNodePort      uint16   `yaml:"healthCheckNodePort"`
		SessionAffinity          string   `yaml:"sessionAffinity"`
		SessionAffinityConfig    struct {
			ClientIP struct {
				TimeoutSeconds uint32 `yaml:"timeoutSeconds"`
			} `yaml:"clientIP"`
		} `yaml:"sessionAffinityConfig"`
		Ports []servicePort
	}
	Status struct {
		LoadBalancer struct {
			Ingress []struct {
				IP     string
				IPMode string `yaml:"ipMode"`
			}
		} `yaml:"loadBalancer"`
	}
}

type servicePort struct {
	Name, Protocol string
	Port           uint16
	NodePort       uint16 `yaml:"nodePort"`
}

type endpointSlice struct {
	Metadata    objectMeta
	AddressType string `yaml:"addressType"`
	Endpoints   []struct {
		Addresses  []string
		Conditions struct{ Ready, Serving, Terminating *bool }
		NodeName   string `yaml:"nodeName"`
		Hints      struct {
			ForZones []struct{ Name string } `yaml:"forZones"`
			ForNodes []struct{ Name string } `yaml:"forNodes"`
		}
	}
	Ports []struct {
		Name, Protocol string
		Port           uint16
	}
}

type node struct {
	Metadata objectMeta
	Spec     struct {
		PodCIDRs []string `yaml:"podCIDRs"`
	}
	Status struct {
		Addresses []struct{ Type, Address string }
	}
}

type proxyConfig struct {
	Mode            string
	ClusterCIDR     string `yaml:"clusterCIDR"`
	DetectLocalMode string `yaml:"detectLocalMode"`
	DetectLocal     struct {
		BridgeInterface     string `yaml:"bridgeInterface"`
		InterfaceNamePrefix string `yaml:"interfaceNamePrefix"`
	} `yaml:"detectLocal"`
	NodePortAddresses []string `yaml:"nodePortAddresses"`
	IPTables          struct {
		MasqueradeAll      bool  `yaml:"masqueradeAll"`
		LocalhostNodePorts *bool `yaml:"localhostNodePorts"`
	} `yaml:"iptables"`
	NFTables struct {
		MasqueradeAll bool `yaml:"masqueradeAll"`
	} `yaml:"nftables"`
	FeatureGates map[string]bool `yaml:"featureGates"`
}

// samplesDir holds the recordings that come with the project.
var samplesDir = filepath.Join("..", "..", "samples")

// recordingDirs lists the directories with a dump of kube-proxy's iptables mode
// and what it was told. SVCPATH_RECORDINGS names a directory with more of them.
func recordingDirs(t *testing.T) []string {
	t.Helper()
	parents := []string{samplesDir, filepath.Join(samplesDir, "testdata", "recordings")}
	if more := os.Getenv("SVCPATH_RECORDINGS"); more != "" {
		parents = append(parents, more)
	}
	var dirs []string
	for _, parent := range parents {
		configs, err := filepath.Glob(filepath.Join(parent, "*", "kube-proxy-config.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, path := range configs {
			var config proxyConfig
			readYAML(t, path, &config)
			if config.Mode == "" || config.Mode == "iptables" {
				dirs = append(dirs, filepath.Dir(path))
				found++
			}
		}
		if found == 0 {
			t.Fatalf("%s holds no recording of kube-proxy's iptables mode", parent)
		}
	}
	return dirs
}

// readRecording reads all that a directory holds except for the dumps.
func readRecording(t *testing.T, dir string) *recording {
	t.Helper()
	r := new(recording)
	readYAML(t, filepath.Join(dir, "kube-proxy-config.yaml"), &r.config)
	r.release = release{minor: readMinor(t, filepath.Join(dir, "README.md")), gates: r.config.FeatureGates}

	// One cluster was recorded under many circumstances; its manifests are kept
	// once (samples/testdata/README.md).
	manifests := filepath.Join(dir, "manifests.yaml")
	if _, err := os.Stat(manifests); errors.Is(err, os.ErrNotExist) {
		manifests = filepath.Join(samplesDir, "service-zoo", "manifests.yaml")
	}
	if err := r.addObjects(readFile(t, manifests)); err != nil {
		t.Fatalf("%s: %v", manifests, err)
	}
	if err := r.addObjects(readFile(t, filepath.Join(dir, "node.yaml"))); err != nil {
		t.Fatalf("%s/node.yaml: %v", dir, err)
	}

	for line := range strings.Lines(string(readFile(t, filepath.Join(dir, "ip-addr.txt")))) {
		if words := strings.Fields(line); len(words) > 1 && (words[0] == "inet" || words[0] == "inet6") {
			r.addresses = append(r.addresses, netip.MustParsePrefix(words[1]).Addr())
		}
	}

	if path := filepath.Join(dir, "truth.yaml"); fileExists(path) {
		var truth struct{ Fault string }
		readYAML(t, path, &truth)
		r.fault = truth.Fault
	}
	return r
}

// addObjects takes the Services, EndpointSlices and the Node of a multi-document
// YAML text; it leaves other kinds.
func (r *recording) addObjects(text []byte) error {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var head struct{ Kind string }
		if err := document.Decode(&head); err != nil {
			return err
		}
		switch head.Kind {
		case "Service":
			var s service
			err = document.Decode(&s)
			r.services = append(r.services, s)
		case "EndpointSlice":
			var s endpointSlice
			err = document.Decode(&s)
			r.slices = append(r.slices, s)
		case "Node":
			err = document.Decode(&r.node)
		}
		if err != nil {
			return fmt.Errorf("%s at line %d: %w", head.Kind, document.Line, err)
		}
	}
}

var versionInReadme = regexp.MustCompile(`kube-proxy v1\.(\d+)\.\d+`)

// readMinor finds kube-proxy's version in a recording's README.
func readMinor(t *testing.T, path string) int {
	t.Helper()
	found := versionInReadme.FindSubmatch(readFile(t, path))
	if found == nil {
		t.Fatalf("%s does not name kube-proxy's version", path)
	}
	minor, err := strconv.Atoi(string(found[1]))
	if err != nil {
		t.Fatal(err)
	}
	return minor
}

func readYAML(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.Unmarshal(readFile(t, path), into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
