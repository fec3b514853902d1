package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// stage is how far a call gets before its handler leaves it alone.
type stage int

const (
	waits  stage = iota // in a mailbox
	runs                // its handler does not return
	isOpen              // its handler has returned and has not answered
)

func (s stage) String() string { return [...]string{"waits", "runs", "left open"}[s] }

// leaver brings calls to a stage and leaves them there.
type leaver struct {
	stage stage
	calls []*Call
}

// Accept implements [Receiver].
func (l *leaver) Accept(c *Call) {
	l.calls = append(l.calls, c)
	if l.stage != waits {
		c.Start(nil)
	}
	if l.stage == isOpen {
		c.End()
	}
}

// TestWhoEndsACall: a call whose sender has gone for good, without a word, ends at the
// node when its time is up, whatever it is and wherever it has come to. With all the
// time in the world it ends at the handler timeout, once it has started.
func TestWhoEndsACall(t *testing.T) {
	const handlerTimeout = 20 * time.Second
	for _, delivery := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
		for _, at := range []stage{waits, runs, isOpen} {
			for _, far := range []bool{true, false} {
				for _, deadline := range []time.Duration{0, 500 * time.Millisecond, 29 * time.Second, time.Hour} {
					for _, ttl := range []time.Duration{0, 700 * time.Millisecond, DefaultRequestTimeout, 2 * time.Hour} {
						if delivery != transport.AwaitReply && deadline != 0 {
							continue // a notification lives on when its sender has gone
						}
						name := fmt.Sprintf("%v, %v, far %v, deadline %v, TTL %v", delivery, at, far, deadline, ttl)
						synctest.Test(t, func(t *testing.T) {
							d := NewDispatcher(transport.Limits{HandlerTimeout: handlerTimeout}, silent)
							l := &leaver{stage: at}
							sub, err := d.Subscribe(context.Background(), whole(l))
							if err != nil {
								t.Fatal(err)
							}
							env := transport.Envelope{Type: "x", Key: "k", Delivery: delivery, TTLMs: ttl.Milliseconds()}
							ended := make(chan struct{})
							if far {
								close(ended)
								sub.Dispatch(NewCall(env, &inbox{}, deadline))
							} else {
								ctx, cancel := context.WithCancel(context.Background())
								if deadline != 0 {
									ctx, cancel = context.WithTimeout(context.Background(), deadline)
								}
								defer cancel()
								go func() {
									defer close(ended)
									_, _ = sub.Do(ctx, env)
								}()
							}
							synctest.Wait()
							want := endOf(deadline, ttl)
							if delivery == transport.AwaitReply && want == 0 {
								want = DefaultRequestTimeout
							}
							if at != waits && (want == 0 || handlerTimeout < want) {
								want = handlerTimeout
							}
							if want == 0 {
								want = 3 * time.Hour // nobody ends it
								defer func() { l.calls[0].Refuse(outcome.New(outcome.ErrDraining)) }()
							}
							pass(want * 85 / 100)
							if n := sub.Pending(); n != 1 {
								t.Errorf("%s: %d in flight before its time is up", name, n)
							}
							pass(want * 30 / 100)
							switch {
							case want == 3*time.Hour:
							case at == runs:
								if l.calls[0].Err() == nil || l.calls[0].bits.Load()&bitAnswered == 0 {
									t.Errorf("%s: not ended %v after its arrival", name, want*115/100)
								}
								l.calls[0].End()
							case sub.Pending() != 0:
								t.Errorf("%s: in flight %v after its arrival", name, want*115/100)
								l.calls[0].Refuse(outcome.New(outcome.ErrDraining))
							default:
								<-ended
							}
							if err := d.Close(); err != nil && want != 3*time.Hour {
								t.Errorf("%s: Close: %v", name, err)
							}
						})
					}
				}
			}
		}
	}
}

// endOf is the first of both that is there; 0 is never.
func endOf(deadline, ttl time.Duration) time.Duration {
	if deadline == 0 || ttl != 0 && ttl < deadline {
		return ttl
	}
	return deadline
}

// TestATimeThatIsUpStartsNothing: a call whose sender has not taken it back does not
// start when its time is up, even at the very moment.
func TestATimeThatIsUpStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{}, silent)
		l := &leaver{}
		sub, _ := d.Subscribe(context.Background(), whole(l))
		in := &inbox{}
		c := NewCall(transport.Envelope{Type: "x"}, in, time.Second)
		sub.Dispatch(c)
		d.clock.Remove(&c.node) // nobody ends it before it is to start
		time.Sleep(time.Second) // virtual
		if c.Start(nil) {
			t.Fatal("it starts when its time is up")
		}
		if err := in.only(); !errors.Is(err, context.DeadlineExceeded) || err.Outcome != outcome.NotStarted {
			t.Errorf("told %v (%v)", err, err.Outcome)
		}
		_ = d.Close()
	})
}

// TestFarDeadlines: one that is further away than a duration reaches ends nothing. In
// a bubble, now lies before the process began.
func TestFarDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{HandlerTimeout: -1}, silent)
		sub, _ := d.Subscribe(context.Background(), whole(d.ReceiverFunc(func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Second):
				return []byte("ok"), ctx.Err()
			}
		})))
		for _, until := range []time.Time{time.Now().Add(time.Hour), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)} {
			ctx, cancel := context.WithDeadline(context.Background(), until)
			if got, err := sub.Do(ctx, transport.Envelope{Type: "x"}); err != nil || string(got) != "ok" {
				t.Errorf("deadline %v: got %q, %v", until, got, err)
			}
			cancel()
		}
		for _, budget := range []time.Duration{time.Hour, 1<<63 - 1} {
			in := &inbox{}
			sub.Dispatch(NewCall(transport.Envelope{Type: "x"}, in, budget))
			pass(2 * time.Second)
			if err := in.only(); err != nil {
				t.Errorf("budget %v: %v", budget, err)
			}
		}
		_ = d.Close()
	})
}
