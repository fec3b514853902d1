// Package actor is for writing entities. An entity is an actor that clstr
// keeps for a key: it starts on the key's first message and is passivated after it has
// been idle.
//
// An entity is a plain struct with methods:
//
//	var Accounts = actor.Define("account", func(key string) *Account { return &Account{} },
//		actor.OnRequest((*Account).Deposit),
//		actor.OnActivate((*Account).load),
//		actor.OnPassivate((*Account).flush),
//		actor.PassivateAfter(10*time.Minute),
//	)
//
// Or it is a protoactor actor ([Actor] is protoactor's own), hosted as it is: Receive,
// ctx.Respond, behaviours, receive timeouts, children. Package clstr serves definitions,
// and package handlers makes either into a node's handler.
//
// The methods of one entity run one at a time, so its fields need no lock. Messages from
// one sender arrive in order. A key has one incarnation at a time, and OnPassivate has
// ended before the next one starts. Messages that arrive while an
// entity stops go to the next incarnation, in order. An entity that is busy, has messages
// waiting or owes an answer is not passivated. Entities may wait for each other: a wait with
// the method's context does not count as a running handler.
//
// OnActivate, OnPassivate and Every have a time limit ([HookTimeout]). A key whose hook
// ignores the limit refuses messages until the hook returns.
package actor
