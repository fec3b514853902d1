// Package storetest tests what every membership.Store must do.
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) membership.Store { return memstore.New() })
//	}
//
// [Run] opens a new, empty store for each of its tests, one after the other. It tests
// the contract that stands on membership.Store, and nothing else of a store. A snapshot
// may take ten seconds to catch up with a write. For a watch's version the suite waits
// as long as go test lets it. How a store recovers from the loss of its servers needs
// tests of its own, as package natsstore has.
package storetest
