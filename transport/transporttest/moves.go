// Order, deadlines and callers while a shard moves

package transporttest

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// The time that an envelope waits at an owner which then refuses it counts against the
// envelope's time.
func testTTLElsewhere(s *suite) {
	const ttl = time.Minute
	r := s.realm(transport.Limits{})
	old, next := newOwner("old"), newOwner("next")
	r.own(0, 1, old)
	r.want(transport.Envelope{Type: "Who"}, "old")
	call := r.start(s.patient(), transport.Envelope{Type: "Held", TTLMs: ttl.Milliseconds()})
	c := receive(s, "the envelope", old.held)
	r.own(0, 2, next)
	began := time.Now()
	for time.Since(began) < 50*time.Millisecond {
		<-time.After(time.Millisecond)
	}
	old.loses()
	old.answer(c)
	select {
	case c = <-next.held:
		if left := c.Envelope().TTL(); left > ttl-50*time.Millisecond {
			s.Errorf("%v are left of %v", left, ttl)
		}
		next.answer(c)
		if done := receive(s, "the reply", call); done.err != nil || string(done.data) != "next" {
			s.Errorf("reply %q, %v", done.data, done.err)
		}
	case done := <-call:
		s.failed(done.err, outcome.ErrNotOwner, outcome.NotStarted)
	case <-s.patient().Done():
		s.Fatal("neither a reply nor a refusal")
	}
}

// chronicle records what the owners of a shard have run.
type chronicle struct {
	*owner
	mu  *sync.Mutex
	got *[]uint32
}

// Accept implements dispatch.Receiver.
func (w chronicle) Accept(c *dispatch.Call) {
	if c.Start(nil) {
		w.mu.Lock()
		*w.got = append(*w.got, binary.BigEndian.Uint32(c.Envelope().Data))
		w.mu.Unlock()
		c.Reply(nil, nil)
		c.End()
	}
}

// Messages that one sender sends one after the other run in that order, even if each
// meets another owner. A message that was answered or acknowledged has run once.
func testOrderOverMoves(s *suite) {
	const moves = 20
	r := s.realm(transport.Limits{MaxPending: -1})
	var mu sync.Mutex
	var got []uint32
	over := make(chan struct{})
	begun := make(chan struct{})
	go func() { // ends with the last move
		defer close(over)
		var last *dispatch.Sub
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
				o.at.Move(time.Now().Add(time.Minute), false)
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
			case !outcome.Of(err).NeverRan() || ctx.Err() != nil:
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
