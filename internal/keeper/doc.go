// Package keeper keeps the shards of one node in a store of state: it opens their fences,
// sends out changes, and decides those whose answers are lost. It is policy once, for all
// stores.
//
//	k := keeper.New(keeper.Options{Store: store, Lost: ...})
//	k.Open(7, state.Owner{Cluster: id, Epoch: 4})
//	entries, more, err := k.Read(ctx, 7, state.Range{...}) // waits for the fence
//	k.Commit(7, change, func(rev state.Rev, err error) { ... })
//	k.Close(ctx, 7)
//
// An opening tries until the shard is closed or dropped. A change whose answer is lost makes
// its shard settle: the fence moves on under the token that is held, and then a read tells
// whether the change is there. If it is not, it goes out again. Meanwhile no other change of
// the shard goes out; callers see a delay. If the fence has gone to another owner, the shard
// is lost: what waits ends with state.ErrDeposed, or with [ErrInDoubt] where nobody can tell.
//
// Commit never blocks; its func may run before it returns, on any goroutine, and must not block.
// It may commit again. A key has one change under way at a time: its caller sees to that.
//
// core.go is pure. TestSimulation drives many cores over stores that delay, lose, repeat and
// refuse, and TestMutants breaks the rules one by one.
package keeper
