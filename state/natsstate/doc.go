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
// For the prefix "clstr" there are two streams. [Open] makes them, in files, with three replicas if
// the servers are clustered. If the streams are there, Open uses them, and says what is wrong with a
// stream that cannot serve. They need nats-server 2.12.
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
// Stream clstr_inbox is for mail from clients, clstr.in.<shard>.<kind>.<key>. It allows no rollup,
// schedules or batches: with those, a user that may publish one subject of a stream
// can change all of the stream by a header.
//
// The body of a message is the user's own: JSON or protobuf. The data of clstr is in the header
// Clstr, as one JSON object. If a kind or key has only letters, digits, - and _, it is its own token.
// Otherwise the token is "=" and base64, or, if that is too long, "==" and a hash, with the names in
// headers. The servers publish what is stored to clstr.dv.> and clstr.inv.>, and watches see that.
//
// A change that stores one thing is one publication. The stream accepts it only with the shard's
// newest fence. Other changes are atomic batches. With one replica, changes go side by side. With
// several, the changes of all keys and shards go together, one batch at a time.
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
// A tool that reads state and changes none has the option Existing, and needs [LookPermissions]: to
// publish to STREAM.INFO of both streams and to DIRECT.GET of the first, and its answers.
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
// It also needs its inbox. NATS does not check where an answer goes. So each user that may ask JetStream, or publish to a
// stream, can have an answer stored in the place of a record. Then that record is lost. docs/security.md shows how an account
// of its own keeps a watcher from that. A client that may see a record also sees its headers, and they hold the
// replies to commands. A client that may send mail may send it in the name of any other client. It
// can also keep back the mail of another client if it guesses that mail's ID, because the server
// finds repeats by Nats-Msg-Id in the whole stream.
//
// Package state/statetest tests it, and tests here show the permissions.
package natsstate
