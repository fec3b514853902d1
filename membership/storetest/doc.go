// Package storetest is what every membership.Store must keep.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) membership.Store { return memstore.New() })
//	}
//
// [Run] takes a new, empty store for each of its tests, one after the other, and
// knows nothing else of it: the contract stands on membership.Store. A snapshot may
// take ten seconds to catch up with what was written; for a hint the suite waits as
// long as go test lets it. How a store mends what is lost with its servers is for
// tests of its own, as natsstore has them.
package storetest
