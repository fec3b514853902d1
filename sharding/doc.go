// Package sharding is the arithmetic of a cluster: key -> shard -> node. It
// imports no other package of the module, so that a gateway can hash keys with it alone.
//
//	layout := sharding.Layout{NumShards: 256, Seed: "prod"}
//	shard := layout.Shard("user-123")
//	mine := sharding.ShardsForNode("node-1", []string{"node-1", "node-2"}, 256, "prod")
//
// The mapping is a contract: the golden vectors in testdata keep it. The
// functions and [Layout] are safe for concurrent use, an [Assignment] is not.
// Nothing blocks. The tests lie beside the files that they test.
package sharding
