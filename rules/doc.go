// Package rules is the place of svcpath's review checks: everything that the
// tool can have an opinion about, one file an opinion, each an audit check with
// an example that is documentation and test in one.
//
// A check asks analyses, which lie in analyzer, and never text. Opinions
// belong here and nowhere else: the analyses state facts. No check has been
// written yet, so the package exports nothing.
package rules
