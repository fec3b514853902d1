package natstransport_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/clstr-go/clstr/internal/wire"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/testkit"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/natstransport"
)

// still is a node that hears and never answers: a machine that stands still, or a name that a lie has given.
func still(t *testing.T, url string) {
	t.Helper()
	nc := dial(t, url)
	if _, err := nc.SubscribeSync("clstr.n.still.*"); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
}

// silence sends a call to shard 1 and ends it because its node is silent, unless another node has answered.
func silence(t *testing.T, client *natstransport.Transport) {
	t.Helper()
	call := start(patient(t), client, transport.Envelope{Shard: 1, Type: "Who"})
	eventually(t, "the silence", func() bool {
		if client.OpenCalls() > 0 {
			client.Pulses(1, 1)
		}
		select {
		case got := <-call:
			if got.err != nil {
				failed(t, got.err, outcome.ErrConnectionLost, outcome.MaybeRan)
			}
			return true
		default:
			return false
		}
	})
}

// TestSilentNodeIsSucceeded: a client that does not hear of new owners asks for them when a node is silent, and not only when a
// call's time is up.
func TestSilentNodeIsSucceeded(t *testing.T) {
	url, node, client, r := realm(t, 4)
	r.say(1, 3, "still")
	still(t, url)
	silence(t, client)
	eventually(t, "the client listens", client.Hears)
	client.Deafen()
	own(t, node, r, 1, 4, says("new"))
	eventually(t, "the new owner is known", func() bool {
		client.MayAsk() // the answer of a moment ago is new enough otherwise
		silence(t, client)
		return client.Epoch(1) == 4
	})
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "new")
}

// TestLieAboutAnEpoch: a node has told once of an owner that is silent, in the highest epoch that there is. The client believes the
// next answer again, although its epoch is lower.
func TestLieAboutAnEpoch(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	still(t, url)
	for range 2 {
		client.Lie(&wire.Owners{First: 1, NumShards: 4, Owners: []wire.Owner{{Epoch: math.MaxUint64, Node: "still"}}})
		if got := client.Epoch(1); got != math.MaxUint64 {
			t.Fatalf("the client knows epoch %d", got)
		}
		eventually(t, "the nodes are believed", func() bool {
			client.MayAsk()
			silence(t, client)
			return client.Epoch(1) == 3
		})
		want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	}
}

// TestLiesAboutShardsWithoutCalls: what nodes say of notifications that were never sent is counted, and takes no memory.
func TestLiesAboutShardsWithoutCalls(t *testing.T) {
	url, node, client, r := realm(t, 4)
	own(t, node, r, 1, 3, says("it"))
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
	nc, before := dial(t, url), client.Boxes()
	for i := range 100 {
		var b []byte
		for j := range 100 {
			lie := wire.Reply{ID: 1 << 40, Unawaited: true, Shard: uint32(1<<20 + 100*i + j), Owner: wire.Owner{Epoch: math.MaxUint64, Node: fmt.Sprintf("lie-%d-%d", i, j)}}
			b = lie.Append(b)
		}
		if err := nc.Publish(client.Subjects()[0], wire.AppendEnd(b, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	client.Sync(patient(t))
	if nodes, missed := client.Boxes(), client.MissedNotifications(); nodes != before || missed != 10_000 {
		t.Errorf("%d nodes are known, %d before; %d notifications count as missed", nodes, before, missed)
	}
	want(t, client, transport.Envelope{Shard: 1, Type: "Who"}, "it")
}

// TestLostQuestions: if a node loses two questions whether it lives, and answers other calls, none of them stays open.
func TestLostQuestions(t *testing.T) {
	url := testkit.StartNATS(t)
	node, client, nc := narrow(t, url), connect(t, natstransport.Options{URL: url}), dial(t, url)
	h, entered, release := stuck(t)
	serve(t, node, 1, h)
	serve(t, node, 2, echo)
	call := hold(t, client, 1, entered)
	client.StopPulses(1) // but for those that follow
	_, stop := flood(t, node, nc, "clstr.n."+node.Backend().Address()+"._")
	for asked := 2; asked <= 3; asked++ {
		eventually(t, "a question", func() bool {
			client.Pulse(1)
			return client.OpenCalls() >= asked
		})
		client.Sync(patient(t))
		node.HasCome(patient(t)) // and was dropped
	}
	stop()
	node.Sync(patient(t)) // it has room again
	for range 12 {
		want(t, client, transport.Envelope{Shard: 2, Type: "Echo", Data: []byte("x")}, "x")
		client.Pulse(1)
	}
	client.Sync(patient(t))
	eventually(t, "the answer to a further question, if there is one", func() bool { return client.OpenCalls() == 1 })
	release()
	held(t, call)
	client.Pulse(1)
	if n := client.OpenCalls(); n != 0 {
		t.Errorf("%d calls wait", n)
	}
}
