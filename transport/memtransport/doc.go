// Package memtransport connects clients and nodes of one process.
//
// It is for services that fit into one process, and for tests, because it behaves as the
// transport over NATS does. Both transports pass the suite in package transporttest.
//
//	tr := memtransport.New(memtransport.Options{})
//	defer tr.Close()
//	sub, _ := tr.SubscribeShard(ctx, 7, handler)
//	reply, err := tr.Request(ctx, transport.Envelope{Shard: 7, Type: "Get"})
//
// Sender and handler share no memory that changes: payload, headers and reply are copied on the way, and
// a caller's context values do not cross. Typed messages of package cluster are copied as Go values, without being
// encoded, if their types allow it; such copies share strings (docs/limits.md). If two nodes subscribe to one shard, the first
// serves it, and the second takes over when the first leaves. A message may be as large as
// over NATS by default. Everything is safe for concurrent use. Handlers run on the
// transport's goroutines, never on the caller's, so a caller can leave at its deadline.
package memtransport
