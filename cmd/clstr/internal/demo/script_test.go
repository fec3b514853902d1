package demo

import (
	"log/slog"
	"testing"

	"github.com/clstr-go/clstr/cmd/clstr/internal/drainer"
	"github.com/clstr-go/clstr/cmd/clstr/internal/view"
	"github.com/clstr-go/clstr/internal/natsdial"
	"github.com/clstr-go/clstr/membership/natsstore"
)

// TestSomebodyElseDrains: a show goes on when the nodes that it would drain and kill
// have left already, because somebody has drained them from another terminal.
func TestSomebodyElseDrains(t *testing.T) {
	server, err := StartServer()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	ctx := t.Context()
	store, err := natsstore.Open(ctx, natsstore.Options{URL: server.URL, Memory: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var events []string
	s, err := NewShow(ctx, server.URL, natsdial.DefaultPrefix, store, func(e Event) { events = append(events, e.String()) }, "a", "b", "c")
	if err != nil {
		t.Fatal(err)
	}
	leaves := func(name string) {
		t.Helper()
		c, err := view.Load(ctx, store)
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.Node(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := drainer.New(store)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Ask(ctx, n.Ref); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Wait(ctx, func(int, int) {}); err != nil {
			t.Fatal(err)
		}
		<-s.nodes[name].Ended()
	}
	leaves("a")
	leaves("b")
	for _, err := range []error{s.drain(ctx, "a"), s.kill(ctx, "b"), s.join(ctx, "a"), s.join(ctx, "b"), s.Stop()} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(events) < 2 || events[0] != "a has left already" || events[1] != "b has left already" {
		t.Errorf("%q", events)
	}
}
