// Package state is the seam between entities and the stores that keep their state: five
// methods, the types that they use, and errors. It links the standard library only.
//
//	store := memstate.New()
//	token, err := store.Open(ctx, shard, state.Owner{Epoch: 4}, state.Token{})
//	store.Commit(state.Change{
//		Token: token, Kind: "account", Key: "alice",
//		Record: &state.Record{Number: 1, State: []byte(`{"Balance":5}`)},
//	}, func(rev state.Rev, err error) { ... })
//	entries, more, err := store.Read(ctx, token, state.Range{Place: state.Records, Shard: shard, Kind: "account", Key: "alice"})
//
// # Fences
//
// Each shard has a fence. [Store.Open] moves it and returns a [Token]; the store accepts a
// change only under its shard's newest token. So an owner that has been replaced can store
// nothing more, whatever its clock says.
//
// # Doubt
//
// The answer to a change may be lost. Then Open moves the fence once more, with the token that
// the owner holds. After that, a change that was on its way is stored or never will be. A read
// tells which, by the number in the key's record. [Refused] says which errors leave no doubt.
//
// # Order and blocking
//
// Commit never blocks, and its func may run before Commit returns. Changes of different
// keys may be stored in any order. A caller has at most one change of a key under way at a time.
// A [Rev] grows within its shard and place. The calls of a watch are hints: they may come late or
// never.
//
// Package state/statetest is the suite that every store passes. Package state/memstate is a
// store in memory.
package state
