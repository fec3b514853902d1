package cluster_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// early is answered before its handler returns. A goroutine that has heard of the answer asks Back then.
type early struct{ Back string }

func init() {
	actor.RegisterMessage[early]()
	actor.RegisterMessage[walk]()
}

// earlyProto is a protoactor actor that answers early.
type earlyProto struct {
	at func(ctx context.Context, m early, answer func())
}

// Receive implements protoactor's Actor.
func (p *earlyProto) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case early:
		p.at(actor.ContextOf(ctx), m, func() { ctx.Respond(walked{}) })
	case walk:
		ctx.Respond(walked{})
	}
}

// TestNoCircleOnceAnswered: when a caller has its answer, the handler may still run. What a goroutine of the handler's
// asks from then on waits for the handler's end, and the caller does not wait for it any more.
func TestNoCircleOnceAnswered(t *testing.T) {
	for _, kind := range []string{"method", "protoactor"} {
		for name, wrap := range map[string]func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc{"hosted": nil, "wrapped": wrapped} {
			for _, back := range []string{"answers", "asks"} {
				t.Run(kind+" "+name+" "+back, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { noCircleOnceAnswered(t, kind, wrap, back) })
				})
			}
		}
	}
}

func noCircleOnceAnswered(t *testing.T, kind string, wrap func(cluster.ServerHandlerFunc) cluster.ServerHandlerFunc, back string) {
	tr := memtransport.New(memtransport.Options{}).WithLog(quiet)
	var client *cluster.Client
	heard, hold, got := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	at := func(ctx context.Context, m early, answer func()) {
		go func() { // ends with its request
			<-heard
			_, err := client.Kind(kindOf(m.Back, kind)).Key(m.Back).Request(context.WithoutCancel(ctx), walk{})
			got <- err
		}()
		answer()
		<-hold
	}
	asks := actor.Define("asks", func(string) *struct{} { return new(struct{}) },
		actor.OnRequest(func(_ *struct{}, c *actor.Context, m early) (walked, error) {
			_, err := client.Kind(kind).Key("answers").Request(c, m)
			close(heard)
			if err == nil { // it waits, but for another
				_, err = client.Kind("asks").Key("slow").Request(c, walk{[]string{"slow"}})
			}
			return walked{}, err
		}),
		actor.OnRequest(func(_ *struct{}, _ *actor.Context, m walk) (walked, error) {
			if len(m.Path) > 0 {
				<-hold
			}
			return walked{}, nil
		}))
	method := actor.Define("method", func(string) *struct{} { return new(struct{}) },
		actor.OnRequestLater(func(_ *struct{}, c *actor.Context, m early, a actor.Answer[walked]) error {
			at(c, m, func() { a.Reply(walked{}) })
			return nil
		}),
		actor.OnRequest(func(*struct{}, *actor.Context, walk) (walked, error) { return walked{}, nil }))
	kinds := map[string]cluster.ServerHandlerFunc{
		"asks": cluster.NewActorHandler(asks.New), "method": cluster.NewActorHandler(method.New),
		"protoactor": cluster.NewActorHandler(func(string) (actor.Actor, error) { return &earlyProto{at}, nil }),
	}
	if wrap != nil {
		for k, h := range kinds {
			kinds[k] = wrap(h)
		}
	}
	stop := startNode(t, cluster.NodeOptions{NodeID: "n", Transport: tr, NumShards: 4, Shards: []uint32{0, 1, 2, 3}, Log: quiet, Kinds: kinds})
	client = newClient(t, cluster.ClientOptions{Transport: tr, NumShards: 4})
	answered := make(chan error, 1)
	go func() { // ends with its request
		_, err := client.Kind("asks").Key("asks").Request(t.Context(), early{back})
		answered <- err
	}()
	synctest.Wait()              // what asks back stands in line
	time.Sleep(15 * time.Second) // and what looks for circles has looked
	select {
	case err := <-got:
		t.Errorf("what asks back does not stand in line: %v", err)
		got <- err
	default:
	}
	close(hold)
	for _, c := range []chan error{got, answered} {
		if err := <-c; err != nil {
			t.Error(err)
		}
	}
	stop()
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
}

func kindOf(key, otherwise string) string {
	if key == "asks" {
		return key
	}
	return otherwise
}
