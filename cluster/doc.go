// Package cluster is the front door of clstr: one actor per key, hosted on the
// node that owns the key's shard, behind NATS or in one process.
//
//	node := cluster.NewNode(cluster.NodeOptions{
//		Transport: tr,
//		Shards:    cluster.ShardsForNode("node-1", ids, 64, ""),
//		Handler:   cluster.NewActorHandler(Accounts.New),
//		NodeID:    "node-1",
//		NumShards: 64,
//	})
//	go node.Run(ctx)
//	<-node.Ready()
//
//	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64})
//	balance, err := cluster.NewRequest[Deposit, Balance](client.Key("acc-1")).Request(ctx, Deposit{100})
//
// # The path of one request
//
//	cluster/client.go               Client.Key("user-123").Request   names the message, encodes it
//	sharding                        key -> shard                     user-123 -> shard 7
//	cluster                         newEnvelope                      the only birthplace of an Envelope
//	memtransport | natstransport    Request                          to whoever owns shard 7
//	transport/dispatch.go           Dispatcher                       expired? room? deadline? panic?
//	cluster/accept.go               Node.Accept                      built-in messages, layout, metrics
//	handlers/keyed.go               key out of the envelope          finds this node's host
//	actor/shard.go                  shard actor, supervisor of 7     finds or activates the per-key actor
//	user code                       per-key actor                    one message at a time
//	transport/call.go               reply                            goes straight back
//
// # What is promised
//
// One message at a time per key, in the order in which one sender sent them. A
// call has exactly one outcome: a reply, or an [*Error] with a stable code and
// one of [NotSent], [NotStarted], [MaybeRan] and [RanAndFailed]. Request blocks
// until then, at most until its context's deadline, or 30 seconds. Notify blocks
// until the owner has accepted the message, never for the handler.
//
// The tests lie beside the files; package transporttest holds what all
// transports keep, and package testkit what users' tests need.
package cluster
