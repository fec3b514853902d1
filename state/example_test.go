package state_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
)

// An owner opens a shard, stores, and reads. When another opens the shard, the first can
// store nothing more.
func Example() {
	ctx, store := context.Background(), memstate.New()
	first, err := store.Open(ctx, 7, state.Owner{Epoch: 4}, state.Token{})
	if err != nil {
		fmt.Println(err)
		return
	}
	change := state.Change{Token: first, Kind: "account", Key: "alice", Record: &state.Record{Number: 1, State: []byte(`{"Balance":5}`)}}
	stored := func(_ state.Rev, err error) {
		fmt.Println("stored:", err == nil, "deposed:", errors.Is(err, state.ErrDeposed))
	}
	store.Commit(change, stored)

	second, err := store.Open(ctx, 7, state.Owner{Epoch: 5}, state.Token{})
	if err != nil {
		fmt.Println(err)
		return
	}
	store.Commit(change, stored)
	entries, more, err := store.Read(ctx, second, state.Range{Place: state.Records, Shard: 7, Kind: "account", Key: "alice"})
	fmt.Printf("%s %v %v\n", entries[0].Record.State, more, err)
	// Output:
	// stored: true deposed: false
	// stored: false deposed: true
	// {"Balance":5} false <nil>
}

// A store that can only wait makes Commit of a func that stores a group.
func ExampleGroup() {
	table := map[string]string{}
	group := state.NewGroup(100, 1<<20, func(cs []state.Change) []state.Result { // one transaction
		results := make([]state.Result, len(cs))
		for i, c := range cs {
			table[c.Key] = string(c.Record.State)
			results[i].Rev = state.Rev(len(table))
		}
		return results
	})
	done := make(chan struct{})
	group.Commit(state.Change{
		Token: state.Token{Shard: 7, N: 1}, Kind: "account", Key: "alice",
		Record: &state.Record{Number: 1, State: []byte("5")},
	}, func(rev state.Rev, err error) {
		fmt.Println(rev, err)
		close(done)
	})
	<-done
	group.Close()
	fmt.Println(table)
	// Output:
	// 1 <nil>
	// map[alice:5]
}
