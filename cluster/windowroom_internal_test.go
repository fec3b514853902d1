// Notifications of turns, to keys that have no room for those of other senders

package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/turn"
)

// inATurn returns a context that the window takes for a turn's.
func inATurn(t *testing.T) context.Context {
	return context.WithValue(t.Context(), turn.InsideKey{}, true)
}

// wantNothingOnItsWay looks whether all notes have left the window.
func wantNothingOnItsWay(t *testing.T, client *Client) {
	t.Helper()
	w := &client.caller.window
	w.mu.Lock()
	defer w.mu.Unlock()
	if open := w.open.Load(); open != 0 || len(w.lines) != 0 || w.from != [sorts]seats{} {
		t.Errorf("%d are in the window, %d lines, %+v", open, len(w.lines), w.from)
	}
}

// TestTurnsDoNotWaitForOthersRoom: a turn sends while notifications of other senders are on their way to a key, which then refuses them.
// The key may wait for the turn, so what the turn has sent does not wait for room behind them, and neither does the turn.
func TestTurnsDoNotWaitForOthersRoom(t *testing.T) {
	type sent struct {
		patient int // to the key, outside of turns
		window  int
		key     string // to which the turn sends
	}
	for name, c := range map[string]sent{
		"behind a few":            {10, 400, "k"},
		"behind as many as it is": {100, 400, "k"},
		"window":                  {1, 1, "k"},
		"window, another key":     {1, 1, "j"},
	} {
		for what, send := range map[string]func(context.Context, *ScopedClient) error{
			"NotifyAsync": func(ctx context.Context, k *ScopedClient) error {
				return k.NotifyRawAsync(ctx, "Add", []byte("turn")).Wait(ctx)
			},
			"Notify": func(ctx context.Context, k *ScopedClient) error { return k.NotifyRaw(ctx, "Add", []byte("turn")) },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := &mailboxes{size: 4, pace: map[string]time.Duration{"j": time.Microsecond}}
					client := b.open(t, ClientOptions{NotifyWindow: c.window})
					for range 4 {
						if err := client.Key("k").NotifyRaw(t.Context(), "Add", nil); err != nil {
							t.Fatal(err)
						}
					}
					for range c.patient {
						client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
					}
					began := time.Now()
					err := send(inATurn(t), client.Key(c.key))
					if took := time.Since(began); took > time.Second {
						t.Errorf("after %v", took)
					}
					if c.key == "j" && err != nil || c.key == "k" && (!errors.Is(err, ErrOverloaded) || !OutcomeOf(err).NeverRan()) {
						t.Errorf("%v (%v)", err, OutcomeOf(err))
					}
					time.Sleep(2 * DefaultRequestTimeout)
					wantNothingOnItsWay(t, client)
				})
			})
		}
	}
}

// TestCallsBehindALineHaveTheirTime: what stands behind notifications that wait for room has its time from the beginning, not from
// when they are over.
func TestCallsBehindALineHaveTheirTime(t *testing.T) {
	for name, c := range map[string]struct {
		call func(context.Context, *ScopedClient) error
		most time.Duration
		want error
	}{
		"TTL": {func(ctx context.Context, k *ScopedClient) error {
			_, err := k.RequestRaw(ctx, "Get", nil, WithTTL(time.Second))
			return err
		}, time.Second, ErrEnvelopeExpired},
		"TTL of a notification": {func(ctx context.Context, k *ScopedClient) error {
			return k.NotifyRaw(ctx, "Add", nil, WithTTL(time.Second))
		}, time.Second, ErrEnvelopeExpired},
		"context": {func(ctx context.Context, k *ScopedClient) error {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			_, err := k.RequestRaw(ctx, "Get", nil)
			return err
		}, time.Second, context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &mailboxes{size: 4}
				client := b.open(t, ClientOptions{})
				for range 10 {
					client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
				}
				began := time.Now()
				err := c.call(t.Context(), client.Key("k"))
				if took := time.Since(began); !errors.Is(err, c.want) || OutcomeOf(err) != NotSent || took != c.most {
					t.Errorf("%v (%v) after %v", err, OutcomeOf(err), took)
				}
				time.Sleep(2 * DefaultRequestTimeout)
			})
		})
	}
}

// TestARequestBehindALineHasTheRest: of its time a request has the rest when those before it are over.
func TestARequestBehindALineHasTheRest(t *testing.T) {
	for what, opts := range map[string][]EnvelopeOption{"TTL": {WithTTL(DefaultRequestTimeout)}, "default": nil} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &mailboxes{size: 4, pace: map[string]time.Duration{"k": 100 * time.Millisecond}}
				client := b.open(t, ClientOptions{})
				began := time.Now()
				for range 14 {
					client.Key("k").NotifyRawAsync(t.Context(), "Add", nil)
				}
				_, err := client.Key("k").RequestRaw(t.Context(), "Get", nil, opts...)
				b.mu.Lock()
				defer b.mu.Unlock()
				env, most := b.newest, began.Add(DefaultRequestTimeout)
				end := b.deadline
				if opts != nil {
					end = b.at.Add(env.TTL())
				}
				if err != nil && !errors.Is(err, ErrOverloaded) || env.Type != "Get" || b.at.Sub(began) < 500*time.Millisecond || end.After(most) {
					t.Errorf("%v; a %s was sent after %v and has until %v", err, env.Type, b.at.Sub(began), end.Sub(began))
				}
			})
		})
	}
}
