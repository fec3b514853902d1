// Package transporttest is the suite that every transport passes, and the
// benchmarks by which transports are compared.
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, transporttest.Harness{New: newPair})
//	}
//
// The suite asks a [Harness] for pairs of a client and a server and knows nothing
// else about them: they may be one object or two connections, so no test rests
// on shared memory. Where backends may differ, the harness says what its backend
// promises in [Features]; nothing depends on a backend's name.
//
// The tests lie in files by what they are about: requests, deadlines, errors,
// notify, order, limits, lifecycle, badinput, ownership, outcomes, leaks, and
// epochs, gates and moves for transports whose shards change owners ([Features.Epochs]). They
// wait for events and never for a length of time; [patience] only bounds the
// wait of a test that fails.
package transporttest
