package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// How much load there is.
const (
	callers   = 8
	keys      = 256
	callEvery = 5 * time.Millisecond // for each caller
	callLimit = 5 * time.Second
)

// Count is what became of requests.
type Count struct {
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

// Load is callers that send requests until they are stopped.
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
	for caller := range callers {
		l.work.Go(func() { l.call(ctx, client, caller) }) // ends with ctx
	}
	return l
}

func (l *Load) call(ctx context.Context, client *cluster.Client, caller int) {
	tick := time.NewTicker(callEvery)
	defer tick.Stop()
	for i := caller; ; i += callers {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		began := time.Now()
		trying, cancel := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
		key := client.Kind(Kind).Key(fmt.Sprint("visits-", i%keys))
		_, err := cluster.NewRequest[Add, Value](key).Request(trying, Add{1})
		cancel()
		l.note(time.Since(began), err)
	}
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

// Look returns what has become of all requests so far, and the longest since the
// look before.
func (l *Load) Look() (total Count, since time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, since = l.total, l.since
	total.Failed = map[string]int{}
	for outcome, n := range l.total.Failed {
		total.Failed[outcome] = n
	}
	l.since = 0
	return total, since
}

// Stop ends the load, and returns when the requests that were under way have.
func (l *Load) Stop() {
	l.end()
	l.work.Wait()
}
