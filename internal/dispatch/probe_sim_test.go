package dispatch

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// simKey is a key of a simulation: calls take their turns there, one after the other.
type simKey struct {
	mu   sync.Mutex
	line []*Call
	now  *Call
	next chan struct{} // cap 1
}

// Running implements turn.Place.
func (k *simKey) Running() *turn.Turn {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.now == nil {
		return nil
	}
	return k.now.Turn()
}

func (k *simKey) put(c *Call) {
	k.mu.Lock()
	now, line := k.now, c.Waiting()
	if now != nil && line != nil {
		if t := now.Turn(); t != nil && line.Find(t.Number) != nil {
			k.mu.Unlock()
			c.Refuse(outcome.New(outcome.ErrCircle))
			return
		}
	}
	behind := now != nil || len(k.line) > 0
	k.line = append(k.line, c)
	k.mu.Unlock()
	if behind && line != nil {
		c.Queued(k)
	}
	select {
	case k.next <- struct{}{}:
	default:
	}
}

// TestProbesSimulated lets keys ask each other by chance, with pauses and answers that
// are slow to come between nodes. Where all ask upwards there is no circle, and none may
// be found, however long the lines. Where they ask as they like, every wait must end
// long before its deadline, and what is called a circle must have been one: the key
// that was asked cannot have been free while the request was in line.
func TestProbesSimulated(t *testing.T) {
	for seed := range uint64(40) {
		upwards := seed%2 == 0
		synctest.Test(t, func(t *testing.T) { simulate(t, seed, upwards) })
	}
}

func simulate(t *testing.T, seed uint64, upwards bool) {
	const keys, callers, deadline = 8, 12, 5 * time.Minute
	r := rand.New(rand.NewPCG(seed, 1))
	var rmu sync.Mutex
	draw := func(n int) int {
		rmu.Lock()
		defer rmu.Unlock()
		return r.IntN(n)
	}
	onItsWay := func() <-chan time.Time {
		// Never zero: Go's race detector crashes if goroutines of one bubble select from timers that are due (as of Go 1.26).
		return time.After(time.Duration(1+draw(20)) * time.Millisecond)
	}
	d := NewDispatcher(transport.Limits{HandlerTimeout: -1, MaxConcurrentHandlers: -1}, silent)
	subs := make([]*Sub, keys)
	ask := func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		select {
		case <-onItsWay():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return subs[env.Shard].Do(ctx, env)
	}
	d.SetAsk(func(ctx context.Context, shard uint32, question []byte) ([]byte, error) {
		select {
		case <-onItsWay():
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		return subs[shard].AnswerTurns(shard, question)
	})
	var circles, answered int
	var ended sync.WaitGroup
	quit := make(chan struct{})
	for i := range keys {
		k := &simKey{next: make(chan struct{}, 1)}
		s, err := d.Subscribe(t.Context(), whole(receiverFunc(k.put)))
		if err != nil {
			t.Fatal(err)
		}
		subs[i] = s
		ended.Go(func() { // the turns of one key; ends with quit
			for {
				k.mu.Lock()
				if len(k.line) == 0 {
					k.mu.Unlock()
					select {
					case <-k.next:
						continue
					case <-quit:
						return
					}
				}
				k.now = k.line[0]
				k.line = slices.Delete(k.line, 0, 1)
				c := k.now
				k.mu.Unlock()
				if c.Start(nil) {
					simTurn(c, i, keys, upwards, draw, ask)
				}
				k.mu.Lock()
				k.now = nil
				k.mu.Unlock()
			}
		})
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range 10 {
				ctx, cancel := context.WithTimeout(t.Context(), deadline)
				began := time.Now()
				_, err := ask(ctx, transport.Envelope{Shard: draw(keys)})
				cancel()
				mu.Lock()
				switch is := errors.Is(err, outcome.ErrCircle); {
				case err == nil:
					answered++
				case is && !upwards:
					circles++
				default:
					t.Errorf("seed %d: after %v: %v", seed, time.Since(began), err)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	close(quit)
	ended.Wait()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if answered == 0 || !upwards && circles == 0 {
		t.Errorf("seed %d: %d were answered, %d in circles", seed, answered, circles)
	}
}

// simTurn handles a call: it works, and asks up to two others.
func simTurn(c *Call, own, keys int, upwards bool, draw func(int) int, ask func(context.Context, transport.Envelope) ([]byte, error)) {
	defer c.End()
	time.Sleep(time.Duration(draw(100)) * time.Millisecond)
	for range draw(3) {
		to := draw(keys)
		if upwards {
			if own == keys-1 {
				break
			}
			to = own + 1 + draw(keys-1-own)
		}
		if _, err := ask(c, transport.Envelope{Shard: to}); err != nil {
			c.Reply(nil, err)
			return
		}
	}
	c.Reply(nil, nil)
}
