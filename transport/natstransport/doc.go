// Package natstransport connects clients and nodes of many processes through
// NATS (core subjects; no JetStream).
//
//	tr, err := natstransport.Open(context.Background(), natstransport.Options{URL: "nats://127.0.0.1:4222"})
//	defer tr.Close()
//	node := cluster.NewNode(cluster.NodeOptions{Transport: tr, ...})
//
// A shard's requests go to the subject PREFIX.s.<shard>.0. A shard without an
// owner is reported in one round trip: the server says that nobody listens. The
// sender of a notification without an acknowledgement has gone on by then, where
// the in-process transport still tells it: Transport.MissedNotifications counts
// those, and the log has a line.
// Replies come back to one inbox a connection; what waits at the same moment for
// the same subject shares a message, and a lone message never waits for company.
// docs/wire-format.md has the bytes.
//
// One goroutine reads all of a connection's messages and hands them on without
// blocking, so that a slow key delays nobody, and what one sender sends to one
// shard stays in order. A node whose reader falls behind all the same refuses
// requests with outcome.ErrOverloaded before messages are dropped, and logs it
// if they are. Deadlines travel as the time that is left, so that clocks
// need not agree; cancellation follows its request. While the connection is down
// requests fail at once with outcome.ErrDisconnected, and those on their way
// with outcome.ErrConnectionLost: they may have run. While the network hangs,
// callers leave at their deadlines. A connection that has ended for good
// closes Transport.Broken, and requests fail with outcome.ErrTransportClosed. What
// the server does not let a connection use becomes outcome.ErrNotPermitted.
//
// It passes the suite in package transporttest; the tests of what is NATS's own
// lie beside the files.
package natstransport
