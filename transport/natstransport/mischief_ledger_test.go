package natstransport_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/memstore"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state/memstate"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// ledger is what has run, by the number that each message has of its own.
type ledger struct {
	mu    sync.Mutex
	ran   map[int]int
	order map[string][]int // of one sender to one key: what NotifyAsync has sent
}

type (
	deed  struct{ N int } // a request
	done  struct{ N int }
	word  struct{ N int } // a notification
	piece struct{ N, Place int }
	pay   struct{ N int } // a command
	paid  struct{ N, Total int }
)

func (l *ledger) note(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ran[n]++
}

type doer struct{ key string }

type purse struct{ Total int }

func (l *ledger) kinds() map[string]cluster.ServerHandlerFunc {
	doers := actor.Define("doer", func(key string) *doer { return &doer{key} },
		actor.OnRequest(func(_ *doer, _ *actor.Context, m deed) (done, error) {
			l.note(m.N)
			return done(m), nil
		}),
		actor.OnNotify(func(_ *doer, _ *actor.Context, m word) error {
			l.note(m.N)
			return nil
		}),
		actor.OnNotify(func(d *doer, _ *actor.Context, m piece) error {
			l.note(m.N)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.order[d.key] = append(l.order[d.key], m.Place)
			return nil
		}))
	purses := actor.Define("purse", func(string) *purse { return &purse{} }, actor.Durable(actor.Persistence{}),
		actor.OnRequest(func(p *purse, _ *actor.Context, m pay) (paid, error) {
			l.note(m.N)
			p.Total++
			return paid{m.N, p.Total}, nil
		}))
	return map[string]cluster.ServerHandlerFunc{"doer": cluster.NewActorHandler(doers.New), "purse": cluster.NewActorHandler(purses.New)}
}

// sent is a call and what its caller was told.
type sent struct {
	what  string
	n     int
	err   error
	total int // of a command
}

// TestMischief: messages of core NATS come late, in another order, and twice, while shards move. Every call ends with its own answer or
// with an error that is true; none is lost without one. NotifyAsync keeps its order, and commands run once.
func TestMischief(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { playMischief(t, seed, false) })
	}
	t.Run("requests twice", func(t *testing.T) { playMischief(t, 9, true) })
}

func playMischief(t *testing.T, seed uint64, requests bool) {
	url, store, states := testkit.StartNATS(t), memstore.New(), memstate.New()
	l := &ledger{ran: map[int]int{}, order: map[string][]int{}}
	var stops []func() *mischief
	twice := func(m *nats.Msg) bool { return requests || !strings.Contains(m.Subject, ".n.") }
	open := func() *natstransport.Transport {
		tr := connect(t, natstransport.Options{URL: url, AlwaysOverNATS: true})
		stops = append(stops, meddle(t, tr, seed, uint64(len(stops)), twice))
		return tr
	}
	start := func(name string) (stop func()) {
		node := cluster.NewNode(cluster.NodeOptions{NodeID: name, Transport: open(), Membership: store, State: states, NumShards: 8, Timing: membership.CalmTiming, Kinds: l.kinds(), Log: silent})
		end, err := node.Start(patient(t))
		if err != nil {
			t.Fatal(err)
		}
		stop = sync.OnceFunc(func() {
			if err := end(); err != nil {
				t.Errorf("node %s: %v", name, err)
			}
		})
		t.Cleanup(stop)
		return stop
	}
	stopA := start("a")
	client, err := cluster.NewClient(cluster.ClientOptions{Transport: open()})
	if err != nil {
		t.Fatal(err)
	}
	const senders, rounds = 6, 60
	half := make(chan struct{})
	var reached sync.WaitGroup
	reached.Add(senders)
	var wg sync.WaitGroup
	var all [senders][]sent
	for s := range senders {
		r := rand.New(rand.NewPCG(seed, uint64(100+s)))
		wg.Go(func() {
			all[s] = send(t, client, r, s, rounds, func(i int) {
				if i == rounds/3 {
					reached.Done()
					<-half
				}
			})
		})
	}
	reached.Wait()
	close(half)
	stopB := start("b")
	stopA()
	wg.Wait()
	moved, doubled := 0, 0
	for _, stop := range stops {
		m := stop()
		moved, doubled = moved+m.moved, doubled+m.doubled
	}
	if moved == 0 || doubled == 0 {
		t.Errorf("%d messages came late, and %d twice", moved, doubled)
	}
	stopB() // what was accepted has run
	totals := map[int]int{}
	for s, calls := range all {
		l.check(t, calls, totals, fmt.Sprint("line-", s), requests)
	}
}

// check compares what one sender was told with what has run. totals has the commands of all senders, by what they came to. If requests
// is true, requests may come twice, so a message without an ID may have run twice.
func (l *ledger) check(t *testing.T, calls []sent, totals map[int]int, line string, requests bool) {
	doubtful := requests
	for _, c := range calls {
		o, ran, command := outcome.Of(c.err), l.ran[c.n], c.what == "pay"
		doubtful = doubtful || c.what == "async" && o == outcome.MaybeRan
		switch {
		case c.err == nil && ran == 0 && c.what != "tell":
			t.Errorf("%s %d was answered, and has not run", c.what, c.n)
		case command && c.err == nil && totals[c.total] > 0:
			t.Errorf("%d and %d had the same effect", totals[c.total], c.n)
		case !command && ran > 1 && !(requests && ran == 2):
			t.Errorf("%s %d has run %d times: %v", c.what, c.n, ran, c.err)
		case o.NeverRan() && ran > 0 && (command || !requests):
			t.Errorf("%s %d has run: %v", c.what, c.n, c.err)
		}
		if c.total > 0 {
			totals[c.total] = c.n
		}
	}
	// A notification whose sender has given it up may come behind a later one.
	if places := l.order[line]; !doubtful && (!slices.IsSorted(places) || len(slices.Compact(slices.Clone(places))) != len(places)) {
		t.Errorf("%s was told %d", line, places)
	}
}

// send makes calls one after the other, but for NotifyAsync, and returns what became of them.
func send(t *testing.T, client *cluster.Client, r *rand.Rand, s, rounds int, at func(int)) (all []sent) {
	var receipts []*cluster.Receipt
	var of []int
	for i := range rounds {
		at(i)
		n := 1000*(s+1) + i
		key := client.Kind("doer").Key(fmt.Sprint("key-", r.IntN(4)))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		call := sent{n: n}
		switch k := r.IntN(12); {
		case k < 4:
			call.what = "request"
			if k == 0 {
				call.what = "hasty request"
				cancel()
				ctx, cancel = context.WithTimeout(t.Context(), time.Duration(r.IntN(3000))*time.Microsecond)
			}
			var got *done
			if got, call.err = cluster.NewRequest[deed, done](key).Request(ctx, deed{n}); call.err == nil && got.N != n {
				t.Errorf("request %d has the answer to %d", n, got.N)
			}
		case k < 6:
			call.what = "notify"
			call.err = key.Notify(ctx, word{n})
		case k < 7:
			call.what = "tell"
			call.err = key.Notify(ctx, word{n}, cluster.WithoutAck())
		case k < 8:
			call.what = "pay"
			id := cluster.WithID(fmt.Sprint("pay-", n))
			purse := cluster.NewRequest[pay, paid](client.Kind("purse").Key("p"))
			var got *paid
			if got, call.err = purse.Request(ctx, pay{n}, id); call.err == nil {
				call.total = got.Total
				if again, err := purse.Request(ctx, pay{n}, id); err == nil && *again != *got || got.N != n {
					t.Errorf("pay %d: %+v, and again %+v", n, got, again)
				}
			}
		default:
			receipts, of = append(receipts, client.Kind("doer").Key(fmt.Sprint("line-", s)).NotifyAsync(ctx, piece{n, i})), append(of, n)
		}
		cancel()
		if call.what != "" {
			all = append(all, call)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i, receipt := range receipts {
		all = append(all, sent{what: "async", n: of[i], err: receipt.Wait(ctx)})
	}
	return all
}
