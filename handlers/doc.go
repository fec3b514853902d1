// Package handlers makes handlers of user code. What they host is kept by
// internal/hosting, the only place where envelopes and actors meet.
//
//	h := handlers.NewActorHandler(Accounts.New)                       // typed entities, protoactor actors
//	h := handlers.NewKeyHandler(func(key string) (transport.HandlerFunc, error) { ... }) // a func per key
//
// Either way each key is an actor: its messages are handled one at a time, in
// the order in which one sender sent them, beside those of all other keys; it is
// made when it is first needed and passivated when it was not for long.
//
// A handler is a bare func and has no Close, and one func may serve several
// nodes. So what it hosts hangs on the lifetime that each node puts into the
// context (dispatch.Lifetime), and ends with the node. A func that serves two
// kinds of one node hosts each apart. Called without a node, as in a unit test,
// it hosts for as long as the process runs: what wraps a handler must pass on
// the context that it was given, or one derived from it.
//
// What belongs around every message, such as logs, traces, rights and limits, is an
// [Around]: an option of a handler, and of a node. It runs on the key's turn.
//
// A node hands calls to the host directly (hosting.Bind). A handler that is called by another
// func is a nested call: the func waits for the key's actor and gives its worker away
// meanwhile. Order, errors and outcomes are the same either way. The func loses the early
// acknowledgement: a notification is acknowledged when the func has returned. A node
// learns this when the func first calls a handler, and acknowledges at once until then.
// What the func has queued counts by itself, as one more call.
//
// The tests lie beside the files that they test; each failure's code and
// outcome are in codes_test.go.
package handlers
