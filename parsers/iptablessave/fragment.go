package iptablessave

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/netfilter"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A looseLine is a line that stands under no table.
type looseLine struct {
	at     source.Cursor
	line   string
	isRule bool
	rule   ruleStart
	decl   chainDecl
	target string // of the rule, "" without
	table  string // that it was told to be of
	likely bool   // only the most likely table, nothing tells it
}

// chain is the chain that the line declares or has a rule for.
func (l *looseLine) chain() string {
	if l.isRule {
		return l.rule.chain
	}
	return l.decl.name
}

// addLoose takes a line that stands under no table. It is false when the line
// shows another family than those before it, and so is another dump's.
func (p *parser) addLoose(at source.Cursor, line, body string) bool {
	l := looseLine{at: at, line: line}
	if l.rule, l.isRule = ruleLine(body); l.isRule {
		if !p.family.given {
			if f := familyOfRule(l.rule.text); f != netfilter.AnyFamily && p.family.seeFamily(f) != nil {
				return false
			}
		}
		l.target = targetOfRule(l.rule.text)
	} else if l.decl, l.isRule = chainLine(body); !l.isRule {
		l.decl, _ = listedChain(body)
	} else {
		l.isRule = false
	}
	p.loose = append(p.loose, l)
	return true
}

// targetOfRule is the word behind the last -j or -g.
func targetOfRule(rule string) string {
	i := max(strings.LastIndex(rule, " -j "), strings.LastIndex(rule, " -g "))
	if i < 0 {
		if i = strings.LastIndex(rule, " --jump "); i < 0 {
			return ""
		}
		i += len("--jump") - len("-j")
	}
	target, _, _ := strings.Cut(rule[i+len(" -j "):], " ")
	return target
}

// familyOfRule tells the family from the rule's own addresses.
func familyOfRule(rule string) netfilter.Family {
	for _, option := range [...]string{" -s ", " -d ", " --to-destination ", " --to-source "} {
		i := strings.Index(rule, option)
		if i < 0 {
			continue
		}
		value, _, _ := strings.Cut(rule[i+len(option):], " ")
		switch {
		case strings.Count(value, ":") > 1:
			return netfilter.IPv6
		case strings.Count(value, ".") >= 3:
			return netfilter.IPv4
		}
	}
	if strings.Contains(rule, "icmp6-") || strings.Contains(rule, " -p ipv6-icmp") {
		return netfilter.IPv6
	}
	return netfilter.AnyFamily
}

// settle tells the tables of the loose lines and reads them. whole means that
// a COMMIT follows: then all are of one table, whose beginning is cut off.
func (p *parser) settle(whole bool) {
	if len(p.loose) == 0 {
		return
	}
	p.tellTables()
	if whole {
		// What tells a table counts more than what is merely likely.
		votes := map[string]int{}
		for i := range p.loose {
			if p.loose[i].likely {
				votes[p.loose[i].table]++
			} else {
				votes[p.loose[i].table] += len(p.loose)
			}
		}
		best := "nat"
		for _, name := range tableNames {
			if votes[name] > votes[best] {
				best = name
			}
		}
		for i := range p.loose {
			p.loose[i].table = best
		}
	}
	for i := range p.loose {
		l := &p.loose[i]
		t := p.inferred(l.at.Pos(), l.table)
		if l.isRule {
			p.rule(t, l.at, l.line, &l.rule)
		} else {
			p.chain(t, l.at.Pos(), l.line, l.decl)
		}
	}
	p.loose = p.loose[:0]
}

// inferred is the dump's table of that name which no line names.
func (p *parser) inferred(pos source.Position, name string) *table {
	if t := p.told[name]; t != nil {
		return t
	}
	t := &table{Table: netfilter.NewTable(p.family.is, name)}
	t.Pos, t.Inferred, t.lines.order = pos, true, len(p.tables)
	p.tables = append(p.tables, t)
	if p.told == nil {
		p.told = map[string]*table{}
	}
	p.told[name] = t
	return t
}

// stands notes that a chain is in a table, if it is in no other.
func (p *parser) stands(chain, table string) {
	if inSeveralTables(chain) {
		return
	}
	if p.standing == nil {
		p.standing = map[string]string{}
	}
	p.standing[chain] = table
}

// tellTables finds the table of each loose line: from the chain's name where
// that is kube-proxy's or another known program's, from a target that only one
// table has, from where the jumps come from and lead to, and at last from what
// is most likely.
func (p *parser) tellTables() {
	told := func(l *looseLine, table string) bool {
		if table == "" || l.table != "" {
			return false
		}
		l.table = table
		p.stands(l.chain(), table)
		return true
	}
	for i := range p.loose {
		l := &p.loose[i]
		told(l, tableOfChain(l.chain()))
		told(l, tableOfTarget(l))
	}
	// A chain is in the table of the chains that it has to do with. Each
	// round tells chains that are one jump farther away.
	for range maxRounds {
		changed := false
		for i := range p.loose {
			l := &p.loose[i]
			changed = told(l, p.standing[l.chain()]) || changed
			if !l.isRule || inSeveralTables(l.target) {
				continue
			}
			changed = told(l, tableOfChain(l.target)) || changed
			changed = told(l, p.standing[l.target]) || changed
			if l.table != "" && isUserChain(l.target) && p.standing[l.target] == "" && tableOfChain(l.target) == "" {
				p.stands(l.target, l.table)
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	for i := range p.loose {
		l := &p.loose[i]
		told(l, p.standing[l.chain()])
		l.likely = told(l, likelyTable(l))
	}
	p.tellDeclarations()
}

// maxRounds bounds how long jumps are followed to tell a chain's table.
const maxRounds = 16

// tellDeclarations finds the tables of the chains that are in several tables.
// Each declaration belongs to the next table, in the order of the text, that
// has to do with the chain; with none left, to the first.
func (p *parser) tellDeclarations() {
	tables := map[string][]string{} // of the rules in a chain or with a jump to it
	for i := range p.loose {
		l := &p.loose[i]
		if !l.isRule {
			continue
		}
		for _, name := range [...]string{l.rule.chain, l.target} {
			if inSeveralTables(name) && !slices.Contains(tables[name], l.table) {
				tables[name] = append(tables[name], l.table)
			}
		}
	}
	next := map[string]int{}
	for i := range p.loose {
		l := &p.loose[i]
		if l.isRule || !inSeveralTables(l.decl.name) || len(tables[l.decl.name]) == 0 {
			continue
		}
		at := min(next[l.decl.name], len(tables[l.decl.name])-1)
		l.table = tables[l.decl.name][at]
		next[l.decl.name]++
	}
}

// isUserChain reports whether a target's name can be a chain's.
func isUserChain(name string) bool {
	return name != "" && !isVerdict(name) && targets[name] == nil
}

// inSeveralTables reports whether chains of that name stand in more than one
// table of a node as a rule.
func inSeveralTables(name string) bool {
	switch name {
	case "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING",
		"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-NODE-PORT", "KUBE-PROXY-CANARY", "KUBE-KUBELET-CANARY", "DOCKER":
		return true
	}
	return strings.HasPrefix(name, "cali-")
}

// tableOfChain tells the table from a chain's name; "" if it does not tell.
func tableOfChain(name string) string {
	for _, known := range chainTables {
		if name == known.name || known.prefix && strings.HasPrefix(name, known.name) {
			return known.table
		}
	}
	if strings.HasPrefix(name, "CILIUM_") {
		if _, table, ok := strings.Cut(name[len("CILIUM_"):], "_"); ok {
			for _, t := range tableNames {
				if t == table {
					return t
				}
			}
			return ""
		}
		return "filter"
	}
	return ""
}

// chainTables are names that kube-proxy (pkg/proxy/iptables/proxier.go,
// pkg/proxy/ipvs/proxier.go), kubelet and network plugins use in one table only.
var chainTables = []struct {
	name   string
	prefix bool
	table  string
}{
	{"KUBE-SVC-", true, "nat"}, {"KUBE-SEP-", true, "nat"}, {"KUBE-EXT-", true, "nat"}, {"KUBE-SVL-", true, "nat"},
	{"KUBE-XLB-", true, "nat"}, {"KUBE-FW-", true, "nat"}, {"KUBE-MARK-MASQ", false, "nat"}, {"KUBE-MARK-DROP", false, "nat"},
	{"KUBE-POSTROUTING", false, "nat"}, {"KUBE-LOAD-BALANCER", false, "nat"}, {"KUBE-FIRE-WALL", false, "nat"},
	{"KUBE-PORTALS-", true, "nat"}, {"KUBE-NODEPORT-HOST", false, "nat"}, {"KUBE-NODEPORT-CONTAINER", false, "nat"},
	{"KUBE-FORWARD", false, "filter"}, {"KUBE-FIREWALL", false, "filter"}, {"KUBE-EXTERNAL-SERVICES", false, "filter"},
	{"KUBE-PROXY-FIREWALL", false, "filter"}, {"KUBE-SOURCE-RANGES-FIREWALL", false, "filter"},
	{"KUBE-IPVS-FILTER", false, "filter"}, {"KUBE-IPVS-OUT-FILTER", false, "filter"},
	{"KUBE-NODEPORT-NON-LOCAL", false, "filter"}, {"KUBE-IPTABLES-HINT", false, "mangle"},
	{"KUBE-NWPLCY-", true, "filter"}, {"KUBE-POD-FW-", true, "filter"}, {"KUBE-ROUTER-", true, "filter"},
	{"CNI-", true, "nat"}, {"IP-MASQ", true, "nat"}, {"KIND-MASQ-AGENT", false, "nat"},
	{"FLANNEL-POSTRTG", false, "nat"}, {"FLANNEL-FWD", false, "filter"}, {"AWS-SNAT-CHAIN-", true, "nat"},
	{"DOCKER-USER", false, "filter"}, {"DOCKER-ISOLATION-", true, "filter"}, {"DOCKER_", true, "nat"},
	{"ISTIO_", true, "nat"},
}

// tableOfTarget tells the table from the rule's target: what only works in one
// table, and what the chain does in one of its tables only.
func tableOfTarget(l *looseLine) string {
	if !l.isRule {
		return ""
	}
	table := ""
	switch l.target {
	case "DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP":
		table = "nat"
	case "REJECT":
		table = "filter"
	case "DROP":
		table = "filter"
		if c := l.rule.chain; c == "PREROUTING" || c == "POSTROUTING" {
			table = "mangle"
		}
	case "CT", "NOTRACK", "TRACE":
		table = "raw"
	case "TPROXY", "TOS", "DSCP", "TTL", "HL", "CLASSIFY", "CHECKSUM":
		table = "mangle"
	case "ACCEPT":
		// Ports of health checks (kube-proxy, syncProxyRules).
		if c := l.rule.chain; c == "KUBE-NODEPORTS" || c == "KUBE-NODE-PORT" {
			table = "filter"
		}
	}
	return table
}

// likelyTable is the table that a line is most often of.
func likelyTable(l *looseLine) string {
	switch l.chain() {
	case "INPUT", "FORWARD":
		return "filter"
	case "OUTPUT":
		// kube-proxy jumps to KUBE-SERVICES from OUTPUT of nat and filter; a
		// test of the connection's state is of use in filter only.
		if l.isRule && (l.target != "KUBE-SERVICES" && l.target != "DOCKER" || strings.Contains(l.rule.text, " --ctstate ")) {
			return "filter"
		}
		return "nat"
	case "PREROUTING", "POSTROUTING":
		return "nat"
	}
	if strings.HasPrefix(l.chain(), "KUBE-") {
		return "nat"
	}
	return "filter"
}

// listing takes a policy of "iptables -S". A block of them begins a listing, and
// tells by its chains of which table. It is false when the dump has such a
// listing already: another one is another dump's.
func (p *parser) listing(at source.Cursor, d chainDecl) bool {
	if t := p.table; t != nil && at.Line <= t.lines.policiesEnd {
		return true
	}
	p.settle(false)
	p.closeTable()
	names := map[string]bool{}
	end := at.Line
	for c := at; c.More(); {
		line, next := c.Next()
		d, ok := listedChain(trimBlanks(line))
		if !ok || d.policy == netfilter.NoVerdict || names[d.name] || len(names) == 5 {
			break
		}
		names[d.name] = true
		end = c.Line
		c = next
	}
	name := tableOfPolicies(names)
	if t := p.told[name]; t != nil && t.Chain(d.name) != nil && !t.Chain(d.name).Implied {
		return false
	}
	p.table = p.inferred(at.Pos(), name)
	p.table.lines.policiesEnd = end
	return true
}

// tableOfPolicies tells the table that has these built-in chains.
func tableOfPolicies(names map[string]bool) string {
	has := func(chains ...string) bool {
		for _, c := range chains {
			if !names[c] {
				return false
			}
		}
		return len(names) == len(chains)
	}
	switch {
	case has("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"):
		return "mangle"
	case has("PREROUTING", "OUTPUT"):
		return "raw"
	case names["PREROUTING"] || names["POSTROUTING"]:
		return "nat"
	}
	return "filter"
}

// isCutOff reports whether the text ends with this line and without a line feed.
func isCutOff(at source.Cursor, line string) bool {
	end := at.File.Text[at.Offset+len(line):]
	return end == "" || end == "\r"
}

// cutOff makes the last rule opaque when the text ends in the middle of a table,
// or of a rule, without a line feed: nobody knows what stood behind it.
func (p *parser) cutOff(t *table, pos source.Position, start *ruleStart, parsed *parsedRule) {
	parsed.matches = []netfilter.Match{&netfilter.Opaque{Text: trimBlanks(start.text[start.options:])}}
	parsed.statements = t.KeepStatement(&netfilter.OpaqueTarget{})
	if !t.declared {
		p.diagnostics.add(source.Warning, pos, "cut-dump",
			"the text ends here, without a line feed and before the rule says what it does: it may be cut off, and is not used")
		return
	}
	p.diagnostics.add(source.Error, pos, "cut-dump",
		fmt.Sprintf("the text ends here, in the middle of table %s, expected the rest of the line and COMMIT: this rule may be cut off, and is not used", t.Name))
}

// remarkOnTables says which tables were told from their rules, and which of
// those are of no use because the dump holds the table itself.
func (p *parser) remarkOnTables() {
	var told []string
	var pos source.Position
	rules := 0
	for _, t := range p.tables {
		if t.declared {
			continue
		}
		if !p.isUsed(t) {
			p.diagnostics.add(source.Warning, t.Pos, "table-inferred",
				fmt.Sprintf("%s under no table, as if of table %s, which the dump holds elsewhere: not used", count(t.NumRules(), "rule"), t.Name))
			continue
		}
		if pos.File == nil || t.Pos.Line < pos.Line {
			pos = t.Pos
		}
		rules += t.NumRules()
		told = append(told, fmt.Sprintf("%s (%d)", t.Name, t.NumRules()))
	}
	if len(told) > 0 {
		p.diagnostics.add(source.Warning, pos, "table-inferred",
			fmt.Sprintf("no line names the table of %s: told from chains and targets: %s", count(rules, "rule"), strings.Join(told, ", ")))
	}
}
