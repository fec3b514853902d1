// Metrics that end the goroutine of a line

package cluster

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// untaken is a node whose connection does not take some posts.
type untaken struct{ *mailboxes }

func (u untaken) Post(ctx context.Context, env *Envelope, o dispatch.Order, until time.Time, to dispatch.Told) (bool, error) {
	if n, _ := strconv.Atoi(string(env.Data)); n > 20 && n%5 == 3 {
		return false, outcome.Errorf(ErrTooLarge, "for a test").WithOutcome(NotSent)
	}
	return u.mailboxes.Post(ctx, env, o, until, to)
}

// quitter are metrics that end the goroutine at each notification that has failed.
type quitter struct{ CallMetrics }

func (quitter) NotifyEnded(_, _ string, o Outcome) {
	if o != Succeeded {
		runtime.Goexit()
	}
}

// TestAsyncWhereMetricsEndALinesGoroutine: metrics that end the goroutine of a line while it posts many cost no other notification its
// receipt, its place or its room.
func TestAsyncWhereMetricsEndALinesGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &mailboxes{size: 10, pace: map[string]time.Duration{"k": time.Millisecond}}
		u := untaken{b}
		client := b.open(t, ClientOptions{})
		client.caller.meter.calls = quitter{}
		client.caller.poster = u
		client.caller.window.init(0, u)
		const n = 200
		receipts := make([]*Receipt, n)
		for i := range n {
			receipts[i] = client.Key("k").NotifyRawAsync(t.Context(), "Add", []byte(strconv.Itoa(i)))
			if i == 20 {
				time.Sleep(5 * time.Millisecond) // from here on the line's goroutine posts
			}
		}
		time.Sleep(time.Minute)
		last := -1
		for i, r := range receipts {
			if err := r.Err(); (err != nil) != (i > 20 && i%5 == 3) || err != nil && !errors.Is(err, ErrTooLarge) {
				t.Errorf("%d: %v", i, err)
			}
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, d := range b.got["k"] {
			i, _ := strconv.Atoi(d)
			if i <= last {
				t.Errorf("%d behind %d", i, last)
			}
			last = i
		}
		wantNothingOnItsWay(t, client)
	})
}
