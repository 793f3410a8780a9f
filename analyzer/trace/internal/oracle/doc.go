// Package oracle holds the tests that compare package trace with the kernel:
// for the same rules and the same packets both must tell the same ends, and the
// kernel's must come as often as the trace says. The rules are recordings of
// kube-proxy, with flows that follow from what it was told, and generated ones,
// with packets aimed at the edges of their conditions.
//
// The tests need root, see kernel.Require. SVCPATH_ORACLE=N asks for N times as
// many flows and rulesets, SVCPATH_RECORDINGS=DIR for more recordings.
package oracle
