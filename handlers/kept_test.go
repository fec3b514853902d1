package handlers_test

import (
	"context"
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// keeper passes a notification on to another handler, and keeps its context.
type keeper struct {
	inner transport.HandlerFunc
	kept  chan<- string
}

type keep struct{ Text string }

func (k *keeper) keep(c *actor.Context, _ keep) error {
	go func() {
		var last string
		for range 2 { // before the call has ended, and after
			m := c.Message()
			last = string(m.Data) + m.Headers["trace"]
			<-c.Done()
		}
		k.kept <- last
	}()
	_, err := k.inner(c, transport.Envelope{Type: "Inner", Key: "inner", Shard: int(c.Shard()), Delivery: transport.AwaitAccept})
	return err
}

// TestKeptContext: a context that is kept beyond its call still has the message, also
// where a part of the call that was passed on goes on. The race detector watches.
func TestKeptContext(t *testing.T) {
	goOn := make(chan struct{})
	inner := handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) {
		return func(context.Context, transport.Envelope) ([]byte, error) { <-goOn; return nil, nil }, nil
	})
	kept := make(chan string)
	keepers := actor.Define("keeper", func(string) *keeper { return &keeper{inner, kept} }, actor.OnNotify((*keeper).keep))
	call := newNode(t, memtransport.Options{}).serve(t, handlers.NewActorHandler(keepers.New), hosting.Setup{})
	for range 20 {
		env := transport.Envelope{
			Key: "k", Type: "keep", Data: []byte(`{"Text":"x"}`), Headers: map[string]string{"trace": "1"}, Delivery: transport.AwaitAccept,
		}
		if _, err := call(t.Context(), env); err != nil {
			t.Fatal(err)
		}
		if got := <-kept; got != `{"Text":"x"}1` {
			t.Errorf("kept %q", got)
		}
	}
	close(goOn)
}
