package dispatch

import (
	"testing"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// TestAckByReturn: the transport tells that a notification was accepted, and the replier all else: a refusal, and an
// acceptance that comes late.
func TestAckByReturn(t *testing.T) {
	dispatched := func(to Subscriber) (c *Call, sender *inbox, d *Dispatcher) {
		d = NewDispatcher(transport.Limits{}, silent)
		s, err := d.Subscribe(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		sender = &inbox{}
		c = NewCall(transport.Envelope{Delivery: transport.AwaitAccept}, sender, 0)
		c.AckByReturn()
		s.Dispatch(c)
		return c, sender, d
	}
	end := func(c *Call, d *Dispatcher, sender *inbox, replies int) {
		t.Helper()
		if c.Start(nil) {
			c.Reply(nil, outcome.New(outcome.ErrOverloaded)) // which no sender of a notification hears
			c.End()
		}
		if sender.count() != replies {
			t.Errorf("%d replies, want %d", sender.count(), replies)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	c, sender, d := dispatched(whole(&book{}))
	if !c.AckedByReturn() || !c.Accepted() {
		t.Error("what was accepted is not the transport's to tell")
	}
	end(c, d, sender, 0)

	c, sender, d = dispatched(whole(&lateBook{accepted: func() {}}))
	if c.AckedByReturn() || c.Replied() {
		t.Error("what is accepted later is the transport's to tell")
	}
	end(c, d, sender, 1)
	if c.AckedByReturn() {
		t.Error("it would be told twice")
	}

	lease := standing.NewLease() // which never began
	c, sender, d = dispatched(Subscriber{Receiver: &book{}, Standing: standing.New("it", 0, 1, lease)})
	if c.AckedByReturn() || sender.only() == nil {
		t.Error("a refusal is not told")
	}
	end(c, d, sender, 1)
}
