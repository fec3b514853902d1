package natstransport_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// forgetful handles what is of the type "Forget" and never answers.
type forgetful struct{ forgot chan struct{} }

// Accept implements [dispatch.Receiver].
func (f forgetful) Accept(c *dispatch.Call) {
	if !c.Start(nil) {
		return
	}
	if c.Envelope().Type == "Forget" {
		f.forgot <- struct{}{}
	} else {
		c.Reply(c.Envelope().Data, nil)
	}
	c.End()
}

// TestCallersThatDie: a caller whose connection is gone cancels nothing. What it has
// left open at the node ends at its deadline all the same, and the node can close.
func TestCallersThatDie(t *testing.T) {
	const most = 4
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url, MaxPending: most, HandlerTimeout: time.Hour})
	f := forgetful{make(chan struct{}, most)}
	if _, err := node.Backend().Subscribe(patient(t), 0, dispatch.Subscriber{Receiver: f}); err != nil {
		t.Fatal(err)
	}
	for dead := 0; dead < most; {
		nc := dial(t, url)
		caller := connect(t, natstransport.Options{Conn: nc})
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		call := start(ctx, caller, transport.Envelope{Type: "Forget"})
		select {
		case <-f.forgot:
			dead++
			nc.Close()
			receive(t, "the caller", call)
		case r := <-call: // a busy machine has not brought it to the node in time
			if !errors.Is(r.err, context.DeadlineExceeded) {
				t.Fatal(r.err)
			}
		}
	}
	other := connect(t, natstransport.Options{URL: url})
	eventually(t, "the shard takes calls again", func() bool {
		_, err := other.Request(patient(t), transport.Envelope{Type: "After"})
		if err != nil && !errors.Is(err, outcome.ErrOverloaded) {
			t.Fatal(err)
		}
		return err == nil
	})
	closed := make(chan error, 1)
	go func() { closed <- node.Close() }()
	if err := receive(t, "Close", closed); err != nil {
		t.Errorf("Close: %v", err)
	}
}
