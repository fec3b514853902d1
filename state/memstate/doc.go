// Package memstate keeps the state of entities in memory: for tests, and for programs of
// one process whose entities need to outlive passivation and hand-off only.
//
//	store := memstate.New()
//	token, err := store.Open(ctx, 7, state.Owner{}, state.Token{})
//
// It never fails and never lags; what it holds ends with the process. Commit calls done before it
// returns. Watchers are called by the goroutines that commit, in order, with the store's
// lock held. Package state/statetest tests it.
package memstate
