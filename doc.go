// What the package is

// Package clstr runs one actor per key in Go services: a service hosts kinds of entities,
// and the processes of a service share the keys of each kind among them.
//
//	svc, err := clstr.Open(ctx, clstr.Options{
//		Name:     "bank",
//		On:       clstr.NATS("nats://127.0.0.1:4222"), // or embed.Dir("data"), or clstr.Memory()
//		Entities: clstr.Host(accounts),                // of actor.Define; none: a client only
//	})
//	defer svc.Close(ctx)
//	balance, err := clstr.Ask[Balance](ctx, svc.Key(accounts, "acc-1"), Deposit{100})
//
// Every process opens the service alike. Keys move as processes come, go and die.
// Calls to one key are handled one at a time, and those of one caller in their order.
// [Ask] and [Tell] block until the context ends at most, 30 s if it has no deadline.
// Package actor has what entities are written with, package cluster the errors, options
// of single calls, and the parts that Open puts together. Everything is safe for
// concurrent use, and nothing is global: a process may open any number of services.
package clstr
