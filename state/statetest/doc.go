// Package statetest is the suite that every state.Store must pass.
//
//	func TestStore(t *testing.T) {
//		statetest.Run(t, statetest.Harness{New: func(*testing.T) func(adopt bool) state.Store {
//			s := memstate.New()
//			return func(adopt bool) state.Store { ... return s }
//		}})
//	}
//
// [Run] asks for a new, empty place for each of its tests, and opens several stores on it, as
// several processes would. It knows nothing else about a store: the contract stands on state.Store.
// It waits for hints and for the end of a TTL as long as go test lets it.
package statetest
