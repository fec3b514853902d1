// Package memstate keeps the state of entities in memory: for tests, and for programs of
// one process whose entities need to outlive passivation and hand-off only.
//
//	store := memstate.New()
//	token, err := store.Open(ctx, 7, state.Owner{}, state.Token{})
//
// The store never fails and is never late. The state in it ends with the process. Commit calls
// done before it returns. The goroutines that commit call the watchers, in order, with the store's
// lock held. Package state/statetest tests it.
package memstate
