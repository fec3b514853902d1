package natsstate_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/clstr-go/clstr/state/natsstate"
)

// The user of the nodes' stores, and one of a client that may send mail and see accounts.
func ExampleWatchPermissions() {
	for role, p := range []natsstate.Permissions{natsstate.ClientPermissions("bank"), natsstate.WatchPermissions("bank", "account")} {
		fmt.Println(role, p.Publish, p.Subscribe)
	}
	// Output:
	// 0 [bank.in.>] []
	// 1 [$JS.API.DIRECT.GET.bank_state.bank.d.k.*.account.>] [bank.dv.k.*.account.>]
}

// A store connects when it is opened, within its context.
func ExampleOpen() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := natsstate.Open(ctx, natsstate.Options{URL: "nats://localhost:4222", Log: slog.New(slog.DiscardHandler)})
	fmt.Println(err)
	// Output: not connected: the store of state: context canceled, context canceled
}
