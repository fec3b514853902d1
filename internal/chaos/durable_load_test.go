package chaos

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
)

// durableKeys is how many keys each kind has at a time.
const durableKeys = 24

// command is what a caller asked of a durable key, and what it was told. Each increment and
// each write has its name as its ID.
type command struct {
	op         string // of an increment or a write; empty: a read
	kind, key  string
	call, done time.Duration
	n          uint64 // an increment's reply
	read       string // a read's
	err        error
}

// commands are callers that ask durable keys, one after the other each.
type commands struct {
	client *cluster.Client
	begun  time.Time
	over   chan struct{}
	wg     sync.WaitGroup

	mu      sync.Mutex
	history []command
	ok      int
	spoilt  map[string]int // by kind and key: how many unknown outcomes
}

func startCommands(t *testing.T, tr cluster.ClientTransport, callers int) *commands {
	t.Helper()
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: shards})
	if err != nil {
		t.Fatal(err)
	}
	l := &commands{client: client, begun: time.Now(), over: make(chan struct{}), spoilt: map[string]int{}}
	for caller := range callers {
		l.wg.Go(func() { // ends at over
			for i := 0; ; i++ {
				select {
				case <-l.over:
					return
				case <-time.After(5 * time.Millisecond): // some load, not all that there can be
				}
				l.once(fmt.Sprint(caller, "-", i), i%3, (i*callers+caller*7)%durableKeys)
			}
		})
	}
	return l
}

// once increments a tally, writes a register or reads one.
func (l *commands) once(op string, what, number int) {
	c := command{op: op, kind: "register"}
	if what == 0 {
		c.kind = "tally"
	}
	c.key = l.key(c.kind, number)
	to := l.client.Kind(c.kind).Key(c.key)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c.call = time.Since(l.begun)
	switch what {
	case 0:
		v, err := cluster.NewRequest[increment, value](to).Request(ctx, increment{op}, cluster.WithID(op))
		if c.err = err; err == nil {
			c.n = v.N
		}
	case 1:
		_, c.err = cluster.NewRequest[set, held](to).Request(ctx, set{op}, cluster.WithID(op))
	default:
		v, err := cluster.NewRequest[get, held](to).Request(ctx, get{})
		if c.op, c.err = "", err; err == nil {
			c.read = v.Op
		}
	}
	c.done = time.Since(l.begun)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, c)
	if c.err == nil {
		l.ok++
	} else if c.op != "" && cluster.OutcomeOf(c.err) == cluster.MaybeRan {
		l.spoilt[c.kind+c.key]++
	}
}

// key is the number's current key of a kind.
func (l *commands) key(kind string, number int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for life := 0; ; life++ {
		if key := fmt.Sprintf("key-%d-%d", number, life); l.spoilt[kind+key] < unknowns {
			return key
		}
	}
}

// more returns when n further commands have succeeded.
func (l *commands) more(t *testing.T, n int) {
	t.Helper()
	awaitMore(t, n, func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.ok
	})
}

// stop returns what was seen, when the last caller has ended.
func (l *commands) stop() []command {
	close(l.over)
	l.wg.Wait()
	return l.history
}
