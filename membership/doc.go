// Package membership is what a live cluster agrees on, and where that is kept: the [Store] that
// holds the records of nodes and shards, and the [Timing] of leases.
//
//	node := cluster.NewNode(cluster.NodeOptions{Membership: store, Timing: membership.FastTiming, ...})
//
// A node keeps a record in the store and renews it. Each shard has a record that names its
// owner. All nodes agree on one configuration. A store sees keys and bytes: package
// internal/record has what they mean.
//
// Package memstore keeps records in this process, and package natsstore in a JetStream
// bucket. A store of your own must pass package storetest.
//
// Which node owns a shard is decided by the nodes, not by the store.
// docs/reliability.md says what is promised, and under which assumptions.
package membership
