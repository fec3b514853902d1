// Package standing is what a node may do for a shard in one epoch: one value with one
// transition, which the coordinator, the subscription and the shard's hosts share.
package standing
