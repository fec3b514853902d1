package cluster_test

import (
	"testing"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/handlers"
)

// TestTheNextTryIsAsSent: a request that goes back to its caller reaches the next owner as it was sent, although the method of the first
// has changed what it was given.
func TestTheNextTryIsAsSent(t *testing.T) { inOneProcess(t, nextTryIsAsSent) }

func nextTryIsAsSent(t *testing.T, open func() cluster.Transport) {
	tr := open()
	spoilt := make(chan struct{})
	node := func(id string, tr cluster.Transport, first bool) (stop func()) {
		def := actor.Define("desk", func(string) *struct{} { return new(struct{}) },
			actor.OnRequestLater(func(_ *struct{}, _ *actor.Context, in owing, a actor.Answer[owing]) error {
				if first {
					in.Lines[0] = "spoilt"
					a.NoEffect()
					close(spoilt)
					return nil
				}
				a.Reply(in)
				return nil
			}))
		return startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: handlers.NewActorHandler(def.New)})
	}
	stop := node("node-1", tr, true)
	node("node-2", open(), false)
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	answered := make(chan error, 1)
	sent := owing{[]string{"as sent"}}
	go func() { // ends with the answer, which the test waits for
		reply, err := cluster.NewRequest[owing, owing](client.Key("k")).Request(t.Context(), sent)
		if err == nil && reply.Lines[0] != "as sent" {
			t.Errorf("the second node has got %q", reply.Lines)
		}
		answered <- err
	}()
	<-spoilt
	stop()
	if err := <-answered; err != nil || sent.Lines[0] != "as sent" {
		t.Errorf("%v; the caller has %q", err, sent.Lines)
	}
}

// TestWhatWentBackIsKept: the method that has given a request back may have kept its context. It finds the message there, also when
// the next owner is done with it.
func TestWhatWentBackIsKept(t *testing.T) { inOneProcess(t, whatWentBackIsKept) }

func whatWentBackIsKept(t *testing.T, open func() cluster.Transport) {
	tr := open()
	kept := make(chan *actor.Context, 1)
	node := func(id string, tr cluster.Transport, method actor.Option) (stop func()) {
		def := actor.Define("desk", func(string) *struct{} { return new(struct{}) }, method)
		return startNode(t, cluster.NodeOptions{NodeID: id, Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Handler: handlers.NewActorHandler(def.New)})
	}
	stop := node("node-1", tr, actor.OnRequestLater(func(_ *struct{}, c *actor.Context, _ owing, a actor.Answer[owing]) error {
		a.NoEffect()
		kept <- c
		return nil
	}))
	node("node-2", open(), actor.OnRequest(func(_ *struct{}, _ *actor.Context, in owing) (owing, error) { return in, nil }))
	client := newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	ask := func(line string) error {
		_, err := cluster.NewRequest[owing, owing](client.Key("k")).Request(t.Context(), owing{[]string{line}})
		return err
	}
	answered := make(chan error, 1)
	go func() { answered <- ask("as sent") }() // ends with the answer, which the test waits for
	first := <-kept
	stop()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	for range 8 { // whose messages could be where the first one was
		if err := ask("another"); err != nil {
			t.Fatal(err)
		}
	}
	if data := string(first.Message().Data); data != `{"Lines":["as sent"]}` {
		t.Errorf("the first node's method finds the message %s", data)
	}
}
