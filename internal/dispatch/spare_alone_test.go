package dispatch

import (
	"context"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// later is a receiver that hands calls to the test, which runs their handlers.
type later struct{ calls []*Call }

// Accept implements [Receiver].
func (l *later) Accept(c *Call) { l.calls = append(l.calls, c) }

// counted counts the calls that a meter hears of.
type counted struct{ started, finished int }

func (m *counted) CallStarted(*Call) any { m.started++; return m }

func (m *counted) CallFinished(c *Call, started bool, kept any, err *outcome.Error) {
	if started && kept == any(m) && err == nil && c.Envelope().Key == "k" {
		m.finished++
	}
}

// TestANotificationThatIsAlone: its handler has ended, its sender has left, and no other code has got hold of it. Then it ends in one
// step. Otherwise it ends step by step. Nothing of it stays counted either way.
func TestANotificationThatIsAlone(t *testing.T) {
	for what, c := range map[string]struct {
		env       transport.Envelope
		handle    func(*Call)
		meanwhile func(*Call) // after IsAlone
		request   bool
		is, ends  bool
	}{
		"without an ack":              {is: true, ends: true},
		"with one":                    {env: transport.Envelope{Delivery: transport.AwaitAccept}, is: true, ends: true},
		"with a TTL":                  {env: transport.Envelope{TTLMs: 3_600_000}, is: true, ends: true},
		"a request":                   {request: true},
		"a command":                   {env: transport.Envelope{ID: "a"}},
		"with headers":                {env: transport.Envelope{Headers: map[string]string{"a": "b"}}},
		"its context was asked":       {handle: func(c *Call) { CallFrom(c) }},
		"its context is watched":      {handle: func(c *Call) { c.Done() }},
		"a func waits for it":         {handle: func(c *Call) { c.AfterAnswer(func() {}) }},
		"a drain is told":             {handle: func(c *Call) { c.OnDrain(func() {}) }},
		"it was answered":             {handle: func(c *Call) { c.Reply(nil, nil) }},
		"it has failed":               {handle: func(c *Call) { c.Reply(nil, context.Canceled) }},
		"its time was up":             {handle: func(c *Call) { c.refuse(outcome.New(outcome.ErrHandlerTimeout), late) }},
		"the clock looks at it":       {handle: func(c *Call) { (*timed)(c).Expire() }},
		"the clock looks meanwhile":   {meanwhile: func(c *Call) { (*timed)(c).Expire() }, is: true},
		"its time is up meanwhile":    {meanwhile: func(c *Call) { c.refuse(outcome.New(outcome.ErrHandlerTimeout), late) }, is: true},
		"its context is asked, later": {meanwhile: func(c *Call) { CallFrom(c) }, is: true},
	} {
		for name, st := range map[string]*standing.Standing{"of a fixed list": nil, "of a shard that may move": underLease(t)} {
			what := what + ", " + name
			d := NewDispatcher(transport.Limits{}, silent)
			var r later
			var m counted
			sub, err := d.Subscribe(t.Context(), Subscriber{Receiver: &r, Standing: st, Meter: &m})
			if err != nil {
				t.Fatal(err)
			}
			if c.env.Key = "k"; !c.request && c.env.Delivery != transport.AwaitAccept {
				c.env.Delivery = transport.AwaitNothing
			}
			l := newLocal(d, &c.env, 0)
			l.stamp()
			over := sub.dispatch(&l.Call, &r, nil, true)
			call := r.calls[0]
			if over == call.AwaitsReply() || !call.Start(nil) {
				t.Fatalf("%s: its sender has left: %v", what, over)
			}
			if c.handle != nil {
				c.handle(call)
			}
			if is := IsAlone(call); is != c.is {
				t.Errorf("%s: alone is %v", what, is)
			}
			if c.meanwhile != nil {
				c.meanwhile(call)
			}
			ends := c.is && EndAlone(call)
			if ends != c.ends {
				t.Errorf("%s: it has ended in one step: %v", what, ends)
			}
			if !ends {
				call.Reply(nil, nil)
				call.End()
			}
			if got := d.spare.get(); (got == call) != ends {
				t.Errorf("%s: to be used again is %p, and the call was %p", what, got, call)
			}
			left := []int64{int64(sub.Pending()), sub.life.bytes.Load(), sub.counts.taken[0].Load(), sub.counts.taken[1].Load(), sub.counts.asking.Load()}
			for i, n := range left {
				if n != 0 {
					t.Errorf("%s: left are %v calls, bytes, taken of one kind, taken of the other, asking: number %d is not 0", what, left, i)
				}
			}
			if failed := c.handle != nil || c.meanwhile != nil; m.started != 1 || m.finished != 1 && !failed {
				t.Errorf("%s: the meter has heard %+v", what, m)
			}
			if err := d.Close(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// underLease makes the standing of a shard under a lease that holds.
func underLease(t *testing.T) *standing.Standing {
	t.Helper()
	l := standing.NewLease()
	l.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	return standing.New("n", 1, 1, l)
}

// TestASenderThatLeaves: the sender of a notification is told and leaves in one step, but not if the notification was answered
// by then, or is not to be used again.
func TestASenderThatLeaves(t *testing.T) {
	for what, c := range map[string]struct {
		accept func(*Call)
		over   bool
	}{
		"it is in line":        {func(*Call) {}, true},
		"it has run":           {func(c *Call) { c.Start(nil); c.Reply(nil, nil); c.End() }, false},
		"it was refused":       {func(c *Call) { c.Refuse(outcome.New(outcome.ErrOverloaded)) }, false},
		"code has its context": {func(c *Call) { CallFrom(c) }, false},
		"it is accepted later": {func(c *Call) { c.ackLater() }, false},
	} {
		d := NewDispatcher(transport.Limits{}, silent)
		r := receives(c.accept)
		sub, err := d.Subscribe(t.Context(), whole(r))
		if err != nil {
			t.Fatal(err)
		}
		l := newLocal(d, &transport.Envelope{Delivery: transport.AwaitAccept}, 0)
		if over := sub.dispatch(&l.Call, r, nil, true); over != c.over {
			t.Errorf("%s: over is %v", what, over)
		}
		if l.has(bitTold|bitLeft) != c.over && !l.has(bitEnded) {
			t.Errorf("%s: its sender was told, and has left: %v", what, l.has(bitTold|bitLeft))
		}
		l.Reply(&l.Call, nil, nil)
		l.Refuse(outcome.New(outcome.ErrDraining))
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// receives is a func as a receiver.
type receives func(*Call)

// Accept implements [Receiver].
func (r receives) Accept(c *Call) { r(c) }
