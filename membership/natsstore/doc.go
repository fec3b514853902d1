// Package natsstore keeps the records of a cluster in a JetStream key-value bucket. It
// is for clusters whose nodes are processes of their own.
//
//	store, err := natsstore.Open(ctx, natsstore.Options{URL: "nats://localhost:4222"})
//	if err != nil { ... }
//	defer store.Close()
//	node := cluster.NewNode(cluster.NodeOptions{NumShards: 1024, Membership: store, ...})
//
// # The bucket
//
// All records of a cluster are in one bucket, clstr_members for the prefix "clstr". So
// one sequence orders members and shards: a revision is a sequence number of the
// bucket's stream. [Open] makes the bucket: in files, with one version of each record,
// and with three replicas if the servers are clustered. If the bucket exists, Open uses
// it, or says why it cannot serve. The server must be nats-server 2.11 or newer. The key
// "bucket" is the store's own.
//
// A write is a message that the stream accepts only at the expected revision. A removed
// record leaves a marker for a minute, which has a revision of its own. A read asks the
// stream's leader. A snapshot asks any replica, which may be late and says how late it
// is. Shards are read in blocks. Each block shows one moment, and the snapshot as a whole
// is as old as its oldest block. The servers also publish each write to clstr.ev.<key>,
// and watches listen there. A watch misses writes while its connection, or the stream's
// leader, is down.
//
// A leader that was stopped and goes on may answer one read with an old version, before
// it hears that there is another leader. Its writes fail.
//
// # Connections and permissions
//
// A store has a connection of its own beside the one that carries requests. It notices
// a dead server within six seconds. What it was given to send while it was cut off, it
// never sends. Give the two connections different users. The store's user needs what
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
// The transport's user carries requests and replies, and nothing else. Each user has an
// inbox prefix of its own. The nodes' user, here called data:
//
//	nats.CustomInboxPrefix("_INBOX.data")
//	publish    clstr.n.>  clstr.who  clstr.own  _INBOX.>
//	subscribe  clstr.n.>  clstr.who  clstr.own  _INBOX.data.>
//
// A client, here called alice:
//
//	nats.CustomInboxPrefix("_INBOX.alice")
//	publish    clstr.n.>  clstr.who
//	subscribe  clstr.own  _INBOX.alice.>
//
// So neither user can write a record, make a node write one through a reply subject, or
// forge a server's answer or a watch's message: all these need subjects that the user may
// not publish to. And no client sees the replies to another. A client that may subscribe
// to all of _INBOX.> reads every reply in the account. It also learns the inboxes of other
// clients. If it sends a request with one of those as the reply subject, the node's answer
// ends the other client's call. Only the servers publish to clstr.ev.>: allow it to no
// user.
//
// Package membership/storetest tests the store, and the tests here show the permissions.
package natsstore
