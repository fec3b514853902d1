// Package dispatch is the node side of every transport. A transport subscribes its shards
// at a [Dispatcher] and hands it each call that arrives; time, room, order, panics and
// draining are written here, once for all of them.
//
//	d := dispatch.NewDispatcher(limits, log)
//	sub, err := d.Subscribe(ctx, dispatch.Subscriber{Receiver: receiver})
//	sub.Dispatch(dispatch.NewCall(env, replier, budget)) // answered once, by replier
//
// Order: calls that one sender sent one after the other must be dispatched in that order,
// and reach the [Receiver] in it. Blocking: nothing blocks but closing, draining and
// unsubscribing, which wait for handlers that have started.
package dispatch
