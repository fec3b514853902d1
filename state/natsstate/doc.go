// Package natsstate keeps the state of entities in JetStream: for clusters whose nodes are
// processes of their own.
//
//	store, err := natsstate.Open(ctx, natsstate.Options{URL: "nats://localhost:4222"})
//	if err != nil { ... }
//	defer store.Close()
//	token, err := store.Open(ctx, 7, state.Owner{}, state.Token{})
//
// # The streams
//
// For the prefix "clstr" there are two. [Open] makes them, in files, with three replicas where the
// servers are clustered; or uses those that are there, and says what is wrong with one that
// cannot serve. They need nats-server 2.12.
//
// Stream clstr_state is for nodes only:
//
//	clstr.d.own                        the signature: cluster and layout
//	clstr.d.f.<shard>                  the shard's fence
//	clstr.d.k.<shard>.<kind>.<key>     the newest record of a key
//	clstr.d.e.<shard>.<kind>.<key>     its events
//	clstr.d.m.<shard>.<kind>.<key>     mail from entities
//	clstr.d.r.<shard>.<kind>.<key>     its reminders
//	clstr.d.p.<shard>.<kind>.<key>     parked mail
//	clstr.d.i.<shard>.<kind>.<key>     commands that no longer fit into the record
//
// Stream clstr_inbox is for mail from clients, clstr.in.<shard>.<kind>.<key>. It is plain, because
// a user that may publish one subject of a stream with rollup, schedules or batches can
// change all of it by a header.
//
// A message's body is the user's own: JSON or protobuf. What is clstr's is in the header Clstr, as one
// JSON object. A kind or key of letters, digits, - and _ is a token as it is; others are "=" and
// base64, and long ones "==" and a hash, with the names in headers. The servers publish what is stored
// to clstr.dv.> and clstr.inv.>, and that is what watches see.
//
// A change that stores one thing is one publication, which the stream accepts under the shard's
// newest fence only. Others are atomic batches. With one replica changes go side by side; with
// several, those of all keys and shards go together, one batch at a time.
// A read of one key proves that it is fresh, by the sequence that the answering replica had
// reached.
//
// # Connections and permissions
//
// A store has a connection of its own. [NodePermissions] lists what its user needs:
//
//	publish    clstr.d.>  clstr.in.>
//	           $JS.API.STREAM.INFO.clstr_state        $JS.API.STREAM.INFO.clstr_inbox
//	           $JS.API.STREAM.CREATE.clstr_state      $JS.API.STREAM.CREATE.clstr_inbox (not if they are there)
//	           $JS.API.STREAM.MSG.DELETE.clstr_state  $JS.API.STREAM.MSG.DELETE.clstr_inbox
//	           $JS.API.DIRECT.GET.clstr_state         $JS.API.DIRECT.GET.clstr_inbox
//	subscribe  clstr.dv.>  clstr.inv.>  clstr.sti.>
//
// A client opens a store with Client set, for Append and Watch. It needs [ClientPermissions], to
// send mail:
//
//	publish    clstr.in.>
//
// and [WatchPermissions] for the kinds whose records it may see:
//
//	publish    $JS.API.DIRECT.GET.clstr_state.clstr.d.k.*.account.>
//	subscribe  clstr.dv.k.*.account.>
//
// It also needs its inbox. What it sees of a record are its headers too, and those hold replies to
// commands. A client that may send mail may send it in the name of any other, and, as the server
// tells repeats by Nats-Msg-Id in the whole stream, keep back another's mail whose ID it can guess.
//
// Package state/statetest tests it, and tests here show the permissions.
package natsstate
