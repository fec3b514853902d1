// Package cluster is the two ends of clstr: a client, and a node that hosts one actor per
// key of the shards that it owns, behind NATS or in one process.
//
//	node := cluster.NewNode(cluster.NodeOptions{
//		Transport: tr,
//		Shards:    cluster.ShardsForNode("node-1", ids, 64, ""),
//		Handler:   cluster.NewActorHandler(Accounts.New),
//		NodeID:    "node-1",
//		NumShards: 64,
//	})
//	stop, err := node.Start(ctx)
//
//	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: 64})
//	balance, err := cluster.NewRequest[Deposit, Balance](client.Key("acc-1")).Request(ctx, Deposit{100})
//
// Most programs let package clstr, at the module's root, put these together: clstr.Open.
//
// # The path of one request
//
//	cluster/client.go               Client.Key("user-123")           a client for one key
//	sharding/hash.go                Layout.Shard                     user-123 -> shard 7, once
//	cluster/scoped.go               ScopedClient.Request             names the message, encodes or copies it
//	cluster/envelope.go             newEnvelope                      the only birthplace of an Envelope
//	cluster/send.go                 caller.send                      default deadline; tries again what never ran
//	memtransport | natstransport    Request                          to the owner of shard 7
//	internal/dispatch/sub.go        Sub.Dispatch                     draining? room? expired? for all transports alike
//	cluster/accept.go               intake.Accept                    built-in messages, layout, kind, metrics
//	internal/hosting/keyed.go       hosted.Accept                    key out of the envelope, this node's host
//	internal/host/shard.go          shard.deliver                    the key's mailbox; the shard actor spawns what is new
//	internal/host/cell.go           cell.Run                         one message at a time, on a worker of internal/pool
//	your code                       (*Account).Deposit
//	internal/dispatch/answer.go     Call.answer                      straight back, once; no shard actor on the way home
//
// # What is promised
//
// Each key handles one message at a time, and the messages of one sender in the order in
// which they were sent. A call has exactly one outcome: a reply, or an [*Error] with a
// stable code and one of [NotSent], [NotStarted], [MaybeRan] and [RanAndFailed]. Request
// blocks until the outcome is known: until its context's deadline at most, or for 30
// seconds without one. Notify blocks until the owner has accepted the message, and does not
// wait for the handler.
//
// The tests lie beside the files. Package transporttest holds the suite that all transports
// pass, and package testkit what users' tests need.
package cluster
