// The end of a node with a fixed list: shards come to rest, keys end, subscriptions end

package cluster

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
)

// quiesce brings all shards to rest, side by side, and then ends the keys. Meanwhile it serves the
// requests of stop hooks, and of handlers that run when the end
// begins. If handlers go on for half of stopTimeout, the keys of shards that are at rest
// wait for them no longer. If a shard does not come to rest in time, the end of its
// subscription says so.
func quiesce(subs []*dispatch.Sub, shards []uint32, life *dispatch.Lifetime, stopTimeout time.Duration) {
	rested := make([]atomic.Bool, len(subs))
	var calls sync.WaitGroup
	for i, s := range subs {
		calls.Go(func() { rested[i].Store(s.Quiesce() == nil) }) // ends at the transport's handler timeout
	}
	all := make(chan struct{})
	go func() { calls.Wait(); close(all) }() // ends with them
	late := time.NewTimer(stopTimeout / 2)
	defer late.Stop()
	select {
	case <-all:
	case <-late.C:
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		var keys sync.WaitGroup
		for i, shard := range shards {
			if rested[i].Load() {
				keys.Go(func() { _ = hosting.EndShard(ctx, life, shard, false) }) // the node's end tells what has not ended
			}
		}
		<-all
		keys.Wait()
	}
	restAgain(subs, rested)
	hosting.End(life)
}

// mostRests is how often shards are brought to rest again at the most.
const mostRests = 8

// restAgain waits for messages that a shard has admitted after it had come to rest: handlers of
// other shards have notified its keys, and have returned. A shard that has not come to rest in
// its time gets no more time.
func restAgain(subs []*dispatch.Sub, rested []atomic.Bool) {
	for range mostRests {
		var wg sync.WaitGroup
		busy := false
		for i, s := range subs {
			if rested[i].Load() && s.Pending() > 0 {
				busy = true
				wg.Go(func() { rested[i].Store(s.Quiesce() == nil) }) // ends at the handler timeout
			}
		}
		wg.Wait()
		if !busy {
			return
		}
	}
}

// unsubscribe ends all subscriptions side by side: each waits for its handlers.
func unsubscribe(subs []*dispatch.Sub) error {
	errs := make([]error, len(subs))
	var wg sync.WaitGroup
	for i, s := range subs {
		wg.Go(func() { errs[i] = s.Unsubscribe() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
