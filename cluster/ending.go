package cluster

import (
	"errors"
	"sync"

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
// stop hooks ask is served meanwhile. What does not come to rest in time, the end of
// its subscription tells. On a transport that knows handlers only the subscriptions end
// first.
func quiesce(subs []Subscription, life *transport.Lifetime) {
	var wg sync.WaitGroup
	for _, s := range subs {
		q, ok := s.(transport.Quiescer)
		if !ok {
			wg.Wait()
			return
		}
		wg.Go(func() { _ = q.Quiesce() })
	}
	wg.Wait()
	handlers.End(life)
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
