package host

import (
	"context"
	"log/slog"
	"testing"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/internal/pool"
)

// asked is a call that ends with its answer.
type asked struct {
	quiet
	context.Context
	end context.CancelFunc
}

func ask(t *testing.T) asked {
	ctx, end := context.WithCancel(t.Context())
	return asked{Context: ctx, end: end}
}

func (a asked) Reply([]byte, error)  { a.end() }
func (a asked) ReplyOwned([]byte)    { a.end() }
func (a asked) AfterAnswer(f func()) { context.AfterFunc(a, f) }
func (a asked) AwaitsReply() bool    { return true }

// isIdle reports whether no turn of the cell's runs, and its calls were answered.
func (c *cell) isIdle() bool {
	c.mailbox.mu.Lock()
	defer c.mailbox.mu.Unlock()
	return c.mailbox.state.turn == resting && len(c.mailbox.debts.open) == 0
}

// spin waits for what no channel tells.
func spin(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("did not become true: %s", what)
		}
	}
}

// TestAKeyWithASystemMessageIsNotEvicted: the end of an actor that a key watches is on
// its way to the key, which no worker is free to run. The key is not idle: what it
// does then it must be able to do.
func TestAKeyWithASystemMessageIsNotEvicted(t *testing.T) {
	p := pool.New(1)
	s := NewSystem(slog.New(slog.DiscardHandler), p)
	watched := s.as.Root.Spawn(pactor.PropsFromFunc(func(pactor.Context) {}))
	in, gate := make(chan struct{}), make(chan struct{})
	made, did := 0, make(chan int, 1)
	watcher := func() Actor {
		made++
		number := made
		return pactor.ReceiveFunc(func(ctx pactor.Context) {
			switch ctx.Message().(type) {
			case *pactor.Started:
				ctx.Watch(watched)
			case *pactor.Terminated:
				ctx.Send(ctx.Self(), "what follows")
			case string:
				did <- number
			default:
				if ctx.Sender() != nil {
					ctx.Respond([]byte("ok"))
				}
			}
		})
	}
	h := s.NewHost(Options{CacheSize: 2, Factory: func(key string) (Actor, error) {
		switch key {
		case "watcher":
			return watcher(), nil
		case "busy":
			return blocking{simple{}, in, gate}, nil
		}
		return simple{}, nil
	}})
	deliver := func(key string) asked {
		a := ask(t)
		if err := h.Deliver(0, key, a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	<-deliver("watcher").Done()
	c := h.shards.Get(0).find("watcher")
	spin(t, "the key is idle", func() bool { return c.isIdle() })
	deliver("busy")
	<-in
	s.as.Root.Stop(watched)
	spin(t, "the key has a system message", func() bool {
		c.mailbox.mu.Lock()
		defer c.mailbox.mu.Unlock()
		return len(c.mailbox.system) > 0
	})
	deliver("new") // over the cap: it looks for a key to evict
	if c.mailbox.stands().life == stopping {
		t.Error("a key with a system message is evicted")
	}
	close(gate)
	if number := <-did; number != 1 {
		t.Errorf("incarnation %d did what follows from the message to the first", number)
	}
	if err := h.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	s.Close()
	p.Close()
}

// blocking is an entity whose only turn says that it runs, and waits.
type blocking struct {
	simple
	in, gate chan struct{}
}

func (b blocking) Handle(c *Context) {
	b.in <- struct{}{}
	<-b.gate
	c.Call().Reply(nil, nil)
}
