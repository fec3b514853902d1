// Package natsstore keeps the records of a cluster in a JetStream key-value
// bucket: for clusters whose nodes are processes of their own.
//
//	store, err := natsstore.Open(ctx, natsstore.Options{URL: "nats://localhost:4222"})
//	if err != nil { ... }
//	defer store.Close()
//	node := cluster.NewNode(cluster.NodeOptions{NumShards: 1024, Membership: store, ...})
//
// # The bucket
//
// All records of a cluster are in one bucket, clstr_members for the prefix
// "clstr", so that one sequence orders members and shards: a revision is a
// sequence of its stream. [Open] makes it, with three replicas where the servers
// are clustered, in files, with one version of each record; or uses the one that
// is there, and says what is wrong with one that cannot serve. It needs
// nats-server 2.11. The key "bucket" is the store's own.
//
// A write is a publication that the stream accepts at the expected revision only.
// A removed record leaves a marker for a minute, which has a revision of its own.
// A read asks the stream's leader. A snapshot asks any replica, which may be late
// and says how late; shards are read in blocks, each of one moment, and the whole
// is as of the oldest. What is written is also published by the servers, to
// clstr.ev.<key>, and that is what watches see. Hints are lost where the
// connection, or the stream's leader, is.
//
// The leader of a stream that was stopped and goes on may answer one read with
// an old version before it hears that there is another; its writes fail.
//
// # Connections and permissions
//
// A store has a connection of its own, apart from the one that carries requests,
// which knows a dead server within six seconds and never sends what was given to
// it while it was cut off. Give the two different users. The store's needs what
// [ControlPermissions] lists:
//
//	publish    $KV.clstr_members.>                   records
//	           $JS.API.STREAM.INFO.KV_clstr_members
//	           $JS.API.STREAM.CREATE.KV_clstr_members (not if the bucket is there)
//	           $JS.API.STREAM.MSG.GET.KV_clstr_members
//	           $JS.API.DIRECT.GET.KV_clstr_members
//	subscribe  clstr.ev.>                            hints
//	           clstr.ctl.>                           the inboxes of these connections
//
// The transport's user carries requests and replies, and no more. Each user has an
// inbox prefix of its own. The nodes' user, here called data:
//
//	nats.CustomInboxPrefix("_INBOX.data")
//	publish    clstr.s.>  clstr.who  clstr.own  _INBOX.>
//	subscribe  clstr.s.>  clstr.who  clstr.own  _INBOX.data.>
//
// A client, here called alice:
//
//	nats.CustomInboxPrefix("_INBOX.alice")
//	publish    clstr.s.>  clstr.who
//	subscribe  clstr.own  _INBOX.alice.>
//
// So neither can write a record, nor have a node write one by a reply subject,
// nor forge a hint or the answer of a server: these are outside of what they may
// publish. And no client sees what another is answered. A client that may subscribe to
// all of _INBOX.> reads every reply in the account. It also learns the inboxes of
// others: if it sends a request with one of those as the reply subject, the node's
// answer ends the other's call. Only the servers publish clstr.ev.>: allow it to no
// user.
//
// Package membership/storetest tests it, and tests here show the permissions.
package natsstore
