package transporttest

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/transport"
)

// A drain refuses what arrives and waits for what was accepted; the subscription
// remains and says so.
func testDrain(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	t := r.own(0, 1, o)
	c, call := r.held(o)
	ctx, cancel := context.WithCancel(s.patient())
	given := ends(func() error { return t.Drain(ctx) })
	cancel()
	if err := receive(s, "a drain that is given up", given); !errors.Is(err, context.Canceled) {
		s.Errorf("a drain that is given up returns %v", err)
	}
	drained := ends(func() error { return t.Drain(s.patient()) })
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept} {
		_, err := r.request(transport.Envelope{Type: "Who", Delivery: d})
		s.failed(err, transport.ErrDraining, transport.NotStarted)
	}
	select {
	case err := <-drained:
		s.Fatalf("Drain returned (%v) before an accepted call had finished", err)
	default:
	}
	o.answer(c)
	if done := receive(s, "the reply", call); done.err != nil || string(done.data) != "it" {
		s.Errorf("reply %q, %v", done.data, done.err)
	}
	if err := receive(s, "Drain", drained); err != nil {
		s.Error(err)
	}
	_, err := r.request(transport.Envelope{Type: "Who"})
	s.failed(err, transport.ErrDraining, transport.NotStarted)
	if err := t.Unsubscribe(); err != nil {
		s.Error(err)
	}
	_, err = r.request(transport.Envelope{Type: "Who"})
	s.failed(err, transport.ErrNotOwner, transport.NotStarted)
}

// A drop ends the contexts of the handlers that look, whenever they do, and their
// callers learn at once that they may have run. It waits for the others.
func testDrop(s *suite) {
	r := s.realm(transport.Limits{})
	o := newOwner("it")
	t := r.own(0, 1, o)
	waits, dropped, hold := make(chan struct{}), s.gate(), s.gate()
	looks := []func(context.Context) string{
		func(ctx context.Context) string { done := ctx.Done(); close(waits); <-done; return "" },
		func(ctx context.Context) string {
			for ctx.Err() == nil {
				<-time.After(time.Millisecond)
			}
			return ""
		},
		func(ctx context.Context) string { <-dropped.c; <-ctx.Done(); return "" },
		func(ctx context.Context) string { // looks at one derived from it
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			<-ctx.Done()
			return ""
		},
	}
	var calls []<-chan result
	for _, h := range looks {
		c, call := r.held(o)
		run(s, c, h)
		calls = append(calls, call)
	}
	receive(s, "a handler", waits)
	c, blind := r.held(o)
	run(s, c, func(context.Context) string { <-hold.c; return "blind" })
	late, refused := r.held(o)
	drop := ends(func() error { return t.Drop(s.patient()) })
	s.failed(receive(s, "who waits for its context's end", calls[0]).err, transport.ErrNotOwner, transport.MaybeRan)
	dropped.open()
	for _, call := range calls[1:] {
		s.failed(receive(s, "who looks at its context", call).err, transport.ErrNotOwner, transport.MaybeRan)
	}
	o.starts.Store(true)
	o.answer(late)
	s.failed(receive(s, "what had not started", refused).err, transport.ErrNotOwner, transport.NotStarted)
	select {
	case err := <-drop:
		s.Fatalf("Drop returned (%v) while a handler was running", err)
	default:
	}
	hold.open()
	if done := receive(s, "the reply", blind); done.err != nil || string(done.data) != "blind" {
		s.Errorf("reply %q, %v", done.data, done.err)
	}
	if err := receive(s, "Drop", drop); err != nil {
		s.Error(err)
	}
}

// chronicle is what all owners of a shard have run.
type chronicle struct {
	*owner
	mu  *sync.Mutex
	got *[]uint32
}

// Accept implements transport.Receiver.
func (w chronicle) Accept(c *transport.Call) {
	if c.Start(nil) {
		w.mu.Lock()
		*w.got = append(*w.got, binary.BigEndian.Uint32(c.Envelope().Data))
		w.mu.Unlock()
		c.Reply(nil, nil)
		c.End()
	}
}

// What one sender sends one after the other runs in that order, also where it
// finds another owner each time; what was answered or acknowledged has run once.
func testOrderOverMoves(s *suite) {
	const moves = 20
	r := s.realm(transport.Limits{MaxPending: -1})
	var mu sync.Mutex
	var got []uint32
	over := make(chan struct{})
	begun := make(chan struct{})
	go func() { // ends with the last move
		defer close(over)
		var last tenure
		for epoch := range uint64(moves) {
			o := newOwner("it")
			t := r.ownAs(0, epoch+1, o, chronicle{o, &mu, &got})
			if epoch == 0 {
				close(begun)
			} else if err := last.Unsubscribe(); err != nil {
				s.Error(err)
			}
			mu.Lock()
			enough := len(got) + 20
			mu.Unlock()
			s.eventually("some more have run", func() bool { mu.Lock(); defer mu.Unlock(); return len(got) >= enough })
			if epoch < moves-1 {
				o.refuse.Store(true)
				if err := t.Drain(s.patient()); err != nil {
					s.Error(err)
				}
			}
			last = t
		}
	}()
	receive(s, "the first owner", begun)
	ctx := s.patient()
	var surely []uint32
	send := func(i uint32, d transport.Delivery) {
		env := transport.Envelope{Type: "Next", Data: binary.BigEndian.AppendUint32(nil, i), Delivery: d}
		for {
			_, err := r.Client.Request(ctx, env)
			switch {
			case err == nil && d != transport.AwaitNothing:
				surely = append(surely, i)
				return
			case d == transport.AwaitNothing:
				return
			case !transport.OutcomeOf(err).NeverRan() || ctx.Err() != nil:
				s.Errorf("message %d: %v", i, err)
				return
			}
			<-time.After(100 * time.Microsecond)
		}
	}
	i := uint32(0)
	for running := true; running; i++ {
		select {
		case <-over:
			running = false
			send(i, transport.AwaitReply)
		default:
			send(i, []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing}[i%3])
		}
	}
	mu.Lock()
	defer mu.Unlock()
	for at := range got[1:] {
		if got[at] >= got[at+1] {
			s.Fatalf("message %d has run before %d", got[at], got[at+1])
		}
	}
	for _, i := range surely {
		if _, ran := slices.BinarySearch(got, i); !ran {
			s.Errorf("message %d has not run", i)
		}
	}
}
