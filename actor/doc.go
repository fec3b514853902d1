// Package actor hosts one actor per key inside one process.
//
// A [Host] keeps, for each shard, a protoactor supervisor that lazily spawns one
// child per key and passivates the least recently used. A message goes straight
// to its key's mailbox; the shard actor spawns, supervises and passivates, and
// is on the way of no other message.
//
// An entity is written as a plain struct with methods:
//
//	var Accounts = actor.Define("account", func(key string) *Account { return &Account{} },
//		actor.OnRequest((*Account).Deposit),
//		actor.OnActivate((*Account).load),
//		actor.OnPassivate((*Account).flush),
//		actor.PassivateAfter(10*time.Minute),
//	)
//
// or as a protoactor actor ([Actor] is protoactor's own), which is hosted as it
// is: Receive, ctx.Respond, behaviours, receive timeouts, children. Package
// handlers makes either into a handler for a node.
//
// Promises: one message at a time per key, in the order of [Host.Deliver]; one
// incarnation per key at a time, whose stop hook has ended before the next one
// starts; a key that is busy, has mail or owes an answer that it gives later is
// never stopped for want of room or use; what arrives while it stops goes to the
// next incarnation, in order. Keys never
// wait for each other, unless the pool's limit on running handlers is reached.
// Hooks have a limit too ([HostOptions].HookTimeout): a key whose hook ignores it
// is closed, with a typed refusal, until the hook returns.
//
// Nothing here knows of envelopes or transports. The tests lie beside the files
// that they test; lifecycle_test.go holds the races.
package actor
