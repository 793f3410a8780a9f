package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const modulePath = "github.com/svcpath/svcpath"

// An arrow forbids imports. "a/..." is a and everything below it, "..." is every
// package; paths are those of this module's packages or else as imported.
//
// Direct imports are enough to look at: whatever another package of the module
// brings in is that package's to answer for, and every package has its row.
type arrow struct {
	from    string   // the packages that must not import
	but     []string // packages among them that may
	never   []string // what they must not import
	except  []string // what they may import all the same
	because string
}

// arrows keep data flowing one way: bytes, model, analyses, renderers, command.
var arrows = []arrow{
	{from: "...", but: append([]string{"cmd/svcpath/internal/record"}, testHelpers...), never: []string{"net", "net/http", "net/rpc", "net/smtp", "os/exec", "plugin"},
		because: "svcpath reads what was captured: all but capture opens no connection and starts no program"},
	{from: "...", but: []string{"cmd/svcpath/internal/cli"}, never: []string{"cmd/svcpath/internal/record"},
		because: "only one command looks at the machine that it runs on"},
	{from: "...", but: testHelpers, never: testHelpers,
		because: "what asks the kernel, and what makes up nodes, is for tests only"},

	// The models.
	{from: "analyzer/source", never: []string{module},
		because: "a place in a file lies below everything else"},
	{from: "analyzer/netfilter", never: []string{module}, except: []string{"analyzer/source"},
		because: "the model does not know who fills it or who reads it"},
	{from: "analyzer/ipvs", never: []string{module}, except: []string{"analyzer/source", "analyzer/netfilter"},
		because: "the model does not know who fills it or who reads it; families and protocols have netfilter's names"},
	{from: "analyzer/cluster", never: []string{module}, except: []string{"analyzer/source", "analyzer/netfilter"},
		because: "what somebody asked of the cluster is a model, and knows nothing of what became of it"},
	{from: "analyzer/snapshot", never: []string{module}, except: []string{"analyzer/source", "analyzer/netfilter", "analyzer/ipvs", "analyzer/cluster"},
		because: "a snapshot is made of models, whatever parsed them"},

	// The analyses.
	{from: "analyzer/chaingraph", never: []string{module}, except: models,
		because: "how chains hang together is asked of the model alone"},
	{from: "analyzer/kubeproxy", never: []string{module}, except: models,
		because: "kube-proxy's conventions are read from the model, never from text"},
	{from: "analyzer/inventory", never: []string{module}, except: append([]string{"analyzer/chaingraph", "analyzer/kubeproxy"}, models...),
		because: "services are read back from the model, so that they are found whatever wrote it down"},
	{from: "analyzer/trace", never: []string{module}, except: models,
		because: "a packet is followed through the model alone: what kube-proxy meant changes nothing for it"},
	{from: "analyzer/proof", never: []string{module}, except: append([]string{"analyzer/audit", "analyzer/inventory", "analyzer/trace"}, models...),
		because: "it compares two analyses, and knows neither how they are made nor how they are shown"},
	{from: "analyzer/drift", never: []string{module}, except: append([]string{"analyzer/audit", "analyzer/inventory", "analyzer/kubeproxy"}, models...),
		because: "it compares what was read back with what was asked for, and knows neither how that is made nor how differences are shown"},
	{from: "analyzer/audit", never: []string{"analyzer/report", "rules"},
		because: "the frame for checks knows neither the checks nor who shows their findings"},
	{from: "analyzer", never: []string{"analyzer/report", "rules"},
		because: "the facade gives facts: what to think of them and how to show them is asked later"},
	{from: "analyzer/report", never: []string{"rules"},
		because: "a renderer shows what was found and decides nothing"},
	{from: "analyzer/...", never: []string{"parsers/...", "samples", "cmd/..."},
		because: "analyses never see text: only the command and tests parse"},
	{from: "analyzer/...", but: testHelpers, never: inputOutput,
		because: "an answer depends on the snapshot, not on the machine that works it out"},

	// The parsers.
	{from: "parsers/...", never: []string{module}, except: append([]string{"parsers/...", "samples"}, models...),
		because: "a parser fills the model: what the rules mean is not its business"},
	{from: "parsers/capture", never: []string{"golang.org/x/term", "github.com/schollz/..."},
		because: "inputs are opened for any program: progress and terminals are the command's"},
	{from: "parsers/bundle", never: append([]string{module}, inputOutput...), except: []string{"analyzer/source"},
		because: "a manifest is about a recording, and says nothing of packets"},
	{from: "parsers/iptablessave", never: inputOutput,
		because: "a parser is given bytes: opening files is the work of parsers/capture"},
	{from: "analyzer/trace/internal/kernel", never: []string{module}, except: append([]string{"parsers/internal/kerneltest"}, models...),
		because: "it asks the kernel, and must not know what a trace would answer"},
	{from: "analyzer/trace/internal/oracle", never: []string{module},
		because: "it is tests and nothing else"},
	{from: "parsers/internal/kerneltest", never: []string{module},
		because: "it runs commands in network namespaces, and knows nothing of what they print"},
	{from: "parsers/manifests", never: inputOutput,
		because: "a parser is given bytes: opening files is the work of parsers/capture"},
	{from: "parsers/ipvsadm", never: append([]string{"parsers/..."}, inputOutput...),
		because: "a parser is given bytes: opening files is the work of parsers/capture"},
	{from: "parsers/nftlist", never: inputOutput,
		because: "a parser is given bytes: opening files is the work of parsers/capture"},
	{from: "parsers/ipsetsave", never: inputOutput,
		because: "a parser is given bytes: opening files is the work of parsers/capture"},
	{from: "parsers/internal/protocol", never: []string{module},
		because: "it is a table of names, for any parser"},
	{from: "parsers/iproute", never: inputOutput,
		because: "a parser is given bytes: opening files is the work of parsers/capture"},

	// What stands beside them.
	{from: "rules", never: append([]string{"parsers/...", "analyzer/report", "cmd/..."}, inputOutput...),
		because: "a check looks at an analysis, not at text and not at a terminal"},
	{from: "samples", never: append([]string{module}, inputOutput...),
		because: "samples are data, embedded"},
	{from: "samples/generate", never: []string{module}, except: []string{"analyzer/kubeproxy"},
		because: "rules are made up from what kube-proxy does, not from how they are read back"},

	// The command.
	{from: "cmd/svcpath", never: []string{module}, except: []string{"cmd/svcpath/internal/cli"},
		because: "main is a few lines: the command line is tested as a package"},
	{from: "cmd/svcpath/internal/cli", never: []string{"parsers/..."}, except: []string{"parsers/capture"},
		because: "parsers/capture recognises formats, so the command need not know them"},
	{from: "cmd/svcpath/internal/record", never: []string{module}, except: []string{"parsers/bundle", "parsers/ipvsadm", "analyzer/report", "analyzer/ipvs", "analyzer/netfilter"},
		because: "what is recorded is not looked into: it is put away as it was printed"},
	{from: "cmd/svcpath/internal/redact", never: append([]string{module}, inputOutput...), except: []string{"analyzer/kubeproxy", "analyzer/netfilter", "parsers/bundle"},
		because: "it is given texts, and knows of kube-proxy how it names things"},
	{from: "cmd/svcpath/internal/flows", never: append([]string{module}, inputOutput...), except: []string{"analyzer/trace", "analyzer/source", "analyzer/netfilter"},
		because: "a FLOWS file is handed over as bytes, and says nothing of inputs or outputs"},
	{from: "analyzer/...", never: commandLine, because: "flags belong to the command"},
	{from: "parsers/...", never: commandLine, because: "flags belong to the command"},
}

const module = "./..." // every package of this module

var (
	// testHelpers are packages that only tests import.
	testHelpers = []string{"parsers/internal/kerneltest", "analyzer/trace/internal/kernel", "samples/generate"}

	models      = []string{"analyzer/source", "analyzer/netfilter", "analyzer/ipvs", "analyzer/cluster", "analyzer/snapshot"}
	inputOutput = []string{"os", "os/signal", "io/ioutil", "path/filepath", "syscall"}
	commandLine = []string{"flag", "github.com/spf13/..."}
)

// A listedPackage is what "go list -json" tells of a package.
type listedPackage struct {
	ImportPath, Name, Doc     string
	GoFiles                   []string // tests aside
	Imports                   []string // of GoFiles, directly
	TestImports, XTestImports []string
}

// violations tells which packages go against an arrow.
func violations(arrows []arrow, packages []listedPackage) []string {
	var found []string
	for _, a := range arrows {
		for _, p := range packages {
			if !matches(a.from, p.ImportPath) || anyMatches(a.but, p.ImportPath) {
				continue
			}
			for _, imported := range p.Imports {
				if anyMatches(a.never, imported) && !anyMatches(a.except, imported) {
					found = append(found, fmt.Sprintf("%s imports %s, which it must not: %s", short(p.ImportPath), short(imported), a.because))
				}
			}
		}
	}
	return found
}

// uncovered tells which packages have no row of their own. A row for all that
// lies below a directory of the top level does not count: it does not say where
// in that layer a package stands.
func uncovered(arrows []arrow, packages []listedPackage) []string {
	var found []string
	for _, p := range packages {
		covered := slices.ContainsFunc(arrows, func(a arrow) bool {
			return !strings.HasSuffix(a.from, "...") && matches(a.from, p.ImportPath)
		})
		if !covered {
			found = append(found, short(p.ImportPath))
		}
	}
	return found
}

// short is an import path as the arrows write it.
func short(importPath string) string { return strings.TrimPrefix(importPath, modulePath+"/") }

func anyMatches(patterns []string, importPath string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, importPath) })
}

func matches(pattern, importPath string) bool {
	if pattern == module {
		return strings.HasPrefix(importPath, modulePath+"/")
	}
	if pattern == "..." {
		return true
	}
	parent, below := strings.CutSuffix(pattern, "/...")
	path := short(importPath)
	return path == parent || below && strings.HasPrefix(path, parent+"/")
}

// listPackages asks the go command for this module's packages.
func listPackages(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-buildvcs=false", "-json=ImportPath,Name,Doc,GoFiles,Imports,TestImports,XTestImports", modulePath+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing packages: %v\n%s", err, stderr.String())
	}
	var packages []listedPackage
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("reading the list of packages: %v", err)
		}
		packages = append(packages, p)
	}
}

func TestImportsFollowTheArrows(t *testing.T) {
	packages := listPackages(t)
	for _, v := range violations(arrows, packages) {
		t.Error(v)
	}
	for _, p := range uncovered(arrows, packages) {
		t.Errorf("%s has no row in arrows: say what it must not import, and why", p)
	}
	for _, a := range arrows {
		used := false
		for _, p := range packages {
			used = used || matches(a.from, p.ImportPath)
		}
		if !used {
			t.Errorf("the row for %s speaks of no package", a.from)
		}
	}
}

// TestArrowsFindViolations feeds the checker packages that do not exist.
func TestArrowsFindViolations(t *testing.T) {
	in := func(path string) string { return modulePath + "/" + path }
	tests := []struct {
		name string
		pkg  listedPackage
		want []string
	}{
		{
			"an analysis that parses",
			listedPackage{ImportPath: in("analyzer/inventory"), Imports: []string{"fmt", in("parsers/iptablessave")}},
			[]string{"analyzer/inventory imports parsers/iptablessave, which it must not: " +
				"services are read back from the model, so that they are found whatever wrote it down",
				"analyzer/inventory imports parsers/iptablessave, which it must not: " +
					"analyses never see text: only the command and tests parse"},
		},
		{
			"a parser with an opinion",
			listedPackage{ImportPath: in("parsers/iptablessave"), Imports: []string{in("analyzer/netfilter"), in("analyzer/kubeproxy")}},
			[]string{"parsers/iptablessave imports analyzer/kubeproxy, which it must not: " +
				"a parser fills the model: what the rules mean is not its business"},
		},
		{
			"an analysis that opens files",
			listedPackage{ImportPath: in("analyzer/chaingraph"), Imports: []string{"os"}},
			[]string{"analyzer/chaingraph imports os, which it must not: " +
				"an answer depends on the snapshot, not on the machine that works it out"},
		},
		{
			"a model that knows an analysis",
			listedPackage{ImportPath: in("analyzer/netfilter"), Imports: []string{in("analyzer/source"), in("analyzer/inventory")}},
			[]string{"analyzer/netfilter imports analyzer/inventory, which it must not: " +
				"the model does not know who fills it or who reads it"},
		},
		{
			"flags outside of the command",
			listedPackage{ImportPath: in("parsers/capture"), Imports: []string{"github.com/spf13/pflag"}},
			[]string{"parsers/capture imports github.com/spf13/pflag, which it must not: flags belong to the command"},
		},
		{
			"a command that calls home",
			listedPackage{ImportPath: in("cmd/svcpath"), Imports: []string{"net/http"}},
			[]string{"cmd/svcpath imports net/http, which it must not: " +
				"svcpath reads what was captured: all but capture opens no connection and starts no program"},
		},
		{
			"a command that knows formats",
			listedPackage{ImportPath: in("cmd/svcpath/internal/cli"), Imports: []string{in("parsers/capture"), in("parsers/iproute")}},
			[]string{"cmd/svcpath/internal/cli imports parsers/iproute, which it must not: " +
				"parsers/capture recognises formats, so the command need not know them"},
		},
		{
			"a program that takes from tests",
			listedPackage{ImportPath: in("analyzer/inventory"), Imports: []string{in("parsers/internal/kerneltest")}},
			[]string{
				"analyzer/inventory imports parsers/internal/kerneltest, which it must not: what asks the kernel, and what makes up nodes, is for tests only",
				"analyzer/inventory imports parsers/internal/kerneltest, which it must not: " +
					"services are read back from the model, so that they are found whatever wrote it down",
				"analyzer/inventory imports parsers/internal/kerneltest, which it must not: " +
					"analyses never see text: only the command and tests parse",
			},
		},
		{
			"what helps tests",
			listedPackage{ImportPath: in("parsers/internal/kerneltest"), Imports: []string{"os/exec", "testing"}},
			nil,
		},
		{
			"what is allowed",
			listedPackage{ImportPath: in("parsers/capture"), Imports: []string{"os", "net/netip", in("parsers/iptablessave"), in("analyzer/snapshot"), in("samples")}},
			nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := violations(arrows, []listedPackage{tt.pkg})
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}

	unknown := []listedPackage{{ImportPath: in("analyzer/source")}, {ImportPath: in("analyzer/clairvoyance")}, {ImportPath: in("util")}}
	if diff := cmp.Diff([]string{"analyzer/clairvoyance", "util"}, uncovered(arrows, unknown)); diff != "" {
		t.Errorf("uncovered (-want +got):\n%s", diff)
	}
}
