// Package natstransport connects clients and nodes of many processes through
// NATS (core subjects; no JetStream).
//
//	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: "nats://127.0.0.1:4222"})
//	defer tr.Close()
//	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, ...})
//
// Each transport has one subject, PREFIX.n.<node>.*, for the requests of all shards that it serves. A
// client asks the nodes which one owns a shard, and hears of new owners. A node that no longer owns
// a shard refuses its requests and names the owner. If a node is gone, the server says so, and the client asks
// again. By then the sender of a notification without an acknowledgement has gone on:
// Transport.MissedNotifications counts such notifications, and the log has
// a line. Replies come back to one inbox for each connection. Envelopes that wait at the
// same moment for the same node share a message, and a lone one never waits for company.
// docs/wire-format.md has the bytes.
//
// Requests to a shard that a node on the same transport owns need no NATS: they go to the node's handler at once, under
// the same limits, and go on while the connection is down. Typed messages of package cluster are copied there and not
// encoded. [Options].AlwaysOverNATS turns that off.
//
// If nothing comes from a node while calls wait for it, the client asks the node whether it lives. The calls end with
// outcome.ErrConnectionLost within 1.5 s if the node has died, and after 3 s if it is silent.
// The question names calls that wait for long, and the answer names those that the node does not know: their request or
// reply was lost on the way. They end in 3 to 4 s, with the same error.
//
// One goroutine reads all of a connection's messages and hands them on without blocking. So
// a slow key delays no other, and the messages of one sender to one shard stay in order. If
// the reader falls behind all the same, the node refuses requests with
// outcome.ErrOverloaded before messages are dropped. It logs any that are dropped, and
// Transport.DroppedMessages counts them.
// Deadlines travel as the time that is left, so clocks need not agree. A cancellation
// follows its request. While the connection is down, new requests to other processes fail at once with
// outcome.ErrDisconnected. Requests that were on their way get outcome.ErrConnectionLost:
// they may have run. While the network hangs, callers leave at their deadlines. A
// connection that has ended for good closes Transport.Broken, and requests fail with
// outcome.ErrTransportClosed. If the server does not permit a connection to use a subject, the
// error is outcome.ErrNotPermitted.
//
// A server that announces its end (lame duck mode) is left before that: the transport connects to another
// one, hears over both for 2 s, and no call is lost. A connection that was given does not move.
//
// The transport passes the suite in package transporttest. Tests that only NATS needs lie beside
// the files.
package natstransport
