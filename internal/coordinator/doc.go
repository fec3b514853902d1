// Package coordinator runs an ownership.Core for one node: it carries events to
// the core, and carries out the core's effects at the store and at the node.
//
// One goroutine owns the core. Operations on the store and work on shards run
// beside it, each on a goroutine that posts an event at its end. The tasks of one
// shard run one after the other, so that a shard is never opened here
// before its last owner here has stopped. Run returns when all of these goroutines have ended.
package coordinator
