package statetest_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/state/statetest"
)

// counting is a store of one's own: another one, whose commits it counts.
type counting struct {
	*memstate.Store
	commits atomic.Int64
}

// Commit implements [state.Store].
func (c *counting) Commit(change state.Change, done func(state.Rev, error)) {
	c.commits.Add(1)
	c.Store.Commit(change, done)
}

func harness(*testing.T) func(adopt bool) state.Store {
	s := &counting{Store: memstate.New()}
	return func(adopt bool) state.Store {
		if adopt {
			s.Adopt()
		}
		return s
	}
}

// As the package comment has it.
func TestStore(t *testing.T) { statetest.Run(t, statetest.Harness{New: harness}) }

// A store proves itself with a func that makes an empty place, and opens stores on it.
func ExampleRun() {
	// This goes into the store's tests, as TestStore.
	_ = func(t *testing.T) { statetest.Run(t, statetest.Harness{New: harness}) }

	// What the suite does with stores, in short.
	ctx, s := context.Background(), harness(nil)(false)
	token, err := s.Open(ctx, 7, state.Owner{}, state.Token{})
	if err != nil {
		fmt.Println(err)
		return
	}
	s.Commit(state.Change{Token: token, Kind: "account", Key: "a"}, func(_ state.Rev, err error) { fmt.Println(err) })
	fmt.Println("commits:", s.(*counting).commits.Load())
	// Output:
	// invalid change: neither a record nor events
	// commits: 1
}
