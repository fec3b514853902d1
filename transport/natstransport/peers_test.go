package natstransport_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// manyPeers is a node that has open calls of many more peers than it remembers
// idle ones.
func manyPeers(t *testing.T, peers int) (node *natstransport.Transport, nc *nats.Conn, replies *nats.Subscription, finish func()) {
	t.Helper()
	url := testkit.StartNATS(t)
	node = connect(t, natstransport.Options{URL: url, MaxConcurrentHandlers: -1, HandlerTimeout: -1})
	hold, entered := make(chan struct{}), make(chan struct{}, peers)
	serve(t, node, 0, func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Hold" {
			entered <- struct{}{}
			<-hold
		}
		return nil, nil
	})
	finish = func() { close(hold) }
	nc = dial(t, url)
	replies, err := nc.SubscribeSync("_INBOX.many.>")
	if err != nil {
		t.Fatal(err)
	}
	subject := at(t, nc, 0)
	for i := range peers {
		knock(t, nc, subject, "Hold", i)
		receive(t, "a handler", entered)
	}
	return node, nc, replies, finish
}

// knock sends a request from the inbox with the given number.
func knock(t *testing.T, nc *nats.Conn, subject, msgType string, inbox int) {
	t.Helper()
	env := transport.Envelope{Type: msgType, TTLMs: time.Hour.Milliseconds()} // or what is held is answered after 30 s
	b := wire.AppendEnd(wire.AppendEnvelope(nil, &env, 0, nil, 0), 1)
	if err := nc.PublishRequest(subject, fmt.Sprintf("_INBOX.many.%d.1-1", inbox), b); err != nil {
		t.Fatal(err)
	}
}

func answered(t *testing.T, replies *nats.Subscription) {
	t.Helper()
	if _, err := replies.NextMsg(patience); err != nil {
		t.Fatal(err)
	}
}

// What a message costs the reader does not grow with the number of peers that have
// calls here: all but the two that it looks at could be as slow as they like.
func TestReaderDoesNotWalkOverPeers(t *testing.T) {
	const peers = natstransport.MaxPeers + 200
	node, nc, replies, finish := manyPeers(t, peers)
	subject := at(t, nc, 0)
	release := sync.OnceFunc(node.HoldPeer(fmt.Sprintf("_INBOX.many.%d", peers-1)))
	t.Cleanup(release)
	for i := range 20 {
		knock(t, nc, subject, "Echo", peers+i)
		answered(t, replies)
	}
	release()
	finish()
	for range peers {
		answered(t, replies)
	}
}

// A peer that has calls here is kept, or it could not cancel them; those that were
// too many are forgotten once their calls have ended, with the next message of any peer.
func TestPeersOverTheBoundAreForgottenLater(t *testing.T) {
	const peers = natstransport.MaxPeers + 200
	node, nc, replies, finish := manyPeers(t, peers)
	subject := at(t, nc, 0)
	if n := node.Peers(); n != peers {
		t.Errorf("%d peers with open calls are remembered, of %d", n, peers)
	}
	finish()
	for range peers {
		answered(t, replies)
	}
	for i := range 3 * 200 { // each of them makes room for itself, and for one more
		knock(t, nc, subject, "Echo", peers+i)
		answered(t, replies)
	}
	if n := node.Peers(); n > natstransport.MaxPeers {
		t.Errorf("%d peers are remembered, at most %d may be", n, natstransport.MaxPeers)
	}
}

// A peer whose call goes on and on does not keep those behind it.
func TestABusyPeerKeepsNoOther(t *testing.T) {
	const busy = 3
	node, nc, replies, finish := manyPeers(t, busy)
	subject := at(t, nc, 0)
	for i := range 2 * natstransport.MaxPeers {
		knock(t, nc, subject, "Echo", busy+i)
		answered(t, replies)
	}
	if n := node.Peers(); n > natstransport.MaxPeers {
		t.Errorf("%d peers are remembered, at most %d may be", n, natstransport.MaxPeers)
	}
	finish()
	for range busy {
		answered(t, replies)
	}
}

// TestPeersGiveRoomBack: a peer that had many calls at once, and a caller that did, keep
// no room for as many.
func TestPeersGiveRoomBack(t *testing.T) {
	const calls = 2000
	url := testkit.StartNATS(t)
	node := connect(t, natstransport.Options{URL: url})
	client := connect(t, natstransport.Options{URL: url})
	l := &line{}
	if _, err := node.Backend().Subscribe(t.Context(), 0, dispatch.Subscriber{Receiver: l}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			if _, err := client.Request(patient(t), transport.Envelope{Type: "Echo"}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all have come", func() bool { return l.came() == calls })
	if node, client := node.PeerRoom(), client.CallRoom(); node < calls || client < calls {
		t.Errorf("there is room for %d and %d calls", node, client)
	}
	for _, c := range l.calls {
		if c.Start(nil) {
			c.Reply(nil, nil)
			c.End()
		}
	}
	all.Wait()
	if node, client := node.PeerRoom(), client.CallRoom(); node > calls/4 || client > calls/4 {
		t.Errorf("room for %d and %d calls is kept", node, client)
	}
}
