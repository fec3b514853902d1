// Notifications to a key that has no room, at a node that is only a mailbox

package cluster

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// mailboxes is a transport to keys with a mailbox each. A message is a millisecond on its way, and so is what is told of it.
type mailboxes struct {
	size int
	pace map[string]time.Duration // in which a key handles one message; it handles none if it has no pace

	mu      sync.Mutex
	last    uint64
	taken   map[uint64]bool
	ends    map[string][]time.Time // when the messages that wait will be over
	got     map[string][]string    // what came into a mailbox, in order
	tries   int
	refused int // as overloaded

	newest   Envelope // that a try has brought
	at       time.Time
	deadline time.Time // of the newest Request
}

func (b *mailboxes) open(t *testing.T, opts ClientOptions) *Client {
	t.Helper()
	b.taken, b.ends, b.got = map[uint64]bool{}, map[string][]time.Time{}, map[string][]string{}
	opts.Transport, opts.NumShards = b, 4
	client, err := NewClient(opts)
	if err != nil {
		t.Fatal(err)
	}
	client.caller.poster = b
	client.caller.window.init(opts.NotifyWindow, b)
	return client
}

// take is what the node does with a message.
func (b *mailboxes) take(env *Envelope, o dispatch.Order) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	b.newest, b.at = *env, time.Now()
	now, pace := time.Now(), b.pace[env.Key]
	if pace == 0 {
		pace = 24 * time.Hour
	}
	ends := slices.DeleteFunc(b.ends[env.Key], func(end time.Time) bool { return !end.After(now) })
	b.ends[env.Key] = ends
	switch {
	case o.After != 0 && !b.taken[o.After]:
		return outcome.New(ErrOutOfOrder)
	case len(ends) >= b.size:
		b.refused++
		return outcome.Overloaded(5*time.Millisecond, "for a test")
	}
	b.taken[o.Number] = true
	if len(ends) > 0 {
		now = ends[len(ends)-1]
	}
	b.ends[env.Key] = append(ends, now.Add(pace))
	b.got[env.Key] = append(b.got[env.Key], string(env.Data))
	return nil
}

func (b *mailboxes) Request(ctx context.Context, env Envelope) ([]byte, error) {
	b.mu.Lock()
	b.deadline, _ = ctx.Deadline()
	b.mu.Unlock()
	time.Sleep(time.Millisecond)
	err := b.take(&env, dispatch.Order{})
	time.Sleep(time.Millisecond)
	return nil, err
}

func (b *mailboxes) Post(_ context.Context, env *Envelope, o dispatch.Order, until time.Time, to dispatch.Told) (bool, error) {
	sent := *env
	sent.Data = append([]byte(nil), env.Data...)
	if env.Key == "mute" { // no answer ever comes
		time.AfterFunc(time.Until(until), func() { to.Told(outcome.ContextError(context.DeadlineExceeded, MaybeRan)) })
		return true, nil
	}
	// In the order in which they were posted: a timer for each, at its own moment.
	b.mu.Lock()
	b.last++
	at := time.Millisecond + time.Duration(b.last)*time.Nanosecond
	b.mu.Unlock()
	time.AfterFunc(at, func() {
		err := b.take(&sent, o)
		time.Sleep(time.Millisecond)
		to.Told(err)
	})
	return true, nil
}

func (b *mailboxes) Close() error                         { return nil }
func (b *mailboxes) Sends(transport.ClientTransport) bool { return true }
func (b *mailboxes) Number() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	return b.last
}

// TestAsyncWaitsForRoom: a sender that is quicker than the key is slowed. Nothing is refused, the order is kept, and
// few notifications are sent in vain.
func TestAsyncWaitsForRoom(t *testing.T) {
	for name, pace := range map[string]time.Duration{"quick": 10 * time.Microsecond, "slow": time.Millisecond, "slower": 20 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 3000
				b := &mailboxes{size: 1024, pace: map[string]time.Duration{"k": pace}}
				client := b.open(t, ClientOptions{})
				began := time.Now()
				var receipts []*Receipt
				for i := range n {
					receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", []byte(strconv.Itoa(i))))
				}
				for i, r := range receipts {
					if err := r.Wait(t.Context()); err != nil {
						t.Fatalf("%d: %v", i, err)
					}
				}
				took := time.Since(began)
				b.mu.Lock()
				defer b.mu.Unlock()
				for i, data := range b.got["k"] {
					if data != strconv.Itoa(i) {
						t.Fatalf("%s has come as number %d", data, i)
					}
				}
				if len(b.got["k"]) != n || b.refused == 0 || b.tries > 3*n+2*defaultWindow {
					t.Errorf("%d of %d have come, in %d tries, and %d found no room", len(b.got["k"]), n, b.tries, b.refused)
				}
				if least := (n - 1024) * pace; took > 2*least+time.Second {
					t.Errorf("after %v, and the key takes %v", took, least)
				}
				t.Logf("%v, %d tries, %d refused", took, b.tries, b.refused)
			})
		})
	}
}

// TestAsyncHasItsTime: a notification that waits for room says so when its time is up, and that it never ran.
func TestAsyncHasItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 4}
		client := b.open(t, ClientOptions{})
		var receipts []*Receipt
		for range 4 {
			receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", nil))
		}
		for i, r := range receipts {
			if err := r.Wait(t.Context()); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		for _, c := range []struct {
			opts []EnvelopeOption
			most time.Duration
		}{{nil, DefaultRequestTimeout}, {[]EnvelopeOption{WithTTL(2 * time.Second)}, 2 * time.Second}} {
			began := time.Now()
			receipts = receipts[:0]
			for range 10 {
				receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", nil, c.opts...))
			}
			for i, r := range receipts {
				err := r.Wait(t.Context())
				if took := time.Since(began); !errors.Is(err, ErrOverloaded) || !OutcomeOf(err).NeverRan() || took > c.most+50*time.Millisecond || took < c.most-time.Second {
					t.Errorf("%d of %v: %v (%v) after %v", i, c.most, err, OutcomeOf(err), took)
				}
			}
		}
	})
}

// TestAsyncOtherKeysGoOn: a key without room, or from which no answer comes, holds up the senders that notify it. It has a quarter of
// the window at most, and other keys have the rest.
func TestAsyncOtherKeysGoOn(t *testing.T) {
	for _, stuck := range []string{"full", "mute"} {
		t.Run(stuck, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &mailboxes{size: 50, pace: map[string]time.Duration{"free": time.Nanosecond}}
				client := b.open(t, ClientOptions{NotifyWindow: 400})
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for range 500 { // more than the window holds
					wg.Go(func() { _ = client.Key(stuck).NotifyRawAsync(ctx, "Add", nil).Wait(ctx) })
				}
				time.Sleep(5 * time.Second)
				if open := client.caller.window.open.Load(); open > 100 {
					t.Errorf("the key has %d places of the window", open)
				}
				began := time.Now()
				for i := range 1000 {
					if err := client.Key("free").NotifyRawAsync(t.Context(), "Add", nil).Err(); err != nil {
						t.Fatalf("%d: %v", i, err)
					}
				}
				err := client.Key("free").NotifyRawAsync(t.Context(), "Add", nil).Wait(t.Context())
				if took := time.Since(began); err != nil || took > 2*time.Second {
					t.Errorf("%v after %v", err, took)
				}
				cancel()
				wg.Wait()
				time.Sleep(2 * DefaultRequestTimeout) // until the window is empty
			})
		})
	}
}
