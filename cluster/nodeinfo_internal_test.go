package cluster

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestNodeInfoIsNotMadeByTheReader: what asks for a node's shards holds up nobody else,
// however long the list takes.
func TestNodeInfoIsNotMadeByTheReader(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("no server")
	}
	tr, err := natstransport.Open(t.Context(), natstransport.Options{URL: s.ClientURL(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tr.Close() }()
	n := NewNode(NodeOptions{NodeID: "n"})
	n.living = &living{reach: reach{n: n}, open: map[uint32]*ownedShard{3: nil, 5: nil}}
	n.intake.handler = tr.Backend().Dispatcher().ReceiverFunc(func(context.Context, Envelope) ([]byte, error) { return nil, nil })
	if _, err := tr.Backend().Subscribe(t.Context(), 0, dispatch.Subscriber{Receiver: &n.intake}); err != nil {
		t.Fatal(err)
	}
	n.living.mu.Lock() // the list takes as long as this is held
	const asked = 5
	answers := make(chan string, asked)
	for range asked {
		go func() { // ends with the answer
			b, err := tr.Request(context.Background(), Envelope{Type: MsgClusterNodeInfo})
			if err != nil {
				b = []byte(err.Error())
			}
			answers <- string(b)
		}()
	}
	for waiting := 0; waiting < asked; { // all have come
		n.info.mu.Lock()
		waiting = len(n.info.waiting)
		n.info.mu.Unlock()
		if _, err := tr.Request(t.Context(), Envelope{Type: "Get"}); err != nil {
			t.Fatal(err)
		}
	}
	n.living.mu.Unlock()
	for range asked {
		if b := <-answers; b != `{"node_id":"n","shards":[3,5]}` {
			t.Errorf("answered with %s", b)
		}
	}
}
