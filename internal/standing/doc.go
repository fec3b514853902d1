// Package standing is what a node may do for a shard in one epoch: one value with one
// transition, which the shard's gate, its subscription and its hosts share.
package standing
