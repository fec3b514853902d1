// Package membership is what a live cluster agrees on, and where that is kept: the
// records of nodes and shards, the [Store] that holds them, and the [Timing] of leases.
//
//	node := cluster.NewNode(cluster.NodeOptions{Membership: store, Timing: membership.FastTiming, ...})
//
// A node keeps a [Member] record in the store and renews it. Each shard has a [Shard]
// record that names its owner. All nodes agree on one [Config]. A tool can read the
// records of any store ([Decode], [DecodeShard]).
//
// Package memstore keeps records in this process, and package natsstore in a JetStream
// bucket. A store of your own must pass package storetest.
//
// Which node owns a shard is decided by the nodes, not by the store.
// docs/reliability.md says what is promised, and under which assumptions.
package membership
