package cluster

import (
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/transport"
)

// funcSubscription ends when the transport has handed over its last call, and what it
// has handed over was done.
type funcSubscription struct{ arrives, accepted Subscription }

func (s funcSubscription) Unsubscribe() error {
	return errors.Join(s.arrives.Unsubscribe(), s.accepted.Unsubscribe())
}

// quiesce brings all shards to rest, side by side, and then ends the keys: what their
// stop hooks ask is served meanwhile, and so is what handlers ask that run when the end
// begins. A handler that goes on for half of stopTimeout holds up the keys of others no
// longer; 0 leaves handlers all the time of the transport's HandlerTimeout. What does not come to rest in time, the end of its subscription tells. On a
// transport that knows handlers only the subscriptions end first.
//
// over waits for what is left of it.
func quiesce(subs []Subscription, life *transport.Lifetime, stopTimeout time.Duration) (over func()) {
	var wg sync.WaitGroup
	for _, s := range subs {
		q, ok := s.(transport.Quiescer)
		if !ok {
			return wg.Wait
		}
		wg.Go(func() { _ = q.Quiesce() }) // ends at the transport's handler timeout
	}
	atRest := make(chan struct{})
	go func() { wg.Wait(); close(atRest) }() // ends with them
	var enough <-chan time.Time
	if stopTimeout > 0 {
		patience := time.NewTimer(stopTimeout / 2)
		defer patience.Stop()
		enough = patience.C
	}
	select {
	case <-atRest:
	case <-enough:
	}
	handlers.End(life)
	return func() { <-atRest }
}

// unsubscribe ends all subscriptions side by side: each waits for its handlers.
func unsubscribe(subs []Subscription) error {
	errs := make([]error, len(subs))
	var wg sync.WaitGroup
	for i, s := range subs {
		wg.Go(func() { errs[i] = s.Unsubscribe() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func shardsOf(list []uint32) map[uint32]bool {
	set := make(map[uint32]bool, len(list))
	for _, shard := range list {
		set[shard] = true
	}
	return set
}

// together are the shards of a node that end together: nobody is there to take them.
type together struct {
	mu    sync.Mutex
	left  map[uint32]bool // those whose calls have not come to rest
	atAll chan struct{}   // closed when all have
}

// expect adds shards.
func (t *together) expect(shards []uint32) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == nil {
		t.left, t.atAll = map[uint32]bool{}, make(chan struct{})
	}
	for _, shard := range shards {
		t.left[shard] = true
	}
}

// rests notes that the shard's calls have come to rest, and returns a channel that is
// closed when those of all have.
func (t *together) rests(shard uint32) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left == nil || !t.left[shard] {
		return nil
	}
	t.left[shard] = false
	for _, waits := range t.left {
		if waits {
			return t.atAll
		}
	}
	select {
	case <-t.atAll:
	default:
		close(t.atAll)
	}
	return t.atAll
}

func (t *together) has(shard uint32) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.left[shard]
	return ok
}
