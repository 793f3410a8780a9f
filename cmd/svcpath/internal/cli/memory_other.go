//go:build !linux

package cli

// largePagesAreAskedFor reports that nobody is asked for large pages: only Linux is.
func largePagesAreAskedFor() bool { return false }

func largePages(int64) []byte { return nil }
