package dispatch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

func wantCounts(t *testing.T, s *Sub, want outcome.DrainCounts) {
	t.Helper()
	if got := s.Counts(); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// TestDrainCounts: of the calls of a shard that moves, each counts as what its
// sender knows of it.
func TestDrainCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := NewDispatcher(transport.Limits{}, silent)
		g := &book{}
		at, _ := leased()
		s, err := d.Subscribe(t.Context(), Subscriber{Receiver: g, Meter: g, Standing: at})
		if err != nil {
			t.Fatal(err)
		}
		far := func(how transport.Delivery, budget time.Duration) *Call {
			c := NewCall(transport.Envelope{Delivery: how}, &inbox{}, budget)
			s.Dispatch(c)
			return c
		}
		near := func(how transport.Delivery) error {
			_, err := s.Do(t.Context(), transport.Envelope{Delivery: how})
			return err
		}
		accepted := func() *Call { g.mu.Lock(); defer g.mu.Unlock(); return g.calls[len(g.calls)-1] }

		heeds, ignores := far(transport.AwaitReply, 0), far(transport.AwaitReply, 0)
		heeds.Start(nil)
		_ = heeds.Done()
		ignores.Start(nil)
		waits, late, passes := far(transport.AwaitReply, 0), far(transport.AwaitReply, time.Second), far(transport.AwaitReply, 0)
		passes.Start(nil)
		passes.Reply(nil, outcome.Errorf(outcome.ErrNotOwner, "of another call"))
		passes.End()
		acked, unacked := far(transport.AwaitAccept, 0), far(transport.AwaitNothing, 0)
		if err := near(transport.AwaitAccept); err != nil {
			t.Error(err)
		}
		ackedHere := accepted()
		if err := near(transport.AwaitNothing); err != nil {
			t.Error(err)
		}
		unackedHere := accepted()
		goesOn, heedsToo := far(transport.AwaitAccept, 0), far(transport.AwaitNothing, 0)
		goesOn.Start(nil)
		heedsToo.Start(nil)
		_ = heedsToo.Done()
		wantCounts(t, s, outcome.DrainCounts{})

		at.Move(time.Now().Add(time.Minute), false)
		far(transport.AwaitReply, 0)
		far(transport.AwaitAccept, 0)
		if near(transport.AwaitAccept) == nil || near(transport.AwaitNothing) == nil {
			t.Error("accepted by a shard that moves")
		}
		wantCounts(t, s, outcome.DrainCounts{Parked: 4})
		far(transport.AwaitNothing, 0)
		waits.Start(nil)
		wantCounts(t, s, outcome.DrainCounts{Parked: 5, Dropped: 1})

		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if s.Drain(ctx) == nil {
			t.Error("drained although calls go on")
		}
		late.Expire()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if s.Drop(ended) == nil {
			t.Error("dropped although calls go on")
		}
		for _, c := range []*Call{acked, unacked, ackedHere, unackedHere} {
			c.Refuse(outcome.Errorf(outcome.ErrDraining, "the key has ended"))
		}
		want := outcome.DrainCounts{Parked: 5, Dropped: 3, Lost: 2 + 2 + 1 + 1} // acked, those that heed, and the two that go on
		wantCounts(t, s, want)
		heeds.End() // which counts once, also while it runs on
		heedsToo.End()
		wantCounts(t, s, want)
		goesOn.Reply(nil, nil)
		goesOn.End()
		want.Lost--
		wantCounts(t, s, want)
		ignores.Reply(nil, nil)
		ignores.End()
		want.Lost--
		wantCounts(t, s, want)
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestDrainCountsBesideTheLease: what a node refuses because its lease has ended is
// no part of a later move, and no part of one is forgotten when it comes back.
func TestDrainCountsBesideTheLease(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	at, lease := leased()
	s, err := d.Subscribe(t.Context(), Subscriber{Receiver: &book{}, Standing: at})
	if err != nil {
		t.Fatal(err)
	}
	call := func() { s.Dispatch(NewCall(transport.Envelope{}, &inbox{}, 0)) }
	lapse := func() { lease.End(); lease.Lapse(); s.Lapse() }
	renew := func() { lease.Extend(time.Now().Add(time.Hour), time.Now().Add(time.Hour)) }
	lapse()
	call()
	renew()
	wantCounts(t, s, outcome.DrainCounts{})
	at.Move(time.Now().Add(time.Minute), false)
	call()
	lapse()
	renew()
	wantCounts(t, s, outcome.DrainCounts{Parked: 1})
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// lateBook is a book in which notifications are acknowledged later.
type lateBook struct {
	book
	accepted func()
}

func (b *lateBook) Accept(c *Call) {
	c.ackLater()
	b.book.Accept(c)
	b.accepted()
}

// TestAccepted: a notification counts as that from its acknowledgement on, and not
// when its sender has left before.
func TestAccepted(t *testing.T) {
	b := &lateBook{}
	d := NewDispatcher(transport.Limits{}, silent)
	s, err := d.Subscribe(t.Context(), whole(b))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.accepted = cancel
	if _, err := s.Do(ctx, transport.Envelope{Delivery: transport.AwaitAccept}); outcome.Of(err) != outcome.NotStarted {
		t.Errorf("%v (%v)", err, outcome.Of(err))
	}
	left := b.calls[0]
	c := NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, &inbox{}, 0)
	s.Dispatch(c)
	c.Start(nil)
	before := c.Accepted()
	c.Reply(nil, nil)
	if left.Accepted() || before || !c.Accepted() {
		t.Errorf("accepted: %v without a sender, %v before, %v after", left.Accepted(), before, c.Accepted())
	}
	c.End()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
