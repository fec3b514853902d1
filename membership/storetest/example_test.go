package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/membership/storetest"
)

// counting is a store of one's own: another one, whose conflicts it counts.
type counting struct {
	*memstore.Store
	conflicts atomic.Int64
}

// Write implements [membership.Store].
func (c *counting) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	got, err := c.Store.Write(ctx, key, rev, value)
	if errors.Is(err, membership.ErrConflict) {
		c.conflicts.Add(1)
	}
	return got, err
}

var _ membership.Store = (*counting)(nil)

// A store proves itself with a func that opens an empty one.
func ExampleRun() {
	open := func(*testing.T) membership.Store { return &counting{Store: memstore.New()} }
	// This goes into the store's tests, as TestStore.
	_ = func(t *testing.T) { storetest.Run(t, open) }

	// What the suite does with a store, in short: what is removed is gone for good,
	// even for a caller that still has its revision.
	ctx, s := context.Background(), open(nil)
	first, err := s.Write(ctx, "cfg", 0, []byte("one"))
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = s.Write(ctx, "cfg", first, nil); err != nil {
		fmt.Println(err)
		return
	}
	_, err = s.Write(ctx, "cfg", first, []byte("two"))
	fmt.Println(err)
	again, err := s.Write(ctx, "cfg", 0, []byte("two"))
	fmt.Println("newer:", again > first, err)
	fmt.Println("conflicts:", s.(*counting).conflicts.Load())
	// Output:
	// record has changed
	// newer: true <nil>
	// conflicts: 1
}
