// Package startstoptest holds the contract of everything that starts goroutines, and the
// test that all of it survives.
//
// Such a thing lives once. It has one of two shapes.
//
// What runs (a node, a coordinator) has Run. Run blocks until its context has ended and
// all that it has started has. A planned end is no error, at whatever moment it comes, a
// context that has ended before Run included. Where there is a Ready channel, the thing
// can be used once that is closed. A second Run, beside the first or after it, is refused
// at once and does not disturb the first.
//
// What is open when it is made (a transport, a dispatcher, a store, a host of actors) has
// Close. Close returns when all that was started has ended. It may be called again, also
// at the same moment: each call waits for the same end, and returns nil. It may be called
// on a thing that was never used.
//
// Both refuse what comes after the end, with an error that says so. Nothing of what came
// before goes on when Run or Close has returned.
//
// [Run] and [Close] test that.
package startstoptest
