// Package statetest is what every state.Store must keep.
//
//	func TestStore(t *testing.T) {
//		statetest.Run(t, statetest.Harness{New: func(*testing.T) func(adopt bool) state.Store {
//			s := memstate.New()
//			return func(adopt bool) state.Store { ... return s }
//		}})
//	}
//
// [Run] takes a new, empty place for each of its tests, and opens several stores on it, as
// processes would. It knows nothing else of a store: the contract stands on state.Store. It
// waits for hints and for the end of a TTL as long as go test lets it.
package statetest
