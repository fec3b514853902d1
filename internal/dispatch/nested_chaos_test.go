package dispatch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// dice decide what happens, by a seed, as far as the scheduler lets them.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

func (d *dice) ms(n int) time.Duration { return time.Duration(d.roll(n)) * time.Millisecond }

// wait lets others run for a while. Virtual time would do, but of the timers of one
// bubble the race detector stands only so many: see docs/testing.md.
func (d *dice) wait(n int) {
	for range 20 * d.roll(n) {
		runtime.Gosched()
	}
}

// leaf is a receiver that answers in all ways that there are.
func (d *dice) leaf(bg *sync.WaitGroup) Receiver {
	return receiverFunc(func(c *Call) {
		switch d.roll(8) {
		case 0:
			c.Refuse(outcome.Errorf(outcome.ErrOverloaded, "leaf"))
			return
		case 1:
			c.Panicked("x")
			return
		}
		bg.Go(func() {
			d.wait(3)
			if !c.Start(nil) {
				return
			}
			if d.roll(2) == 0 {
				select {
				case <-c.Done():
				case <-time.After(d.ms(15)):
				}
			}
			switch d.roll(4) {
			case 0: // answers later
				c.End()
				d.wait(10)
				c.Reply(nil, nil)
			case 1:
				c.Reply(nil, errors.New("x"))
				c.End()
			default: // goes on after its answer
				c.Reply(nil, nil)
				d.wait(3)
				c.End()
			}
		})
	})
}

// middleware passes calls on in all ways that there are.
func (d *dice) middleware(bg *sync.WaitGroup, h transport.HandlerFunc) transport.HandlerFunc {
	return func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		if d.roll(5) == 0 {
			env.Delivery = transport.Delivery(d.roll(3))
		}
		if d.roll(6) == 0 {
			env.TTLMs = int64(d.roll(4)) - 1
		}
		switch d.roll(9) {
		case 0: // later, by a goroutine
			bg.Go(func() {
				d.wait(4)
				_, _ = h(context.WithoutCancel(ctx), env)
			})
			return nil, nil
		case 1: // twice
			_, _ = h(ctx, env)
			return h(ctx, env)
		case 2:
			_, _ = h(ctx, env)
			panic("middleware")
		case 3:
			_, _ = h(ctx, env)
			runtime.Goexit()
		case 4: // it leaves
			ctx, cancel := context.WithTimeout(ctx, d.ms(4))
			defer cancel()
			return h(ctx, env)
		case 5: // twice at once, and it does not wait
			bg.Go(func() { _, _ = h(context.WithoutCancel(ctx), env) })
			bg.Go(func() { _, _ = h(ctx, env) })
			d.wait(2)
			return nil, nil
		case 6:
			return h(context.WithoutCancel(ctx), env)
		}
		return h(ctx, env)
	}
}

// TestPassedOnChaos: whatever handlers do with what they pass on, and however the
// subscription ends, nothing remains counted.
func TestPassedOnChaos(t *testing.T) {
	for seed := range uint64(40) {
		roll := &dice{r: rand.New(rand.NewPCG(seed, 0))}
		d := NewDispatcher(transport.Limits{MaxPending: 12, MaxConcurrentHandlers: 4, HandlerTimeout: 10 * time.Millisecond}, silent)
		life := NewLifetime(silent, d)
		life.LimitInFlight(40)
		life.LimitBytes(1<<20, 2<<10) // so that each message counts as its key's
		var bg, senders sync.WaitGroup
		inner := life.ReceiverFunc(roll.middleware(&bg, life.HandlerFunc(roll.leaf(&bg))))
		g := newLeasedFunc(life.ReceiverFunc(roll.middleware(&bg, life.HandlerFunc(inner))))
		var top Receiver = g
		if seed%4 == 3 { // a fixed list of shards
			top = g.Receiver
		}
		s, err := d.Subscribe(life.Context(), whole(top))
		if err != nil {
			t.Fatal(err)
		}
		for range 4 {
			senders.Go(func() { roll.send(s) })
		}
		if seed%8 < 4 {
			roll.wait(100)
		} else {
			senders.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		g.at.Move(time.Now().Add(time.Minute), false)
		switch seed % 4 {
		case 1:
			g.at.Lose()
			err = s.Drop(ctx)
		case 2:
			err = s.Unsubscribe()
		default:
			err = s.Drain(ctx)
		}
		if err := errors.Join(err, s.Unsubscribe()); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		cancel()
		senders.Wait()
		bg.Wait()
		end(t, life, d)
		if left := s.leftOver(); left != "" {
			t.Errorf("seed %d: at the end %s", seed, left)
		}
	}
}

// send sends what may be sent, in all ways, a hundred times.
func (d *dice) send(s *Sub) {
	for range 100 {
		env := transport.Envelope{Delivery: transport.Delivery(d.roll(3)), Key: string(rune('a' + d.roll(4))), Data: make([]byte, d.roll(600))}
		if d.roll(10) == 0 {
			env.TTLMs = int64(d.roll(5)) - 1
		}
		if d.roll(2) == 0 {
			s.Dispatch(NewCall(env, &inbox{}, d.ms(10)))
		} else {
			ctx, cancel := context.WithTimeout(context.Background(), d.ms(10))
			_, _ = s.Do(ctx, env)
			cancel()
		}
		if d.roll(50) == 0 {
			s.Lapse()
		}
		if d.roll(4) == 0 {
			d.wait(4)
		}
	}
}

// leftOver says what is still counted.
func (s *Sub) leftOver() (left string) {
	say := func(what string, n int64) {
		if n != 0 {
			left += fmt.Sprintf("%s: %d ", what, n)
		}
	}
	say("pending", int64(s.Pending()))
	say("busy", s.life.busy.Load())
	say("taken", s.counts.taken[0].Load())
	say("taken without an ack", s.counts.taken[1].Load())
	say("noted", int64(s.hearers.calls.Len()))
	say("bytes", s.life.bytes.Load())
	say("keys with bytes", int64(s.keys.held.Len()))
	return left
}
