package dispatch

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/transport"
)

// lender answers with bytes that stay its own, while other code answers with bytes that it gives away.
type lender struct{ lent []byte }

// Accept implements [Receiver].
func (l *lender) Accept(c *Call) {
	if c.Start(nil) {
		c.AfterAnswer(func() { c.ReplyOwned([]byte("too late")) })
		c.Reply(l.lent, nil)
		c.End()
	}
}

// TestLentBytesStayTheHandlers: what comes too late does not give away the bytes of the answer that came first. They may be
// used again at once.
func TestLentBytesStayTheHandlers(t *testing.T) {
	d := NewDispatcher(transport.Limits{}, silent)
	l := &lender{[]byte("first")}
	sub, err := d.Subscribe(context.Background(), whole(l))
	if err != nil {
		t.Fatal(err)
	}
	got, err := sub.Do(context.Background(), transport.Envelope{})
	copy(l.lent, "other")
	if err != nil || string(got) != "first" {
		t.Errorf("the sender has %q, %v", got, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
