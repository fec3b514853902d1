package cluster

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

// cutOff is a transport without a connection, until it has one.
type cutOff struct {
	mu    sync.Mutex
	until time.Time
	posts int
	last  uint64
}

// refused is nil when there is a connection, and after so many posts that waiting for one is no use.
func (c *cutOff) refused() error {
	if c.posts < 1000 && time.Now().Before(c.until) {
		return outcome.Errorf(ErrDisconnected, "for a test")
	}
	return nil
}

func (c *cutOff) Request(context.Context, Envelope) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return nil, c.refused()
}

func (c *cutOff) Close() error { return nil }

func (c *cutOff) Sends(transport.ClientTransport) bool { return true }

func (c *cutOff) Number() uint64 {
	c.last++ // with the window's mu
	return c.last
}

func (c *cutOff) Post(context.Context, *Envelope, dispatch.Order, time.Time, dispatch.Told) (open bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posts++
	return false, c.refused()
}

// TestAsyncPausesWithoutAConnection: the first of a line gives up while nothing can be sent. Those behind it are
// tried again with pauses, and not as fast as the machine can.
func TestAsyncPausesWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr := &cutOff{until: time.Now().Add(10 * time.Second)}
		client, err := NewClient(ClientOptions{Transport: tr, NumShards: 4})
		if err != nil {
			t.Fatal(err)
		}
		client.caller.poster = tr
		client.caller.window.init(0, tr)
		receipts := []*Receipt{client.Key("k").NotifyRawAsync(t.Context(), "Add", nil, WithTTL(time.Second))}
		for range 5 {
			receipts = append(receipts, client.Key("k").NotifyRawAsync(t.Context(), "Add", nil))
		}
		for i, r := range receipts {
			if err := r.Wait(t.Context()); (err == nil) != (i > 0) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if tr.posts > 20 {
			t.Errorf("%d posts of %d notifications", tr.posts, len(receipts))
		}
	})
}

// hasty tells a notification before Post returns, and looks at its envelope after that.
type hasty struct {
	*cutOff
	t *testing.T
}

func (h hasty) Post(_ context.Context, env *Envelope, _ dispatch.Order, _ time.Time, to dispatch.Told) (open bool, err error) {
	to.Told(nil)
	for range 10 {
		if n := notes.Get().(*note); n == to || &n.env == env {
			h.t.Error("a note is used again before Post has returned")
		}
	}
	return true, nil
}

// TestNoteIsTheTransportsInPost: a note that was told already is not used again while the transport still has its envelope.
func TestNoteIsTheTransportsInPost(t *testing.T) {
	tr := hasty{&cutOff{}, t}
	client, err := NewClient(ClientOptions{Transport: tr, NumShards: 4})
	if err != nil {
		t.Fatal(err)
	}
	client.caller.poster = tr
	client.caller.window.init(0, tr)
	for range 100 {
		if err := client.Key("k").NotifyRawAsync(t.Context(), "Add", []byte("x")).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
