package clstr

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

type valueKey struct{}

func newMember() *memLink {
	l := new(memLink)
	l.life, l.end = context.WithCancel(context.Background())
	return l
}

// TestACallOfAMember ends with its caller and with the member, whether its end was waited for or not. Its error says that the member
// has ended only if that is why it has failed.
func TestACallOfAMember(t *testing.T) {
	canceled := outcome.ContextError(context.Canceled, cluster.MaybeRan)
	for what, c := range map[string]struct {
		ends   func(l *memLink, cancel func())
		err    error
		closed bool // why says that the member has ended
	}{
		"nothing has ended":              {func(*memLink, func()) {}, canceled, false},
		"the caller has left":            {func(_ *memLink, cancel func()) { cancel() }, canceled, false},
		"the member has ended":           {func(l *memLink, _ func()) { l.end() }, canceled, true},
		"both":                           {func(l *memLink, cancel func()) { l.end(); cancel() }, canceled, false},
		"it ended, and the call was not": {func(l *memLink, _ func()) { l.end() }, outcome.New(outcome.ErrOverloaded), false},
		"it ended, and the call ran":     {func(l *memLink, _ func()) { l.end() }, canceled.WithOutcome(outcome.RanAndFailed), false},
		"it ended, and the call has not": {func(l *memLink, _ func()) { l.end() }, nil, false},
	} {
		for _, way := range []struct {
			delivery transport.Delivery
			waits    bool
		}{{transport.AwaitReply, false}, {transport.AwaitReply, true}, {transport.AwaitAccept, false}, {transport.AwaitAccept, true}, {transport.AwaitNothing, false}} {
			what, waits := fmt.Sprintf("%s, delivery %d", what, way.delivery), way.waits
			synctest.Test(t, func(t *testing.T) {
				l := newMember()
				defer l.end()
				ctx, cancel := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "value"))
				defer cancel()
				call, err := l.begin(ctx, way.delivery)
				open := call.open
				if err != nil || open.Err() != nil || open.Value(valueKey{}) != "value" {
					t.Fatalf("%s: it begins with %v, %v", what, err, open)
				}
				defer call.end()
				if waits {
					_ = open.Done()
				}
				c.ends(l, cancel)
				synctest.Wait()
				ended := l.life.Err() != nil || ctx.Err() != nil
				if got := open.Err() != nil; got != ended {
					t.Errorf("%s, waits %v: the context has ended: %v", what, waits, got)
				}
				done, closed := open.Done(), false
				synctest.Wait()
				select {
				case <-done:
					closed = true
				default:
				}
				if closed != ended {
					t.Errorf("%s, waits %v: Done is closed: %v", what, waits, closed)
				}
				if open.Value(valueKey{}) != "value" {
					t.Errorf("%s, waits %v: the caller's value is gone", what, waits)
				}
				why := call.why(c.err)
				if closed := errors.Is(why, cluster.ErrTransportClosed); closed != c.closed || !closed && !errors.Is(why, c.err) {
					t.Errorf("%s, waits %v: the error is %v", what, waits, why)
				}
				if c.closed && cluster.OutcomeOf(why) != cluster.MaybeRan {
					t.Errorf("%s, waits %v: the outcome is %v", what, waits, cluster.OutcomeOf(why))
				}
			})
		}
	}
	l := newMember()
	l.end()
	if _, err := l.begin(t.Context(), transport.AwaitNothing); !errors.Is(err, cluster.ErrTransportClosed) {
		t.Errorf("a call of a member that has ended: %v", err)
	}
}

// TestAContextMadeOfAMembersCall starts no goroutine: the bubble would wait for it.
func TestAContextMadeOfAMembersCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newMember()
		defer l.end()
		call, err := l.begin(context.Background(), transport.AwaitAccept)
		if err != nil {
			t.Fatal(err)
		}
		made, cancel := context.WithCancel(call.open)
		cancels := []func(){cancel} // not called: a goroutine would stay
		call.end()
		if len(cancels) != 1 || made.Err() == nil {
			t.Errorf("the call is over, and what was made of its context has ended with %v", made.Err())
		}
	})
}
