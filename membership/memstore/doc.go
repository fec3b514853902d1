// Package memstore keeps the records of a cluster in memory: for clusters whose
// nodes live in one process, in tests and in services that run alone.
//
//	store := memstore.New()
//	node := cluster.NewNode(cluster.NodeOptions{NumShards: 64, Membership: store, ...})
//
// It never fails and never lags. Watchers are called in the order of the writes,
// by those who write. Package membership/storetest tests it.
package memstore
