// Calls that are tried again: nothing has run, or they are commands with an ID

package cluster

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
)

// The pauses between tries: full jitter under a bound that doubles.
const (
	firstPause = 2 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// firstLook is how long a client's first call to a shard looks for a node that
// serves it, because this program may just have begun to start one. It is the sum of the pauses
// between looks. A machine that is too busy to start the node makes them longer, up to
// firstMost in all.
const (
	firstLook = 250 * time.Millisecond
	firstMost = 2 * time.Second
)

// kindLook is how long a call is tried again if its node does not host the kind, and another
// member does.
const kindLook = 5 * time.Second

// retries tries calls of a client again.
type retries struct {
	caller *caller
	known  *known
	on     []error // which are tried again as long as there is time
}

// patience is how long a call that fails with err is tried again; 0 is not at
// all.
func (r *retries) patience(err error, first bool, m *message) time.Duration {
	if !outcome.Of(err).NeverRan() {
		if m.repeats(outer(err)) {
			return math.MaxInt64
		}
		return 0
	}
	err = outer(err)
	if errors.Is(err, ErrCircle) {
		return 0 // it would be the same circle
	}
	if m.waitsFor(err) {
		return math.MaxInt64
	}
	for _, e := range r.on {
		if errors.Is(err, e) {
			return math.MaxInt64 // its deadline ends it
		}
	}
	if first && errors.Is(err, ErrTransportNoShardSubscriber) {
		return firstLook
	}
	if _, hinted := outcome.RetryAfter(err); hinted && errors.Is(err, ErrUnknownKind) {
		return kindLook // a deploy goes on: another member hosts it
	}
	return 0
}

// waitedFor reports whether a shard that is handed over refuses a call of a handler
// or hook for which the shard itself waits. It would refuse until that handler gives up. A line tries again: the handler may
// have begun to wait since.
func waitedFor(ctx context.Context, shard uint32, err error) bool {
	err = outer(err)
	return (errors.Is(err, ErrNotOwner) || errors.Is(err, ErrDraining) || errors.Is(err, ErrHandedBack)) && ctx.Value(lineKey{}) == nil && dispatch.WaitedFor(ctx, shard)
}

// outer is err without its causes. If an activation has failed because it had no connection,
// for example, this call has not failed for that reason.
func outer(err error) error {
	e, ok := errors.AsType[*outcome.Error](err)
	if !ok || len(e.Causes) == 0 {
		return err
	}
	c := *e
	c.Causes = nil
	return &c
}

// again tries until the call succeeds, may have run without being a command that has an ID,
// or is out of time; then it returns the last refusal, which says why.
func (r *retries) again(ctx context.Context, by *mapping, env Envelope, err error, first bool, m *message) ([]byte, error) {
	began := time.Now()
	end := began.Add(DefaultRequestTimeout)
	ttl := end
	if env.TTLMs > 0 {
		ttl = began.Add(env.TTL())
		end = ttl
	}
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	env.Retry = outcome.Of(err) == NotStarted
	w := dispatch.BeginWait(ctx) // also from one try to the next
	w.For(ctx, env.Shard)
	defer w.EndWait(ctx)
	timer := time.NewTimer(0)
	defer timer.Stop()
	<-timer.C
	paused := time.Duration(0)
	for most := firstPause; ; most = min(2*most, mostPause) {
		pause := time.Duration(rand.Int64N(int64(most))) + time.Microsecond
		if hint, ok := outcome.RetryAfter(err); ok {
			pause += hint
		}
		if time.Since(began) > layoutAgain && errors.Is(outer(err), ErrNotOwner) && r.known.look(ctx, by) {
			return nil, err // and its caller tries under the other mapping
		}
		patience, spent := r.patience(err, first, m), time.Since(began)
		if patience == firstLook && spent < firstMost {
			spent = paused
		}
		if left := patience - spent; left <= 0 || time.Until(end) <= pause {
			return nil, err
		} else if left < pause {
			pause = left // for a last look
		}
		if m.line != nil {
			r.caller.window.waits(m.line, err)
		}
		paused += pause
		timer.Reset(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, outcome.ContextError(ctx.Err(), outcome.Of(err)).WithCause(err)
		}
		if env.TTLMs > 0 {
			env.TTLMs = max(1, time.Until(ttl).Milliseconds())
			env.Stamp()
		}
		reply, e := r.caller.try(ctx, env, m)
		if e == nil {
			return reply, nil
		}
		r.caller.heard(m, e)
		err, env.Retry = e, env.Retry || outcome.Of(e) == NotStarted
	}
}
