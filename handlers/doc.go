// Package handlers makes handlers of user code. Package internal/hosting, the only place where
// envelopes and actors meet, keeps what they host.
//
//	h := handlers.NewActorHandler(Accounts.New)                       // typed entities, protoactor actors
//	h := handlers.NewKeyHandler(func(key string) (transport.HandlerFunc, error) { ... }) // a func per key
//
// Either way each key is an actor. It starts on the key's first message and is passivated
// after it has been idle. It handles one message at a time, and the messages of one sender
// in the order in which they were sent. Different keys run side by side.
//
// A handler is a bare func and has no Close, and one func may serve several nodes. So what
// a handler hosts belongs to the lifetime that each node puts into the context
// (dispatch.Lifetime), and ends with the node. A func that wraps a handler must therefore pass on
// the context that it was given, or one derived from it. A handler that serves two kinds of one node
// hosts the keys of each kind apart. If a handler is called without a node, as in a unit test, its
// keys live as long as the process.
//
// Put logs, traces, rights and limits into an [Around]. It is an option of
// a handler and of a node, and runs around every message, on the key's turn.
//
// A node hands calls to the host directly (hosting.Bind). If another func calls a handler, that
// is a nested call: the func waits for the key's actor and gives its worker away
// meanwhile. Order, errors and outcomes are the same either way. Only the early
// acknowledgement is lost: a notification is acknowledged when the func has returned. The
// node finds out that a func calls a handler when the func first does so, and until then
// acknowledges at once. The messages that the func has queued count as further calls.
//
// The tests lie beside the files that they test. codes_test.go has the code and outcome of
// each failure.
package handlers
