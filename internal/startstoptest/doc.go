// Package startstoptest holds the contract of every type that starts goroutines, and the
// test that each of them survives.
//
// A value of such a type lives once. There are two shapes.
//
// A node or a coordinator has Run. Run blocks until its context has ended and
// everything that it has started has ended. A planned end is no error at any moment, even if the
// context has ended before Run. If there is a Ready channel, the value
// can be used when that channel is closed. A second Run, beside the first or after it, is refused
// at once and does not disturb the first.
//
// A transport, a dispatcher, a store or a host of actors is open when it is made, and has
// Close. Close returns when everything that was started has ended. It may be called again, even
// at the same moment: each call waits for the same end, and returns nil. It may be called
// on a value that was never used.
//
// Both refuse calls after the end, with an error that says so. No call from before
// goes on when Run or Close has returned.
//
// [Run] and [Close] test that.
package startstoptest
