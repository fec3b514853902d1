package chaos

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

const (
	keys = 64
	// unknowns is after how many operations of unknown outcome a key is left: a
	// checker would not come to an end.
	unknowns = 6
	deadline = 30 * time.Second
)

// operation is one increment as its caller saw it.
type operation struct {
	op         string
	key        string
	call, done time.Duration
	n          uint64
	err        error
}

// load is callers that increment, one after the other each.
type load struct {
	client *cluster.Client
	begun  time.Time
	over   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	history []operation
	spoilt  map[string]int // by key: how many unknown outcomes
}

func startLoad(t *testing.T, tr cluster.ClientTransport, callers int) *load {
	t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		t.Fatal(err)
	}
	l := &load{client: client, begun: time.Now(), over: make(chan struct{}), spoilt: map[string]int{}}
	for caller := range callers {
		l.wg.Go(func() { // ends at over
			for i := 0; ; i++ {
				select {
				case <-l.over:
					return
				case <-time.After(5 * time.Millisecond): // some load, not all that there can be
				}
				l.once(fmt.Sprint(caller, "-", i), (i*callers+caller*7)%keys)
			}
		})
	}
	return l
}

func (l *load) once(op string, number int) {
	key := l.key(number)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	o := operation{op: op, key: key, call: time.Since(l.begun)}
	v, err := cluster.NewRequest[increment, value](l.client.Kind("counter").Key(key)).Request(ctx, increment{Op: op})
	o.done, o.err = time.Since(l.begun), err
	if err == nil {
		o.n = v.N
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, o)
	if err != nil && !cluster.OutcomeOf(err).NeverRan() {
		l.spoilt[key]++
	}
}

// key is the number's current key.
func (l *load) key(number int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for life := 0; ; life++ {
		if key := fmt.Sprintf("key-%d-%d", number, life); l.spoilt[key] < unknowns {
			return key
		}
	}
}

// more returns when n further requests have succeeded.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	awaitMore(t, n, func() (ok int) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, o := range l.history {
			if o.err == nil {
				ok++
			}
		}
		return ok
	})
}

// awaitMore returns when a count has grown by n.
func awaitMore(t *testing.T, n int, count func() int) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	giveUp := time.After(2 * deadline)
	for want := count() + n; count() < want; {
		select {
		case <-again.C:
		case <-giveUp:
			t.Fatalf("%d requests have not succeeded within %v", n, 2*deadline)
		}
	}
}

// stop returns what was seen, when the last caller has ended.
func (l *load) stop() []operation {
	close(l.over)
	l.wg.Wait()
	return l.history
}
