// Package host hosts one actor per key inside one process: the runtime below package actor.
//
// A [Host] keeps, for each shard, a protoactor supervisor. The supervisor spawns one child for
// each key when the key's first message comes, and passivates the least recently used. Messages go
// straight to the mailbox of their key. The supervisor spawns and supervises keys and hears of their
// ends. No other message passes through it.
//
// A key runs an [Entity], which package actor makes of typed methods and
// internal/hosting of plain funcs, or it runs a protoactor actor as it is. A message comes
// with a [Call], which internal/hosting makes of an envelope's call.
//
// Promises: A key handles one message at a time, in the order of [Host.Deliver]. A key has one
// incarnation at a time, and its stop hook has ended before the next one
// starts. A key that is busy, has mail or owes a later answer is
// never stopped to make room or because it is idle. Messages that arrive while a key stops go to the
// next incarnation, in order. Keys never wait for each other, unless the pool's limit on
// running handlers is reached. Hooks have a limit ([Options].HookTimeout): a key whose hook
// ignores the limit refuses messages, with a typed error, until the hook returns.
//
// Nothing here knows of envelopes, transports or definitions. The tests lie beside the
// files that they test; lifecycle_test.go and cutoff_test.go hold the races.
package host
