// Callers, at a rate that nothing slows down

package demo

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// How much load there is.
const (
	// Rate is how many requests are sent in a second, whether or not earlier ones were
	// answered. If callers waited for one answer before the next request, all of them
	// would soon wait for a dead node, and the other nodes would look dead too.
	Rate      = 1600
	keys      = 256
	sendEvery = 5 * time.Millisecond
	callLimit = 5 * time.Second // and so at most five seconds' requests are under way
)

// Count is the outcomes of requests.
type Count struct {
	Sent     int
	Answered int
	Failed   map[string]int // by outcome
	Longest  time.Duration
}

// Fails counts the requests that have failed.
func (c Count) Fails() (n int) {
	for _, count := range c.Failed {
		n += count
	}
	return n
}

// Waiting counts the requests that have neither been answered nor failed.
func (c Count) Waiting() int { return c.Sent - c.Answered - c.Fails() }

// Load sends requests at a steady rate until it is stopped.
type Load struct {
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex
	total Count
	since time.Duration // the longest since the last look
}

// StartLoad begins to call.
func StartLoad(client *cluster.Client) *Load {
	ctx, end := context.WithCancel(context.Background())
	l := &Load{end: end, total: Count{Failed: map[string]int{}}}
	l.work.Go(func() { l.run(ctx, client) }) // ends with ctx
	return l
}

// run sends the requests that are due by the clock. It does not make up for time in
// which the process stood still.
func (l *Load) run(ctx context.Context, client *cluster.Client) {
	tick := time.NewTicker(sendEvery)
	defer tick.Stop()
	next := time.Now()
	for i := 0; ; {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if now.Sub(next) > time.Second {
				next = now
			}
			for ; next.Before(now); next = next.Add(time.Second / Rate) {
				l.sent()
				due, key := next, client.Kind(Kind).Key(keyOf(i%keys))
				l.work.Go(func() { l.call(due, key) }) // ends after callLimit
				i++
			}
		}
	}
}

func keyOf(i int) string { return fmt.Sprint("visits-", i) }

// call measures from the moment when the request was due, so a late start counts.
func (l *Load) call(due time.Time, key *cluster.ScopedClient) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	_, err := cluster.NewRequest[Add, Value](key).Request(ctx, Add{1})
	l.note(time.Since(due), err)
}

func (l *Load) sent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total.Sent++
}

func (l *Load) note(took time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = max(l.since, took)
	l.total.Longest = max(l.total.Longest, took)
	if err != nil {
		l.total.Failed[cluster.OutcomeOf(err).String()]++
		return
	}
	l.total.Answered++
}

// Look returns the outcomes of all requests so far, and the longest wait since the last
// Look.
func (l *Load) Look() (total Count, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, since = l.total, l.since
	total.Failed = maps.Clone(l.total.Failed)
	l.since = 0
	return total, since
}

// Stop ends the load. It returns when the requests under way have ended.
func (l *Load) Stop() {
	l.end()
	l.work.Wait()
}
