// Package host hosts one actor per key inside one process: the runtime below package actor.
//
// A [Host] keeps, for each shard, a protoactor supervisor that spawns one child per key
// when its first message comes, and passivates the least recently used. A message goes
// straight to its key's mailbox. The supervisor spawns, supervises and hears of ends, and
// is on the way of no other message.
//
// What a key runs is an [Entity], which package actor makes of typed methods and
// internal/hosting of plain funcs, or a protoactor actor as it is. What a message is sent
// with is a [Call], which internal/hosting makes of an envelope's.
//
// Promises: one message at a time per key, in the order of [Host.Deliver]; one
// incarnation per key at a time, whose stop hook has ended before the next one
// starts; a key that is busy, has mail or owes an answer that it gives later is
// never stopped for want of room or use; what arrives while it stops goes to the
// next incarnation, in order. Keys never wait for each other, unless the pool's limit on
// running handlers is reached. Hooks have a limit ([Options].HookTimeout): a key whose hook
// ignores it is closed, with a typed refusal, until the hook returns.
//
// Nothing here knows of envelopes, transports or definitions. The tests lie beside the
// files that they test; lifecycle_test.go and cutoff_test.go hold the races.
package host
