package source

import "fmt"

// Severity says how much a Diagnostic matters for the answers that follow.
type Severity uint8

// The zero Severity is invalid, so that a forgotten one shows.
const (
	_ Severity = iota
	// Info is worth knowing and changes no answer.
	Info
	// Warning means that an answer may rest on less than it seems.
	Warning
	// Error means that a part of the input could not be used.
	Error
)

// String is the word used in every output: "info", "warning" or "error".
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return fmt.Sprintf("Severity(%d)", uint8(s))
}

// A Diagnostic is a remark about the input: something not understood, missing,
// or at odds with itself. Message is one clause, lower case, no full stop; it
// may quote the input, so whoever prints it escapes it.
type Diagnostic struct {
	Severity Severity
	Pos      Position
	// Code groups remarks of one kind ("unread-lines", "dangling-jump").
	Code    string
	Message string
	// Unread counts the input's lines that were not understood; only
	// diagnostics about text that was passed over have it above 0. With
	// --strict each of them is an error.
	Unread int
}

// String is the diagnostic as an error message reads: "path:line: message".
func (d Diagnostic) String() string {
	if !d.Pos.IsValid() {
		return d.Message
	}
	return d.Pos.String() + ": " + d.Message
}
