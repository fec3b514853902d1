// Package keeper keeps the shards of one node in a store of state. It opens their fences,
// sends out changes, and finds out whether a change is stored if its answer is lost. It does this
// for all kinds of stores.
//
//	k := keeper.New(keeper.Options{Store: store, Lost: ...})
//	k.Open(7, state.Owner{Cluster: id, Epoch: 4})
//	entries, more, err := k.Read(ctx, 7, state.Range{...}) // waits for the fence
//	k.Commit(7, change, func(rev state.Rev, err error) { ... })
//	k.Close(ctx, 7)
//
// The keeper tries to open a shard until the shard is closed or dropped. If the answer to a change
// is lost, its shard settles: the keeper moves the fence with the token that it holds, and then
// a read tells whether the change is there. If it is not, it goes out again. Meanwhile no other
// change of the shard goes out, and callers see a delay. If the fence has gone to another owner, the
// shard is lost: changes that wait end with state.ErrDeposed, or with [ErrInDoubt] if they may be
// stored.
//
// A read waits for the fence. If the store fails, it is asked again for up to 10 s, and callers see a delay.
//
// Commit never blocks. Its func may run before Commit returns, on any goroutine, and must not block.
// It may call Commit again. The caller sends at most one change of a key at a time.
//
// core.go is pure. TestSimulation drives many cores over stores that delay, lose, repeat and
// refuse, and TestMutants breaks the rules one by one. In TestSimulationOfAll the cores of
// internal/ownership decide where shards are.
package keeper
