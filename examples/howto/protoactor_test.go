package howto_test

import (
	"slices"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr"
	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

// docs/howto/protoactor.md

type (
	Publish struct{ Text string }
	Next    struct{ Seen int }
	Item    struct {
		Number int
		Text   string
	}
)

func init() { // else they arrive as *actor.Message, with their bytes
	actor.RegisterMessage[Publish]()
	actor.RegisterMessage[Next]()
}

// Feed is an actor of protoactor's, as it was before clstr.
type Feed struct {
	items   []string
	readers []poll
}

type poll struct {
	reader *pactor.PID
	ctx    *actor.Context // ends with the poll
}

func (f *Feed) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *pactor.Started: // load here
	case *pactor.Stopping: // save here
	case Publish:
		f.items = append(f.items, m.Text)
		item := Item{len(f.items), m.Text}
		for _, p := range f.readers {
			ctx.Send(p.reader, item)
		}
		f.readers = nil
		ctx.Respond(item)
	case Next:
		if m.Seen < len(f.items) {
			ctx.Respond(Item{m.Seen + 1, f.items[m.Seen]})
			return
		}
		f.readers = slices.DeleteFunc(f.readers, func(p poll) bool { return p.ctx.Err() != nil }) // gone
		f.readers = append(f.readers, poll{ctx.Sender(), actor.ContextOf(ctx)})                   // answered later
		actor.NoEffect(ctx, ctx.Sender())                                                         // in a planned move the reader waits on at the next owner
	}
}

func newFeed(key string) (actor.Actor, error) { return &Feed{}, nil }

func TestProtoactor(t *testing.T) {
	svc, err := clstr.Open(t.Context(), clstr.Options{
		Name: "howto", On: clstr.Memory(), Log: quiet,
		Node: cluster.NodeOptions{Kinds: map[string]cluster.ServerHandlerFunc{
			"feed": cluster.NewActorHandler(newFeed),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close(t.Context())
	feed := svc.Kind("feed").Key("news")
	heard := make(chan Item)
	go func() { // ends with its answer
		item, err := clstr.Ask[Item](t.Context(), feed, Next{Seen: 0})
		if err != nil {
			t.Error(err)
		}
		heard <- item
	}()
	want := Item{1, "doors open at eight"}
	if item, err := clstr.Ask[Item](t.Context(), feed, Publish{want.Text}); err != nil || item != want {
		t.Errorf("%v, %v", item, err)
	}
	if item := <-heard; item != want {
		t.Errorf("%v", item)
	}
}

// TestReadersThatHaveGone polls a feed that has no news: who has gone is forgotten.
func TestReadersThatHaveGone(t *testing.T) {
	feed := &Feed{}
	testkit.Alone(t, func(string) (actor.Actor, error) { return feed, nil }, "news", testkit.AloneOptions{}, func(t *testing.T, e *testkit.Entity) {
		for range 3 {
			if _, err := testkit.Ask[Item](e, Next{}, cluster.WithTTL(time.Second)); err == nil {
				t.Error("no news, and an answer")
			}
			e.Advance(time.Second)
		}
		if n := len(feed.readers); n != 1 {
			t.Errorf("%d readers are remembered, and one came last", n)
		}
	})
}
