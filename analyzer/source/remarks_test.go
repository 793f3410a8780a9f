package source_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcpath/svcpath/analyzer/source"
)

func TestRemarksStandForOthers(t *testing.T) {
	var r source.Remarks
	if len(r.All()) != 0 {
		t.Error("remarks about nothing")
	}
	for i := range 1000 {
		severity := source.Warning
		if i == 999 {
			severity = source.Error
		}
		r.Add(source.Diagnostic{Code: "bad", Severity: severity, Message: fmt.Sprint("line ", i), Unread: 1})
	}
	r.Add(source.Diagnostic{Code: "other", Message: "once"})
	all := r.All()
	if len(all) != 102 || all[101].Message != "once" || all[99].Message != "line 99" {
		t.Fatalf("%d remarks, the last is %q", len(all), all[len(all)-1].Message)
	}
	rest := all[100]
	if want := "900 more of the kind bad from here on, first: line 100"; rest.Message != want {
		t.Errorf("got %q", rest.Message)
	}
	if rest.Unread != 900 || rest.Severity != source.Error {
		t.Errorf("it stands for %d lines, %s", rest.Unread, rest.Severity)
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"-A X":                        `"-A X"`,
		"a\x1b[31m\"b\"":              `"a\x1b[31m\"b\""`,
		strings.Repeat("x", 60):       `"` + strings.Repeat("x", 60) + `"`,
		strings.Repeat("x", 61):       `"` + strings.Repeat("x", 60) + `"…`,
		strings.Repeat("ä", 31):       `"` + strings.Repeat("ä", 30) + `"…`,
		"x" + strings.Repeat("ä", 30): `"x` + strings.Repeat("ä", 29) + `"…`,
	} {
		if got := source.Quote(text); got != want {
			t.Errorf("Quote(%q) = %s, expected %s", text, got, want)
		}
	}
}
