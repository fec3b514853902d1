// Package transporttest is the suite that every transport must pass, and the benchmarks
// that compare transports.
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, transporttest.Harness{New: newPair})
//	}
//
// The suite asks a [Harness] for pairs of a client and a server, and knows nothing else
// about them. They may be one object or two connections, so no test relies on shared
// memory. Where backends may differ, the harness says in [Features] what its backend
// promises. Nothing depends on a backend's name.
//
// Each file has the tests of one subject: requests, deadlines, errors, notify, order,
// limits, lifecycle, badinput, ownership, outcomes and leaks. Epochs, gates and moves
// are for transports whose shards change owners ([Features.Epochs]). The tests wait for
// events and never for a length of time. [patience] only bounds the wait of a test that
// fails.
package transporttest
