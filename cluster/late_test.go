package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/testkit"
)

type (
	// watch asks for what is newer than Seen, and waits for it.
	watch struct{ Seen int }
	// owe asks for an answer that is owed, without a word on what it has done.
	owe     struct{ Seen int }
	publish struct{ Version int }
	news    struct{ Version int }
)

// board is an entity whose readers wait for what is posted.
type board struct {
	b       *boards
	version int
	waiting []actor.Answer[news]
}

// boards is what all boards of a test share.
type boards struct {
	waits   chan string  // a key, each time that a reader begins to wait
	told    atomic.Int32 // of a drain
	answers bool         // on the turn on which it is told
}

func (b *board) watch(c *actor.Context, m watch, a actor.Answer[news]) error {
	a.NoEffect()
	return b.owe(c, owe(m), a)
}

func (b *board) owe(c *actor.Context, m owe, a actor.Answer[news]) error {
	if b.version > m.Seen {
		a.Reply(news{b.version})
		return nil
	}
	b.waiting = append(b.waiting, a)
	b.b.waits <- c.Key()
	return nil
}

func (b *board) post(_ *actor.Context, m publish) (news, error) {
	b.version = m.Version
	b.tell()
	return news{b.version}, nil
}

func (b *board) tell() {
	for _, a := range b.waiting {
		if a.Context().Err() == nil {
			a.Reply(news{b.version})
		}
	}
	b.waiting = nil
}

func (b *board) drain(*actor.Context) error {
	b.b.told.Add(1)
	if b.b.answers {
		b.tell()
	}
	return nil
}

func (b *boards) typed() cluster.ServerHandlerFunc {
	return cluster.NewActorHandler(actor.Define("board", func(string) *board { return &board{b: b} },
		actor.OnRequestLater((*board).watch), actor.OnRequestLater((*board).owe),
		actor.OnRequest((*board).post), actor.OnDrain((*board).drain)).New)
}

// protoBoard is the same as a protoactor actor.
type protoBoard struct {
	b       *boards
	key     string
	version int
	waiting []*actor.PID
}

func (p *protoBoard) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *watch:
		if p.wait(ctx, m.Seen) && !actor.NoEffect(ctx, ctx.Sender()) {
			panic("the sender is no request's")
		}
	case *owe:
		p.wait(ctx, m.Seen)
	case *publish:
		p.version = m.Version
		p.tell(ctx)
		ctx.Respond(news{p.version})
	case *actor.Draining:
		p.b.told.Add(1)
		if p.b.answers {
			p.tell(ctx)
		}
	}
}

func (p *protoBoard) wait(ctx pactor.Context, seen int) bool {
	if p.version > seen {
		ctx.Respond(news{p.version})
		return false
	}
	p.waiting = append(p.waiting, ctx.Sender())
	defer func() { p.b.waits <- p.key }()
	return true
}

func (p *protoBoard) tell(ctx pactor.Context) {
	for _, pid := range p.waiting {
		ctx.Send(pid, news{p.version})
	}
	p.waiting = nil
}

func (b *boards) proto() cluster.ServerHandlerFunc {
	registerBoards()
	return cluster.NewActorHandler(func(key string) (actor.Actor, error) { return &protoBoard{b: b, key: key}, nil })
}

var registerBoards = sync.OnceFunc(func() {
	actor.RegisterMessage[*watch]()
	actor.RegisterMessage[*owe]()
	actor.RegisterMessage[*publish]()
})

// eachBoard runs a test for typed entities and protoactor actors, on both transports.
func eachBoard(t *testing.T, live bool, answers bool, f func(t *testing.T, c *testkit.Cluster, b *boards, lost func() uint32)) {
	testkit.EachTransport(t, func(t *testing.T, kind testkit.TransportKind) {
		for name, handler := range map[string]func(*boards) cluster.ServerHandlerFunc{"typed": (*boards).typed, "protoactor": (*boards).proto} {
			t.Run(name, func(t *testing.T) {
				b := &boards{waits: make(chan string, 100), answers: answers}
				m := &drains{ClusterMetrics: cluster.NopClusterMetrics()}
				c := testkit.NewCluster(t, testkit.ClusterOptions{
					Nodes: 2, NumShards: 8, Live: live, Timing: noLeaseEnds, Transport: kind, Handler: handler(b), Metrics: m,
					Log: slog.New(slog.DiscardHandler), StopTimeout: 20 * time.Second,
				})
				if live {
					c.Settle()
				}
				f(t, c, b, func() uint32 {
					m.mu.Lock()
					defer m.mu.Unlock()
					return m.sum.Lost
				})
			})
		}
	})
}

// asking sends a request to a key that does not get its answer yet.
func asking[M any](t *testing.T, c *testkit.Cluster, b *boards, key string, m M) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { // ends with the request
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		n, err := cluster.NewRequest[M, news](c.Client().Key(key)).Request(ctx, m)
		if err == nil && n.Version != 7 {
			err = fmt.Errorf("version %d", n.Version)
		}
		done <- err
	}()
	awaits(t, b, key)
	return done
}

func awaits(t *testing.T, b *boards, key string) {
	t.Helper()
	select {
	case k := <-b.waits:
		if k != key {
			t.Fatalf("a reader waits at %s", k)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("nobody waits at %s", key)
	}
}

func posts(t *testing.T, c *testkit.Cluster, key string) {
	t.Helper()
	if _, err := cluster.NewRequest[publish, news](c.Client().Key(key)).Request(t.Context(), publish{7}); err != nil {
		t.Fatal(err)
	}
}

// TestLongPollSurvivesAPlannedMove: a request that waits at a key without an effect goes
// to the next owner with it, and its caller sees nothing. It does not hold the move.
func TestLongPollSurvivesAPlannedMove(t *testing.T) {
	eachBoard(t, true, false, func(t *testing.T, c *testkit.Cluster, b *boards, lost func() uint32) {
		poll := asking(t, c, b, "key", watch{})
		owner := c.Owner("key")
		c.StopNode(owner)
		awaits(t, b, "key") // at the next owner
		if by := c.Owner("key"); by == owner {
			t.Fatalf("the key is on %s still", by)
		}
		posts(t, c, "key")
		if err := <-poll; err != nil {
			t.Errorf("the long poll ends with %v (%v)", err, cluster.OutcomeOf(err))
		}
		if b.told.Load() != 1 || lost() != 0 {
			t.Errorf("told of the drain %d times, %d lost", b.told.Load(), lost())
		}
	})
}

// TestLongPollAtTheEnd: with a fixed list of shards nobody comes after. The caller is
// told that nothing has run.
func TestLongPollAtTheEnd(t *testing.T) {
	eachBoard(t, false, false, func(t *testing.T, c *testkit.Cluster, b *boards, _ func() uint32) {
		poll := asking(t, c, b, "key", watch{})
		c.StopNode(c.Owner("key"))
		if err := <-poll; !cluster.OutcomeOf(err).NeverRan() {
			t.Errorf("the long poll ends with %v (%v)", err, cluster.OutcomeOf(err))
		}
		if b.told.Load() != 1 {
			t.Errorf("told of the end %d times", b.told.Load())
		}
	})
}

// TestAnswersOnTheTurnOfADrain: an entity that owes answers may give them when it hears
// of a move.
func TestAnswersOnTheTurnOfADrain(t *testing.T) {
	for _, live := range []bool{true, false} {
		eachBoard(t, live, true, func(t *testing.T, c *testkit.Cluster, b *boards, lost func() uint32) {
			posts(t, c, "key")
			polls := []<-chan error{asking(t, c, b, "key", watch{7}), asking(t, c, b, "key", owe{7})}
			c.StopNode(c.Owner("key"))
			for _, poll := range polls {
				if err := <-poll; err != nil {
					t.Errorf("live %v: %v (%v)", live, err, cluster.OutcomeOf(err))
				}
			}
			if b.told.Load() == 0 || lost() != 0 {
				t.Errorf("told of the drain %d times, %d lost", b.told.Load(), lost())
			}
		})
	}
}

// TestOwedAnswersAreCutOff: an answer that is owed, if no code has said that the call
// has had no effect, holds a move for a moment only. Its caller is told that it may have
// run, and it is counted as lost.
func TestOwedAnswersAreCutOff(t *testing.T) {
	for _, live := range []bool{true, false} {
		eachBoard(t, live, false, func(t *testing.T, c *testkit.Cluster, b *boards, lost func() uint32) {
			poll := asking(t, c, b, "key", owe{})
			c.StopNode(c.Owner("key"))
			err := <-poll
			want := cluster.ErrDraining
			if live {
				want = cluster.ErrNotOwner
			}
			if !errors.Is(err, want) || cluster.OutcomeOf(err) != cluster.MaybeRan {
				t.Errorf("live %v: %v (%v)", live, err, cluster.OutcomeOf(err))
			}
			if live && lost() != 1 {
				t.Errorf("%d are counted as lost", lost())
			}
		})
	}
}
