// Package coordinator runs an ownership.Core for one node: it carries events to
// it and does what it wants done, at the store and at the node.
//
// One goroutine owns the core. Operations on the store and work on shards run
// beside it, each on a goroutine that posts an event at its end; work on one
// shard is done one thing after the other, so that a shard is never opened here
// before its last owner here has stopped. Run returns when all of them have ended.
package coordinator
