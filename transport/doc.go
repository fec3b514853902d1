// Package transport is the contract between the two ends of a cluster: an
// [Envelope] in, a reply or a coded [Error] out.
//
//	reply, err := tr.Request(ctx, transport.Envelope{Shard: 7, Type: "Get", Key: "user-123"})
//	if outcome.Of(err).NeverRan() {
//		// safe to try again
//	}
//
// Backends (memtransport, natstransport) carry envelopes and replies. The node's side
// of both is internal/dispatch: expiry, limits, handler timeout, panics, draining, order.
// Package transporttest holds the suite that every backend passes, and package wire the
// bytes. A transport of your own implements [ServerTransport] with funcs.
//
// Order: messages that one sender sends to one shard, one after the other, reach its
// handler in that order. Blocking: Request blocks until the outcome is known or ctx ends.
// Closing and unsubscribing wait for handlers that have started. Nothing else blocks.
//
// The package links no actor runtime and no message server: a gateway can speak
// with it alone. Its tests lie beside the files that they test.
package transport
