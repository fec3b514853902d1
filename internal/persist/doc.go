// Package persist knows what of an actor is stored, and how: its encoding, its version, what of it has changed since,
// and which types can be stored at all. It calls the actor's own code, so its funcs belong on the turn of the actor's
// key. It knows nothing of stores, turns and keys.
package persist
