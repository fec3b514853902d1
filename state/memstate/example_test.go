package memstate_test

import (
	"context"
	"fmt"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// A watch tells of what is stored from now on.
func ExampleStore_Watch() {
	ctx, store := context.Background(), memstate.New()
	token, err := store.Open(ctx, 7, state.Owner{}, state.Token{})
	if err != nil {
		fmt.Println(err)
		return
	}
	stop, err := store.Watch(state.Range{Place: state.Records, Shard: 7}, func(e state.Entry) {
		fmt.Printf("%s is %s\n", e.Key, e.Record.State)
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stop()
	for n, balance := range []string{"5", "7"} {
		store.Commit(state.Change{
			Token: token, Kind: "account", Key: "alice",
			Record: &state.Record{Number: uint64(n + 1), State: []byte(balance)},
		}, func(_ state.Rev, err error) { fmt.Println("stored:", err == nil) })
	}
	// Output:
	// alice is 5
	// stored: true
	// alice is 7
	// stored: true
}
