// Package dispatch is the node side of every transport. A transport subscribes its shards
// at a [Dispatcher] and hands it each call that arrives. Time, room, order, panics and
// draining are written here, once for all transports.
//
//	d := dispatch.NewDispatcher(limits, log)
//	sub, err := d.Subscribe(ctx, dispatch.Subscriber{Receiver: receiver})
//	sub.Dispatch(dispatch.NewCall(env, replier, budget)) // answered once, by replier
//
// Order: calls that one sender sent one after the other must be dispatched in that order,
// and reach the [Receiver] in that order. Blocking: only closing, draining and
// unsubscribing block. They wait for handlers that have started.
package dispatch
