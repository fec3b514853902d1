// What is told of notifications and calls whose time was up in a line

package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// untimely is a node that refuses all, and whose last tries end with the notification's time.
type untimely struct {
	*mailboxes
	refuses *Error
	ends    *Error // of a try that has less than a second left
}

func (u untimely) Request(ctx context.Context, env Envelope) ([]byte, error) {
	time.Sleep(time.Millisecond)
	end, _ := ctx.Deadline()
	if env.TTLMs > 0 {
		end = time.Now().Add(env.TTL())
	}
	if left := time.Until(end); left < time.Second {
		time.Sleep(left)
		return nil, u.ends
	}
	return nil, u.refuses
}

func (u untimely) Post(_ context.Context, env *Envelope, _ dispatch.Order, until time.Time, to dispatch.Told) (bool, error) {
	if env.TTLMs > 0 {
		until = time.Now().Add(env.TTL())
	}
	err, pause := u.refuses, time.Millisecond
	if left := time.Until(until); left < time.Second {
		err, pause = u.ends, left
	}
	time.AfterFunc(pause, func() { to.Told(err) })
	return true, nil
}

// TestAsyncSaysWhatHeldIt: the time of notifications ends while they stand in a line, are tried again, or are on their way. Each
// receipt says why the line had to wait, if its notification did not run.
func TestAsyncSaysWhatHeldIt(t *testing.T) {
	full := outcome.Overloaded(5*time.Millisecond, "for a test")
	moved := outcome.Errorf(ErrDraining, "for a test").WithOutcome(NotStarted)
	cut := outcome.Errorf(ErrDisconnected, "for a test").WithOutcome(NotSent)
	late := outcome.ContextError(context.DeadlineExceeded, NotSent)
	expired := outcome.Errorf(ErrEnvelopeExpired, "for a test").WithOutcome(NotStarted)
	lost := outcome.Errorf(ErrEnvelopeExpired, "for a test").WithOutcome(MaybeRan)
	for name, c := range map[string]struct{ refuses, ends *Error }{
		"no room, not sent":       {full, late},
		"no room, not started":    {full, expired},
		"no room, may have run":   {full, lost},
		"a move, not sent":        {moved, late},
		"a move, not started":     {moved, expired},
		"no connection, not sent": {cut, late},
	} {
		for what, opts := range map[string][]EnvelopeOption{"30 s": nil, "TTL": {WithTTL(5 * time.Second)}} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					u := untimely{&mailboxes{}, c.refuses, c.ends}
					client := u.open(t, ClientOptions{})
					client.caller.transport, client.caller.poster = u, u
					client.caller.window.init(0, u)
					var receipts []*Receipt
					for i := range 40 {
						all := slices.Clip(opts)
						if i%4 == 3 {
							all = append(all, WithoutAck())
						}
						receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", nil, all...))
						time.Sleep(time.Duration(i) * 100 * time.Microsecond)
					}
					onTheirWay := 0
					for i, r := range receipts {
						err := r.Wait(t.Context())
						want := c.refuses.Sentinel()
						if OutcomeOf(err) == MaybeRan { // as Notify says it
							onTheirWay++
							if want = context.DeadlineExceeded; opts != nil {
								want = ErrEnvelopeExpired
							}
						}
						if e, ok := errors.AsType[*Error](err); !ok || e.Sentinel() != want {
							t.Errorf("%d: %v (%v), want %v", i, err, OutcomeOf(err), want)
						}
					}
					if (onTheirWay > 0) != (c.ends.Outcome == MaybeRan) {
						t.Errorf("%d may have run", onTheirWay)
					}
					synctest.Wait()
					wantNothingOnItsWay(t, client)
				})
			})
		}
	}
}

// TestAsyncTTLInALine: a notification is told when its TTL ends, also while one that has more time stands before it.
func TestAsyncTTLInALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 4}
		client := b.open(t, ClientOptions{})
		key := client.Key("k")
		for range 5 {
			key.NotifyRawAsync(t.Context(), "Add", nil)
		}
		time.Sleep(time.Second)
		began := time.Now()
		behind := []*Receipt{key.NotifyRawAsync(t.Context(), "Add", nil, WithTTL(time.Second)), key.NotifyRawAsync(t.Context(), "Add", nil),
			key.NotifyRawAsync(t.Context(), "Add", nil, WithTTL(2*time.Second), WithoutAck())}
		for i, want := range []time.Duration{time.Second, 0, 2 * time.Second} {
			if want == 0 {
				continue
			}
			err := behind[i].Wait(t.Context())
			if took := time.Since(began); !errors.Is(err, ErrOverloaded) || OutcomeOf(err) != NotSent || took != want {
				t.Errorf("%d: %v (%v) after %v", i, err, OutcomeOf(err), took)
			}
		}
		if err := behind[1].Wait(t.Context()); !errors.Is(err, ErrOverloaded) || time.Since(began) < DefaultRequestTimeout-time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		synctest.Wait()
		wantNothingOnItsWay(t, client)
	})
}

// TestAsyncTTLInTheMiddleOfALine: notifications whose TTL ends leave the line in any order, and the others stay in theirs.
func TestAsyncTTLInTheMiddleOfALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 1, pace: map[string]time.Duration{"k": 2 * time.Second}}
		client := b.open(t, ClientOptions{})
		receipts := map[int]*Receipt{}
		brief := map[int]time.Duration{3: 2, 5: 9, 6: 1, 7: 5, 11: 1} // hundreds of ms
		for i := range 12 {
			var opts []EnvelopeOption
			if ttl := brief[i]; ttl > 0 {
				opts = append(opts, WithTTL(ttl*100*time.Millisecond))
			}
			receipts[i] = client.Key("k").NotifyRawAsync(t.Context(), "Add", fmt.Append(nil, i, " "), opts...)
		}
		for i, r := range receipts {
			if err := r.Wait(t.Context()); (err != nil) != (brief[i] > 0) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if got := strings.Join(b.got["k"], ""); got != "0 1 2 4 8 9 10 " {
			t.Errorf("the key has got %s", got)
		}
		synctest.Wait()
		wantEmptyLines(t, client)
	})
}

// TestCallsSayWhatHeldThem: a call behind a line that waits for room, and a sender that waits for room in the window, end with their
// context or TTL. Their errors say so, and what they waited for.
func TestCallsSayWhatHeldThem(t *testing.T) {
	for name, c := range map[string]struct {
		call func(context.Context, *ScopedClient) error
		want error
	}{
		"request with a TTL": {func(ctx context.Context, k *ScopedClient) error {
			_, err := k.RequestRaw(ctx, "Get", nil, WithTTL(time.Second))
			return err
		}, ErrEnvelopeExpired},
		"request with a deadline": {func(ctx context.Context, k *ScopedClient) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := k.RequestRaw(ctx, "Get", nil)
			return err
		}, context.DeadlineExceeded},
		"notification that is canceled": {func(ctx context.Context, k *ScopedClient) error {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return k.NotifyRaw(ctx, "Add", nil)
		}, context.Canceled},
		"sender that waits for room": {func(ctx context.Context, k *ScopedClient) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			for {
				if err := k.NotifyRawAsync(ctx, "Add", nil).Err(); err != nil {
					return err
				}
			}
		}, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &mailboxes{size: 4}
				client := b.open(t, ClientOptions{NotifyWindow: 200})
				for range 10 {
					client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
				}
				time.Sleep(time.Second)
				began := time.Now()
				err := c.call(t.Context(), client.Key("k"))
				if took := time.Since(began); took != time.Second || !errors.Is(err, c.want) || !errors.Is(err, ErrOverloaded) || OutcomeOf(err) != NotSent || !strings.Contains(err.Error(), "overloaded: ") {
					t.Errorf("%v (%v) after %v", err, OutcomeOf(err), took)
				}
				time.Sleep(2 * DefaultRequestTimeout)
				synctest.Wait()
				wantNothingOnItsWay(t, client)
			})
		})
	}
}
