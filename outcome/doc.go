// Package outcome has the errors of calls: the [Error] that a failed call
// returns, its [Outcome], which says whether the work ran, and the sentinels, each with a
// stable code that travels on the wire.
//
//	if err != nil && outcome.Of(err).NeverRan() {
//		// safe to try again
//	}
//
// errors.Is and errors.As hold on the caller's side of every transport, for the sentinels
// here and for the errors that an application registers with [RegisterError] and
// [RegisterErrorType].
//
// The package imports no other public package of the module, so that a store, a
// core and a transport can use the same errors without knowing each other.
package outcome
