// Package ipvsadm reads what is printed of a node's IPVS table: by
// "ipvsadm-save" and "ipvsadm -S", by "ipvsadm -L" with its columns, and by the
// kernel in /proc/net/ip_vs. It prints the save form back.
//
// The texts are those of ipvsadm 1.31 (ipvsadm.c, print_service_entry) and of
// Linux 6.x (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show); what older
// ones print is read as well.
package ipvsadm

import (
	"fmt"
	"slices"
	"strings"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
)

// A Text is one printing of an IPVS table.
type Text struct {
	Table       *ipvs.Table
	Diagnostics []source.Diagnostic
}

// A reader reads one text.
type reader struct {
	table   *ipvs.Table
	remarks source.Remarks
	// service is the virtual server that real servers are being read of, nil
	// if its line cannot be read.
	service *ipvs.VirtualServer
	// lost stands for the real servers whose virtual server cannot be read.
	lost *source.Diagnostic
	// ports are the names of ports that were taken for IANA's numbers, in the
	// order of the text.
	ports     []string
	portsFrom source.Position
}

func newReader(at source.Cursor) reader {
	return reader{table: &ipvs.Table{Pos: at.Pos(), Complete: true}}
}

// text ends the reading.
func (r *reader) text() *Text {
	r.endLost()
	if len(r.ports) > 0 {
		r.remarks.Add(source.Diagnostic{
			Severity: source.Info, Pos: r.portsFrom, Code: "ipvs-port-names",
			Message: "names of ports are taken for the numbers that IANA has for them, which the node's /etc/services may not: " +
				strings.Join(r.ports, ", ") + "; ipvsadm-save -n prints numbers",
		})
	}
	all := r.remarks.All()
	slices.SortStableFunc(all, func(a, b source.Diagnostic) int { return a.Pos.Line - b.Pos.Line })
	return &Text{Table: r.table, Diagnostics: all}
}

// unread says what is wrong with a line, which costs the line.
func (r *reader) unread(at source.Cursor, err error) {
	r.table.Complete = false
	r.remarks.Add(source.Diagnostic{
		Severity: source.Error, Pos: at.Pos(), Code: "unread-ipvs-lines", Message: err.Error(), Unread: 1,
	})
}

// cutOff ends a text in the middle of a line, which is not used: of a weight or an
// address that stands there nobody knows the rest. All that has no line yet may
// stand behind it, and that is real servers of the service unless the line begins
// another one.
func (r *reader) cutOff(at source.Cursor, begins bool) {
	r.table.Complete = false
	if r.service != nil && !begins {
		r.service.Partial = true
	}
	r.remarks.Add(source.Diagnostic{
		Severity: source.Error, Pos: at.Pos(), Code: "cut-ipvs", Unread: 1,
		Message: "the IPVS table is cut off in the middle of a line, which is not used: what is not here need not be missing",
	})
}

// foreign is a line between those of the table. A comment takes nothing away;
// behind others something may be missing.
func (r *reader) foreign(at source.Cursor, line string) {
	text := strings.TrimSpace(line)
	if !strings.HasPrefix(text, "#") {
		r.table.Complete = false
	}
	r.remarks.Add(source.Diagnostic{
		Severity: source.Warning, Pos: at.Pos(), Code: "unread-lines",
		Message: "skipped 1 line between virtual servers: " + source.Quote(text), Unread: 1,
	})
}

// lose passes over the real server of a virtual server that cannot be read.
func (r *reader) lose(at source.Cursor) {
	if r.lost == nil {
		r.lost = &source.Diagnostic{Severity: source.Error, Pos: at.Pos(), Code: "unread-ipvs-lines"}
	}
	r.lost.Unread++
}

func (r *reader) endLost() {
	if r.lost == nil {
		return
	}
	what := "a real server is"
	if r.lost.Unread > 1 {
		what = fmt.Sprintf("%d real servers are", r.lost.Unread)
	}
	r.lost.Message = what + " passed over, for the virtual server before cannot be read"
	r.remarks.Add(*r.lost)
	r.lost = nil
}

// named notes that the name of a port was taken for a number.
func (r *reader) named(at source.Cursor, e endpoint) {
	if e.service == "" {
		return
	}
	if word := fmt.Sprintf("%s = %d", e.service, e.port); !slices.Contains(r.ports, word) {
		r.ports = append(r.ports, word)
		if !r.portsFrom.IsValid() {
			r.portsFrom = at.Pos()
		}
	}
}

// lookAhead is how many lines of something else may stand between those of a
// table.
const lookAhead = 3

// resumes reports whether the text goes on after a few lines of something else,
// and no other text begins.
func resumes(at source.Cursor, foreign, begins, belongs func(string) bool) bool {
	for n := 0; at.More() && n < lookAhead; {
		line, after := at.Next()
		at = after
		switch {
		case isBlank(line):
			continue
		case begins(line):
			return false
		case belongs(line):
			return true
		case foreign != nil && foreign(line):
			return false
		}
		n++
	}
	return false
}

// spanOf is a line without the blanks around it.
func spanOf(at source.Cursor, line string) source.Span {
	begin := 0
	for begin < len(line) && isSpace(line[begin]) {
		begin++
	}
	end := len(line)
	for end > begin && isSpace(line[end-1]) {
		end--
	}
	return source.Span{File: at.File, Offset: at.Offset + begin, Len: end - begin, Line: at.Line}
}
