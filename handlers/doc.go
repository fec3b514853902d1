// Package handlers makes handlers of user code. What they host is kept by
// internal/hosting, the only place where envelopes and actors meet.
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
// (dispatch.Lifetime), and ends with the node. A handler that serves two kinds of one node
// hosts each apart. A handler that is called without a node, as in a unit test, hosts for
// as long as the process runs. So a func that wraps a handler must pass on the context that
// it was given, or one derived from it.
//
// Logs, traces, rights and limits belong around every message, in an [Around]: an option of
// a handler, and of a node. It runs on the key's turn.
//
// A node hands calls to the host directly (hosting.Bind). A handler that is called by another
// func is a nested call: the func waits for the key's actor and gives its worker away
// meanwhile. Order, errors and outcomes are the same either way. Only the early
// acknowledgement is lost: a notification is acknowledged when the func has returned. The
// node learns that a func calls a handler when the func first does so, and acknowledges at
// once until then. What the func has queued counts as one more call.
//
// The tests lie beside the files that they test. codes_test.go has the code and outcome of
// each failure.
package handlers
