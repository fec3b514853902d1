// The window of a client under random refusals, losses and senders

package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// moody is mailboxes that refuse and lose things at random, behind a connection that does so too.
type moody struct {
	*mailboxes
	mu sync.Mutex
	r  *rand.Rand
}

func (m *moody) chance(percent int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.r.IntN(100) < percent
}

// take is mailboxes.take with faults.
func (m *moody) take(env *Envelope, o dispatch.Order) error {
	switch {
	case m.chance(3):
		return outcome.Errorf(ErrNotOwner, "for a test").WithOutcome(NotStarted)
	case m.chance(3):
		return outcome.Errorf(ErrUnknownType, "for a test").WithOutcome(NotStarted)
	case m.chance(2):
		return outcome.Errorf(ErrConnectionLost, "for a test")
	}
	err := m.mailboxes.take(env, o)
	if m.chance(2) {
		return outcome.Errorf(ErrConnectionLost, "for a test, after it")
	}
	return err
}

func (m *moody) Request(ctx context.Context, env Envelope) ([]byte, error) {
	time.Sleep(time.Millisecond)
	if m.chance(2) {
		return nil, outcome.Errorf(ErrDisconnected, "for a test").WithOutcome(NotSent)
	}
	err := m.take(&env, dispatch.Order{})
	if env.Delivery == transport.AwaitNothing {
		return nil, nil
	}
	time.Sleep(time.Millisecond)
	return nil, err
}

func (m *moody) Post(_ context.Context, env *Envelope, o dispatch.Order, _ time.Time, to dispatch.Told) (bool, error) {
	switch {
	case m.chance(2):
		return false, outcome.Errorf(ErrDisconnected, "for a test").WithOutcome(NotSent)
	case m.chance(2):
		return false, outcome.Errorf(ErrTooLarge, "for a test").WithOutcome(NotSent)
	}
	sent := *env
	sent.Data = append([]byte(nil), env.Data...)
	m.mailboxes.mu.Lock()
	m.last++
	at := time.Millisecond + time.Duration(m.last)*time.Nanosecond
	m.mailboxes.mu.Unlock()
	time.AfterFunc(at, func() {
		err := m.take(&sent, o)
		time.Sleep(time.Millisecond)
		to.Told(err)
	})
	return true, nil
}

// TestWindowSimulation: turns and other senders notify a few keys while notifications are refused, lost and cut off at random. Each
// receipt is told, and truly; what one sender sends to one key comes in order, and once; and in the end the window is empty.
func TestWindowSimulation(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { simulateWindow(t, seed) }) })
	}
}

func simulateWindow(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	b := &mailboxes{size: 1 + r.IntN(8), pace: map[string]time.Duration{}}
	keys := []string{"a", "b", "c"}
	for _, k := range keys {
		b.pace[k] = time.Duration(r.IntN(4000))*time.Microsecond + 1
	}
	m := &moody{mailboxes: b, r: rand.New(rand.NewPCG(seed, 2))}
	client := b.open(t, ClientOptions{})
	client.caller.transport, client.caller.poster = m, m
	client.caller.window.init([]int{1, 2, 17, 80, -1}[seed%5], m)
	type sent struct {
		what string
		r    *Receipt
		err  error
		ack  bool
	}
	var all [6][]sent
	var wg sync.WaitGroup
	for s := range all {
		r := rand.New(rand.NewPCG(seed, uint64(10+s)))
		wg.Go(func() {
			for i := range 80 {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if r.IntN(3) == 0 {
					ctx = inATurn(t)
				}
				if r.IntN(5) == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(20))*time.Millisecond)
				}
				var opts []EnvelopeOption
				if r.IntN(8) == 0 {
					opts = append(opts, WithTTL(time.Duration(1+r.IntN(50))*time.Millisecond))
				}
				x := sent{ack: r.IntN(8) > 0}
				if !x.ack {
					opts = append(opts, WithoutAck())
				}
				key := keys[r.IntN(len(keys))]
				x.what = fmt.Sprintf("%s %d %d", key, s, i)
				if r.IntN(8) == 0 {
					x.err = client.Key(key).NotifyRaw(ctx, "Add", []byte(x.what), opts...)
				} else {
					x.r = client.Key(key).NotifyRawAsync(ctx, "Add", []byte(x.what), opts...)
				}
				cancel()
				all[s] = append(all[s], x)
				if r.IntN(10) == 0 {
					time.Sleep(time.Duration(r.IntN(20)) * time.Millisecond)
				}
			}
		})
	}
	wg.Wait()
	time.Sleep(2 * DefaultRequestTimeout)
	b.mu.Lock()
	defer b.mu.Unlock()
	count, newest := map[string]int{}, map[string]int{}
	for key, got := range b.got {
		for _, what := range got {
			count[what]++
			f := strings.Fields(what)
			i, _ := strconv.Atoi(f[2])
			if last, ok := newest[key+f[1]]; ok && i <= last {
				t.Errorf("%s has come behind %d", what, last)
			}
			newest[key+f[1]] = i
		}
	}
	for _, of := range all {
		for _, x := range of {
			if x.r != nil {
				select {
				case <-x.r.Done():
				default:
					t.Errorf("%s was not told", x.what)
				}
				x.err = x.r.Err()
			}
			n := count[x.what]
			switch {
			case n > 1, n > 0 && OutcomeOf(x.err).NeverRan() && x.err != nil, n == 0 && x.err == nil && x.ack:
				t.Errorf("%s has come %d times: %v", x.what, n, x.err)
			}
		}
	}
	wantNothingOnItsWay(t, client)
}
