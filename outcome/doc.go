// Package outcome has what a caller is told of a call: the [Error] that a failed call
// returns, its [Outcome], which says whether the work ran, and the sentinels, each with a
// stable code that travels on the wire.
//
//	if err != nil && outcome.Of(err).NeverRan() {
//		// safe to try again
//	}
//
// errors.Is and errors.As hold on the caller's side of every transport, for the sentinels
// here and for what an application registers with [RegisterError] and
// [RegisterErrorType].
//
// The package imports none of the other packages that a user sees, so that a store, a
// core and a transport can speak of errors without knowing each other.
package outcome
