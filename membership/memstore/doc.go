// Package memstore keeps the records of a cluster in memory. It is for clusters whose
// nodes live in one process, as in tests, and for services that run alone.
//
//	store := memstore.New()
//	node := cluster.NewNode(cluster.NodeOptions{NumShards: 64, Membership: store, ...})
//
// The store never fails and never lags. It calls watchers in the order of the writes,
// on the goroutines that write. Package membership/storetest tests it.
package memstore
