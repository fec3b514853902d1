package natstransport_test

import (
	"sync/atomic"
	"testing"

	"github.com/clstr-go/clstr/outcome"

	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// TestAnswerOfAFormerOwner: a node that lives and still has a call answers it, although the shard has another owner.
func TestAnswerOfAFormerOwner(t *testing.T) {
	url, node, client, r := realm(t, 2)
	former := connect(t, natstransport.Options{URL: url})
	h, entered, release := stuck(t)
	own(t, former, r, 1, 1, h)
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Hold", Data: []byte("x")})
	receive(t, "the handler", entered)
	own(t, node, r, 1, 2, says("the next"))
	eventually(t, "the next owner is known", func() bool { return client.Epoch(1) == 2 })
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "the next")
	release()
	if got := receive(t, "the call", call); got.err != nil || string(got.data) != "x" {
		t.Errorf("%q, %v", got.data, got.err)
	}
}

// TestQuestionIsPutAgain: the node that it reaches may be dead.
func TestQuestionIsPutAgain(t *testing.T) {
	url, node, client, r := realm(t, 2)
	nc := dial(t, url)
	ignored := make(chan struct{}, 1000)
	sub, err := nc.QueueSubscribe("clstr.who", "who", func(*nats.Msg) { ignored <- struct{}{} })
	if err == nil {
		err = sub.AutoUnsubscribe(3) // it could be the one that is asked each time
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	own(t, node, r, 0, 1, says("x"))
	for len(ignored) < 3 { // the shard behind it has no owner, so each asks
		client.MayAsk()
		refused(t, client, transport.Envelope{Shard: 1, Type: "Echo"}, outcome.ErrNotOwner, outcome.NotStarted)
	}
}

// TestOwnerIsJustKnown: who finds the old owner gone goes to the new one, also
// where that was announced at this very moment.
func TestOwnerIsJustKnown(t *testing.T) {
	_, node, client, r := realm(t, 1)
	old := own(t, node, r, 0, 1, says("old"))
	want(t, client, transport.Envelope{Type: "Who"}, "old")
	client.Deafen()
	if err := old.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	own(t, node, r, 0, 2, says("new"))
	client.Learn(0, 2, node.Backend().Address())
	want(t, client, transport.Envelope{Type: "Who"}, "new")
}

// TestAnswerThatDoesNotAdvance: a node that tells of the same shards whatever it is
// asked is not asked on for ever.
func TestAnswerThatDoesNotAdvance(t *testing.T) {
	url := testkit.StartNATS(t)
	client, nc := connect(t, natstransport.Options{URL: url}), dial(t, url)
	var asked atomic.Int64
	stuck := wire.AppendOwners(nil, &wire.Owners{Owners: []wire.Owner{{Epoch: 1, Node: "x"}}, NumShards: 3})
	if _, err := nc.Subscribe("clstr.who", func(m *nats.Msg) {
		asked.Add(1)
		_ = m.Respond(stuck) // fails on a closed connection only
	}); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	refused(t, client, transport.Envelope{Shard: 2, Type: "Any"}, outcome.ErrNotOwner, outcome.NotStarted)
	if n := asked.Load(); n > 50 { // 1, one more when it was answered, and one each 100 ms of a second
		t.Errorf("the node was asked %d times", n)
	}
}
