// Package handlers makes handlers of user code: the only place where envelopes
// and actors meet.
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
// context (transport.Lifetime), and ends with the node. A func that serves two
// kinds of one node hosts each apart. Called without a node, as in a unit test,
// it hosts for as long as the process runs: what wraps a handler must pass on
// the context that it was given, or one derived from it.
//
// A node hands calls to the host directly ([Bind]); a handler that is called as
// a func, because it is wrapped or its transport knows only funcs, waits for
// its actor and gives way meanwhile. A notification to a wrapped handler counts
// as accepted when it was passed on, or when what wraps the handler has returned
// without; until a node has seen its handler pass a call on it cannot know that it
// does, and acknowledges at once. Order, errors and outcomes are the same either
// way.
//
// The tests lie beside the files that they test; each failure's code and
// outcome are in codes_test.go.
package handlers
