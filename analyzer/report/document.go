// Package report renders what the analyses found: as text for people, as JSON
// and YAML for programs. It decides nothing; one file a format.
package report

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"

	"gopkg.in/yaml.v3"

	"github.com/svcpath/svcpath/analyzer"
	"github.com/svcpath/svcpath/analyzer/audit"
	"github.com/svcpath/svcpath/analyzer/inventory"
	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A docSection is a field at the top of a document: one value, or a list of
// which each element is made when it is written, so that a large node's
// document never lies in memory as a whole.
type docSection struct {
	name  string
	value any
	list  iter.Seq[any] // nil for a value
}

// analysisDocument is the answer of "svcpath analyze" as
// docs/schema/analysis.json describes it. Fields stand in the order in which
// they are written, in JSON and YAML alike. Facts that are not known are left
// out; lists that are part of the answer stand there even when they are empty.
func analysisDocument(a *analyzer.Analysis) []docSection {
	return []docSection{
		{name: "apiVersion", value: "svcpath/v1"},
		{name: "kind", value: "Analysis"},
		{name: "snapshot", value: newDocSnapshot(a)},
		{name: "services", list: each(a.Inventory.Services, newDocService)},
		{name: "findings", list: each(a.Findings, newDocFinding)},
		{name: "diagnostics", list: each(a.Diagnostics, newDocDiagnostic)},
		{name: "summary", value: newDocSummary(a)},
	}
}

// each makes a document's list of a model's, element by element.
func each[M, D any](models []M, make func(M) D) iter.Seq[any] {
	return func(yield func(any) bool) {
		for _, m := range models {
			if !yield(make(m)) {
				return
			}
		}
	}
}

// A docText is a string that may hold anything that a dump can hold.
type docText string

// newDocText makes text valid UTF-8 as JSON needs it: each byte that is none
// becomes the replacement character.
func newDocText(s string) docText {
	if isASCII(s) {
		return docText(s)
	}
	return docText([]rune(s))
}

// MarshalYAML puts text with characters that must be written out into double
// quotes, where that can be done.
func (t docText) MarshalYAML() (any, error) {
	if isPlain(string(t)) {
		return string(t), nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Style: yaml.DoubleQuotedStyle, Value: string(t)}, nil
}

func docTexts(s []string) []docText {
	texts := make([]docText, len(s))
	for i := range s {
		texts[i] = newDocText(s[i])
	}
	return texts
}

type docSnapshot struct {
	Mode              string          `json:"mode" yaml:"mode"`
	Sources           []docSource     `json:"sources" yaml:"sources"`
	NodeAddresses     []string        `json:"nodeAddresses,omitempty" yaml:"nodeAddresses,omitempty"`
	NodeAddressesFrom snapshot.Origin `json:"nodeAddressesFrom" yaml:"nodeAddressesFrom"`
	PodCIDRs          []string        `json:"podCIDRs,omitempty" yaml:"podCIDRs,omitempty"`
	Backends          []string        `json:"backends,omitempty" yaml:"backends,omitempty"`
	Coverage          docCoverage     `json:"coverage" yaml:"coverage"`
}

func newDocSnapshot(a *analyzer.Analysis) docSnapshot {
	s := a.Snapshot
	d := docSnapshot{
		Mode:              string(a.Inventory.Mode),
		Sources:           []docSource{},
		NodeAddressesFrom: addressesFrom(s),
		PodCIDRs:          prefixStrings(s.PodCIDRs),
		Backends:          backends(s),
		Coverage:          newDocCoverage(a.Coverage.Complete, a.Coverage.Missing),
	}
	for _, src := range s.Sources {
		d.Sources = append(d.Sources, newDocSource(src))
	}
	for _, addr := range nodeAddresses(s) {
		d.NodeAddresses = append(d.NodeAddresses, addr.String())
	}
	return d
}

type docSource struct {
	Path           docText         `json:"path" yaml:"path"`
	Line           int             `json:"line,omitempty" yaml:"line,omitempty"`
	Format         snapshot.Format `json:"format" yaml:"format"`
	Family         string          `json:"family,omitempty" yaml:"family,omitempty"`
	FamilyInferred bool            `json:"familyInferred,omitempty" yaml:"familyInferred,omitempty"`
	Tables         []docText       `json:"tables,omitempty" yaml:"tables,omitempty"`
	Chains         *int            `json:"chains,omitempty" yaml:"chains,omitempty"`
	Rules          *int            `json:"rules,omitempty" yaml:"rules,omitempty"`
	Objects        *int            `json:"objects,omitempty" yaml:"objects,omitempty"`
	VirtualServers *int            `json:"virtualServers,omitempty" yaml:"virtualServers,omitempty"`
	RealServers    *int            `json:"realServers,omitempty" yaml:"realServers,omitempty"`
	Sets           *int            `json:"sets,omitempty" yaml:"sets,omitempty"`
	Elements       *int            `json:"elements,omitempty" yaml:"elements,omitempty"`
	SkippedLines   int             `json:"skippedLines" yaml:"skippedLines"`
	Unbuilt        bool            `json:"unbuilt,omitempty" yaml:"unbuilt,omitempty"`
}

func newDocSource(s *snapshot.Source) docSource {
	d := docSource{
		Path: newDocText(s.Pos.Path()), Line: s.Pos.Line, Format: s.Format,
		FamilyInferred: s.FamilyInferred, Tables: docTexts(s.Tables),
		SkippedLines: s.SkippedLines, Unbuilt: s.Unbuilt,
	}
	if s.Family != netfilter.AnyFamily {
		d.Family = s.Family.String()
	}
	if hasRules(s) {
		d.Chains, d.Rules = &s.Chains, &s.Rules
	}
	if s.Format == snapshot.Manifests {
		d.Objects = &s.Objects
	}
	if hasSets(s) {
		d.Sets, d.Elements = &s.Sets, &s.Elements
	}
	if hasServers(s) {
		d.VirtualServers, d.RealServers = &s.VirtualServers, &s.RealServers
	}
	return d
}

// hasSets reports whether the source is of a kind that has ipsets.
func hasSets(s *snapshot.Source) bool {
	return s.Format == snapshot.IPSetSave || s.Format == snapshot.IPSetList
}

// hasRules reports whether the source is of a kind that has chains and rules,
// so that none of them is a fact as well.
func hasRules(s *snapshot.Source) bool { return len(s.Tables) > 0 || s.Format == snapshot.IPTablesSave }

// hasServers reports whether the source is an IPVS table.
func hasServers(s *snapshot.Source) bool {
	switch s.Format {
	case snapshot.IPVSADMSave, snapshot.IPVSADMList, snapshot.ProcIPVS:
		return !s.Unbuilt
	}
	return false
}

type docCoverage struct {
	Complete bool         `json:"complete" yaml:"complete"`
	Missing  []docMissing `json:"missing" yaml:"missing"`
}

type docMissing struct {
	What    docText `json:"what" yaml:"what"`
	Affects docText `json:"affects" yaml:"affects"`
	Command docText `json:"command,omitempty" yaml:"command,omitempty"`
}

func newDocCoverage(complete bool, missing []analyzer.Missing) docCoverage {
	d := docCoverage{Complete: complete, Missing: []docMissing{}}
	for _, m := range missing {
		d.Missing = append(d.Missing, docMissing{What: newDocText(m.What), Affects: newDocText(m.Affects), Command: newDocText(m.Command)})
	}
	return d
}

type docFinding struct {
	ID          string         `json:"id" yaml:"id"`
	Name        string         `json:"name" yaml:"name"`
	Severity    audit.Severity `json:"severity" yaml:"severity"`
	Certainty   string         `json:"certainty" yaml:"certainty"`
	Service     docText        `json:"service,omitempty" yaml:"service,omitempty"`
	Message     docText        `json:"message" yaml:"message"`
	Assumptions []docText      `json:"assumptions,omitempty" yaml:"assumptions,omitempty"`
	Missing     []docText      `json:"missing,omitempty" yaml:"missing,omitempty"`
	Evidence    []docEvidence  `json:"evidence" yaml:"evidence"`
	Remediation string         `json:"remediation,omitempty" yaml:"remediation,omitempty"`
	References  []string       `json:"references,omitempty" yaml:"references,omitempty"`
}

type docEvidence struct {
	File docText `json:"file" yaml:"file"`
	Line int     `json:"line" yaml:"line"`
	Rule docText `json:"rule" yaml:"rule"`
}

func newDocFinding(f audit.Finding) docFinding {
	d := docFinding{
		ID: f.ID, Name: f.Name, Severity: f.Severity, Certainty: f.Certainty,
		Service: newDocText(f.Service), Message: newDocText(f.Message), Evidence: []docEvidence{},
		Assumptions: docTexts(f.Assumptions), Missing: docTexts(f.Missing),
		Remediation: f.Remediation, References: f.References,
	}
	for _, r := range f.Evidence {
		d.Evidence = append(d.Evidence, docEvidence{File: newDocText(r.Pos().Path()), Line: r.Pos().Line, Rule: newDocText(r.Text())})
	}
	for _, l := range f.Lines {
		d.Evidence = append(d.Evidence, docEvidence{File: newDocText(l.Pos.Path()), Line: l.Pos.Line, Rule: newDocText(l.Text)})
	}
	return d
}

type docDiagnostic struct {
	Severity    string  `json:"severity" yaml:"severity"`
	File        docText `json:"file,omitempty" yaml:"file,omitempty"`
	Line        int     `json:"line,omitempty" yaml:"line,omitempty"`
	Code        docText `json:"code,omitempty" yaml:"code,omitempty"`
	Message     docText `json:"message" yaml:"message"`
	UnreadLines int     `json:"unreadLines,omitempty" yaml:"unreadLines,omitempty"`
}

func newDocDiagnostic(d source.Diagnostic) docDiagnostic {
	return docDiagnostic{
		Severity: d.Severity.String(), File: newDocText(d.Pos.Path()), Line: d.Pos.Line,
		Code: newDocText(d.Code), Message: newDocText(d.Message), UnreadLines: d.Unread,
	}
}

// docSummary counts what stands above it: service ports (one a family, as in
// "services"), all their entries, and those by verdict.
type docSummary struct {
	Services           int           `json:"services" yaml:"services"`
	Entries            int           `json:"entries" yaml:"entries"`
	ByVerdict          docVerdicts   `json:"byVerdict" yaml:"byVerdict"`
	FindingsBySeverity docSeverities `json:"findingsBySeverity" yaml:"findingsBySeverity"`
}

// docVerdicts has the verdicts that occur.
type docVerdicts struct {
	ClusterIP         int `json:"clusterip,omitempty" yaml:"clusterip,omitempty"`
	JoinsClusterIP    int `json:"joins-clusterip,omitempty" yaml:"joins-clusterip,omitempty"`
	LocalEndpoints    int `json:"local-endpoints,omitempty" yaml:"local-endpoints,omitempty"`
	SameBackends      int `json:"same-backends,omitempty" yaml:"same-backends,omitempty"`
	DifferentBackends int `json:"different-backends,omitempty" yaml:"different-backends,omitempty"`
	NoEndpoints       int `json:"no-endpoints,omitempty" yaml:"no-endpoints,omitempty"`
	Filtered          int `json:"filtered,omitempty" yaml:"filtered,omitempty"`
	Broken            int `json:"broken,omitempty" yaml:"broken,omitempty"`
	Unknown           int `json:"unknown,omitempty" yaml:"unknown,omitempty"`
}

// docSeverities has all severities, mildest first.
type docSeverities struct {
	Info     int `json:"info" yaml:"info"`
	Low      int `json:"low" yaml:"low"`
	Medium   int `json:"medium" yaml:"medium"`
	High     int `json:"high" yaml:"high"`
	Critical int `json:"critical" yaml:"critical"`
}

func newDocSummary(a *analyzer.Analysis) docSummary {
	clusterIPs, external := countVerdicts(a.Inventory)
	count := func(v inventory.Verdict) int { return clusterIPs.of(v) + external.of(v) }
	findings := map[audit.Severity]int{}
	for _, f := range a.Findings {
		findings[f.Severity]++
	}
	return docSummary{
		Services: len(a.Inventory.Services),
		Entries:  clusterIPs.total() + external.total(),
		ByVerdict: docVerdicts{
			ClusterIP: count(inventory.IsClusterIP), JoinsClusterIP: count(inventory.JoinsClusterIP),
			LocalEndpoints: count(inventory.LocalEndpoints), SameBackends: count(inventory.SameBackends),
			DifferentBackends: count(inventory.DifferentBackends), NoEndpoints: count(inventory.NoEndpoints),
			Filtered: count(inventory.Filtered), Broken: count(inventory.Broken), Unknown: count(inventory.Unknown),
		},
		FindingsBySeverity: docSeverities{
			Info: findings[audit.Info], Low: findings[audit.Low], Medium: findings[audit.Medium],
			High: findings[audit.High], Critical: findings[audit.Critical],
		},
	}
}

// nodeAddresses are the node's addresses, each once, in order. Loopback is
// left out: it is local on every node and tells nothing about this one.
func nodeAddresses(s *snapshot.Snapshot) []netip.Addr {
	// IPv4 ones, which come first, are sorted as numbers: in IPVS mode a node has
	// one for each service.
	numbers := make([]uint32, 0, len(s.Addresses))
	var others []netip.Addr
	for _, a := range s.Addresses {
		switch addr := a.Prefix.Addr(); {
		case addr.IsLoopback():
		case addr.Is4():
			four := addr.As4()
			numbers = append(numbers, binary.BigEndian.Uint32(four[:]))
		default:
			others = append(others, addr)
		}
	}
	slices.Sort(numbers)
	slices.SortFunc(others, netip.Addr.Compare)
	addrs := make([]netip.Addr, 0, len(numbers)+len(others))
	for _, n := range slices.Compact(numbers) {
		addrs = append(addrs, netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}))
	}
	return append(addrs, slices.Compact(others)...)
}

func addressesFrom(s *snapshot.Snapshot) snapshot.Origin {
	if s.AddressesFrom == "" {
		return snapshot.FromNowhere
	}
	return s.AddressesFrom
}

// backends are the back ends that the headers of the texts name.
func backends(s *snapshot.Snapshot) []string {
	var names []string
	for _, b := range []netfilter.Backend{netfilter.Legacy, netfilter.NFTCompat, netfilter.Native} {
		if slices.ContainsFunc(s.Sources, func(src *snapshot.Source) bool { return src.Backend == b }) {
			names = append(names, b.String())
		}
	}
	return names
}

func prefixStrings(prefixes []netip.Prefix) []string {
	var s []string
	for _, p := range prefixes {
		s = append(s, p.String())
	}
	return s
}
