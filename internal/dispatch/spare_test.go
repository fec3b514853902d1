package dispatch

import (
	"context"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// reuser is a receiver that keeps nothing of a call that says so.
type reuser struct {
	do    func(*Call) // before the answer
	spent *Sub        // what the last call has said
}

// Accept implements [Receiver].
func (r *reuser) Accept(c *Call) {
	if !c.Start(nil) {
		return
	}
	if r.do != nil {
		r.do(c)
	}
	c.Reply([]byte("ok"), nil)
	if r.spent = Spent(c); r.spent != nil {
		EndLast(c)
	} else {
		c.End()
	}
}

// TestWhichCallsAreUsedAgain: those that no code can have kept.
func TestWhichCallsAreUsedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		do    func(*Call)
		env   transport.Envelope
		spent bool
	}{
		"a request":                   {nil, transport.Envelope{}, true},
		"a notification":              {nil, transport.Envelope{Delivery: transport.AwaitNothing}, true},
		"a command":                   {nil, transport.Envelope{ID: "a"}, false},
		"with headers":                {nil, transport.Envelope{Headers: map[string]string{"a": "b"}}, false},
		"its context was asked":       {func(c *Call) { CallFrom(c) }, transport.Envelope{}, false},
		"its context is watched":      {func(c *Call) { c.Done() }, transport.Envelope{}, true},
		"a look at its context":       {func(c *Call) { _ = c.Err() }, transport.Envelope{}, true},
		"a func waits for it":         {func(c *Call) { c.AfterAnswer(func() {}) }, transport.Envelope{}, false},
		"a drain is told":             {func(c *Call) { c.OnDrain(func() {}) }, transport.Envelope{}, false},
		"for a key of the receiver's": {func(c *Call) { c.SetKey("k") }, transport.Envelope{}, false},
		"failed":                      {func(c *Call) { c.Reply(nil, context.Canceled) }, transport.Envelope{}, false},
		"the clock looks at it":       {func(c *Call) { (*timed)(c).Expire() }, transport.Envelope{}, false},
		"out of time":                 {func(c *Call) { c.refuse(outcome.New(outcome.ErrHandlerTimeout), late) }, transport.Envelope{}, false},
	} {
		d := NewDispatcher(transport.Limits{}, silent)
		r := &reuser{do: c.do}
		sub, err := d.Subscribe(context.Background(), whole(r))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = sub.Do(context.Background(), c.env)
		if spent := r.spent != nil; spent != c.spent {
			t.Errorf("%s: spent is %v", what, spent)
		}
		if n := sub.Pending(); n != 0 {
			t.Errorf("%s: %d calls are pending", what, n)
		}
		if err := d.Close(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestASpareCallIsBlank: nothing of the call before is left in it.
func TestASpareCallIsBlank(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	sub, err := d.Subscribe(context.Background(), whole(&reuser{do: func(c *Call) { c.Done() }}))
	if err != nil {
		t.Fatal(err)
	}
	env := transport.Envelope{Key: "k", Kind: "kind", Data: []byte("data"), TTLMs: 3_600_000} // the clock looks at no call while the test does
	if _, err := sub.Do(context.Background(), env); err != nil {
		t.Fatal(err)
	}
	if err := doFar(d, sub, env); err != nil {
		t.Fatal(err)
	}
	for where, c := range map[string]*Call{"of this process": d.spare.get(), "from afar": d.far.get()} {
		if c == nil {
			t.Fatalf("the call %s is not used again", where)
		}
		keeps := map[string]bool{"node": true, "home": true, "replier": true, "wait": true, "told": true, "reused": true, "room": true, "buffer": true}
		for name, v := range fields(reflect.ValueOf(c.replier).Elem()) {
			if !v.IsZero() && !keeps[name] {
				t.Errorf("left of the call before, %s: %s is %v", where, name, v)
			}
		}
	}
}

// fields yields the fields of a struct, with those of the structs that it embeds.
func fields(s reflect.Value) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		for f, v := range s.Fields() {
			if !f.Anonymous {
				if !yield(f.Name, v) {
					return
				}
				continue
			}
			for name, v := range fields(v) {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

// far is a call whose transport may use it again.
type far struct {
	Call
	reused int
	told   chan error
}

// Reply implements [Replier].
func (f *far) Reply(_ *Call, _ []byte, err *outcome.Error) {
	switch {
	case f.told == nil:
	case err != nil:
		f.told <- err
	default:
		f.told <- nil
	}
}

// Reuse implements [Reuser].
func (f *far) Reuse() { f.reused++ }

// doFar is Do for a sender in another process. Its deadline is the TTL.
func doFar(d *Dispatcher, s *Sub, env transport.Envelope) error {
	f, ok := d.Far().(*far)
	if !ok {
		f = &far{}
		d.Adopt(&f.Call)
	}
	told := make(chan error, 1)
	f.told = told
	budget := time.Duration(0)
	if env.Delivery == transport.AwaitReply {
		budget, env.TTLMs = time.Duration(env.TTLMs)*time.Millisecond, 0
	}
	f.Init(&env, f, budget)
	f.SetWaiting(&Turn{Kind: "k", Key: "another"})
	s.Dispatch(&f.Call)
	err := <-told
	Part(&f.Call)
	return err
}

// TestACallFromAfarIsUsedAgain when its transport and the node are done with it, whichever is first, and once.
func TestACallFromAfarIsUsedAgain(t *testing.T) {
	for what, c := range map[string]struct {
		env     transport.Envelope
		do      func(*Call) // before the answer
		waiting *Turn
		want    int
	}{
		"a request":               {want: 1},
		"a notification":          {env: transport.Envelope{Delivery: transport.AwaitAccept}, want: 1},
		"one that awaits nothing": {env: transport.Envelope{Delivery: transport.AwaitNothing}, want: 1},
		"a turn waits for it":     {waiting: &Turn{Kind: "k", Key: "another"}, want: 1},
		"its sender has gone":     {do: func(c *Call) { c.Leave(context.Canceled) }},
		"code has its context":    {do: func(c *Call) { CallFrom(c) }},
	} {
		for _, first := range []bool{true, false} {
			d := NewDispatcher(transport.Limits{}, silent)
			f := &far{}
			r := &reuser{do: func(call *Call) {
				if c.do != nil {
					c.do(call)
				}
				if first { // before the node
					Part(call)
				}
				if f.reused > 0 {
					t.Errorf("%s: used again while its handler runs", what)
				}
			}}
			sub, err := d.Subscribe(t.Context(), whole(r))
			if err != nil {
				t.Fatal(err)
			}
			d.Adopt(&f.Call)
			f.Init(&c.env, f, 0)
			f.SetWaiting(c.waiting)
			sub.Dispatch(&f.Call)
			if !first {
				if f.reused > 0 {
					t.Errorf("%s: used again before its transport is done with it", what)
				}
				Part(&f.Call)
			}
			if again := d.Far(); (again == f) != (c.want == 1) {
				t.Errorf("%s: %v is used again", what, again)
			}
			if f.reused != c.want {
				t.Errorf("%s: used again %d times, want %d", what, f.reused, c.want)
			}
			if err := d.Close(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
}

// TestAnEndedCall stands for one that was used again: it has ended, and takes nothing.
func TestAnEndedCall(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	sub, err := d.Subscribe(context.Background(), whole(&reuser{}))
	if err != nil {
		t.Fatal(err)
	}
	c := Ended(sub)
	c.Reply([]byte("late"), nil)
	c.Refuse(outcome.New(outcome.ErrOverloaded))
	c.SetWaiting(nil)
	told := false
	c.AfterAnswer(func() { told = true })
	c.OnDrain(func() { t.Error("a drain waits for it") })
	select {
	case <-c.Done():
	default:
		t.Error("it is not done")
	}
	if w := BeginWait(c); CallFrom(c) != c || c.Err() != context.Canceled || !told || c.HandBack() || c.NoEffect(true) || Waiting(c) != nil || HeadersOf(c) != nil || w != (Wait{}) {
		t.Error("it lives")
	}
	if n := sub.Pending(); n != 0 || sub.hearers.owed() != 0 {
		t.Errorf("%d calls are pending", n)
	}
}
