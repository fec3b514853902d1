package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// The messages of accounts. Each adds N to the balance before it does what its name says.
type (
	deposit struct{ N int }
	spoil   struct{ N int } // fails
	burst   struct{ N int } // panics
	look    struct{}
	query   struct{}
	leave   struct{ N int }
	save    struct{ N int } // saves, and adds N once more
	forget  struct{ N int } // deletes
	break_  struct{ N int } // the state does not marshal any more
	note    struct{ N int } // a notification
	spoiled struct{ N int } // one that fails
)

var errSpoilt = errors.New("spoilt")

// account is a durable entity.
type account struct {
	Balance int
	Any     any `json:",omitempty"`
	turns   int
}

func (a *account) add(n int) (int, error) {
	a.turns++
	a.Balance += n
	return a.Balance, nil
}

func (a *account) deposit(_ *actor.Context, m deposit) (int, error) { return a.add(m.N) }
func (a *account) look(*actor.Context, look) (int, error)           { return a.Balance, nil }
func (a *account) query(*actor.Context, query) (int, error)         { return a.Balance, nil }
func (a *account) note(_ *actor.Context, m note) error              { _, err := a.add(m.N); return err }

func (a *account) spoil(_ *actor.Context, m spoil) (int, error) {
	a.Balance += m.N
	return 0, errSpoilt
}

func (a *account) spoiled(_ *actor.Context, m spoiled) error { a.Balance += m.N; return errSpoilt }

func (a *account) burst(_ *actor.Context, m burst) (int, error) {
	a.Balance += m.N
	panic("burst")
}

func (a *account) leave(c *actor.Context, m leave) (int, error) {
	c.Passivate()
	return a.add(m.N)
}

func (a *account) save(c *actor.Context, m save) (int, error) {
	a.Balance += m.N
	if err := c.Save(); err != nil {
		return 0, err
	}
	a.Balance += m.N
	return 0, errSpoilt
}

func (a *account) forget(c *actor.Context, m forget) (int, error) {
	a.Balance += m.N
	return a.Balance, c.Delete()
}

func (a *account) breaks(_ *actor.Context, m break_) (int, error) {
	a.Any = make(chan int)
	return a.add(m.N)
}

func accounts(p actor.Persistence, more ...actor.Option) *actor.Definition[account] {
	return actor.Define("account", func(string) *account { return &account{} }, append(more, actor.Durable(p),
		actor.OnRequest((*account).deposit), actor.OnRequest((*account).look), actor.OnQuery((*account).query), actor.OnNotify((*account).note),
		actor.OnRequest((*account).spoil), actor.OnNotify((*account).spoiled), actor.OnRequest((*account).burst), actor.OnRequest((*account).leave),
		actor.OnRequest((*account).save), actor.OnRequest((*account).forget), actor.OnRequest((*account).breaks))...)
}

// teller is the same as a protoactor actor.
type teller struct{ account }

type balance struct {
	Balance int
	Any     any `json:",omitempty"`
}

func (a *teller) State() any { return balance{a.Balance, a.Any} }

func (a *teller) SetState(v any) error {
	b := v.(balance)
	a.Balance, a.Any = b.Balance, b.Any
	return nil
}

func (a *teller) Receive(ctx pactor.Context) {
	c := actor.ContextOf(ctx)
	answer := func(n int, err error) {
		if err != nil {
			ctx.Respond(err)
		} else {
			ctx.Respond(n)
		}
	}
	switch m := ctx.Message().(type) {
	case deposit:
		answer(a.deposit(c, m))
	case look:
		answer(a.look(c, m))
	case query:
		answer(a.query(c, m))
	case spoil:
		answer(a.spoil(c, m))
	case burst:
		answer(a.burst(c, m))
	case leave:
		answer(a.leave(c, m))
	case save:
		answer(a.save(c, m))
	case forget:
		answer(a.forget(c, m))
	case break_:
		answer(a.breaks(c, m))
	case note:
		_ = a.note(c, m)
	}
}

func init() {
	actor.RegisterMessage[deposit]()
	actor.RegisterMessage[look]()
	actor.RegisterMessage[query]()
	actor.RegisterMessage[spoil]()
	actor.RegisterMessage[burst]()
	actor.RegisterMessage[leave]()
	actor.RegisterMessage[save]()
	actor.RegisterMessage[forget]()
	actor.RegisterMessage[break_]()
	actor.RegisterMessage[note]()
}

// bank is a node with durable accounts and a test's store.
type bank struct {
	*testing.T
	*node
	*shelf
	call    caller
	drained chan struct{} // closed when the shard has moved
}

// durableForms are the ways to write an account.
var durableForms = map[string]func(actor.Persistence, handlers.Options) transport.HandlerFunc{
	"typed": func(p actor.Persistence, o handlers.Options) transport.HandlerFunc {
		return handlers.NewActorHandlerWithOpts(accounts(p).New, o)
	},
	"protoactor": func(p actor.Persistence, o handlers.Options) transport.HandlerFunc {
		o.Durable = &p
		return handlers.NewActorHandlerWithOpts(func(string) (actor.Actor, error) { return &teller{}, nil }, o)
	},
}

// inEachBank runs a test in a bubble for each way to write an account.
func inEachBank(t *testing.T, p actor.Persistence, o handlers.Options, test func(*bank)) {
	for _, name := range slices.Sorted(maps.Keys(durableForms)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newBank(t, durableForms[name](p, o), hosting.Setup{})) })
		})
	}
}

func newBank(t *testing.T, h transport.HandlerFunc, env hosting.Setup) *bank {
	return newBankOn(t, newNode(t, memtransport.Options{}), h, env)
}

func newBankOn(t *testing.T, n *node, h transport.HandlerFunc, env hosting.Setup) *bank {
	b := &bank{T: t, node: n, shelf: newShelf()}
	env.Kind = "account"
	if env.Keeper == nil {
		env.Keeper = b.shelf
	}
	b.call = b.serve(t, h, env)
	t.Cleanup(func() {
		b.set(func(s *shelf) { s.hold = false })
		b.release()
	})
	return b
}

// told is how a message ends.
type told struct {
	over  chan struct{}
	reply string
	err   error
}

// send sends a message to a key, and does not wait.
func (b *bank) send(key string, m any) *told {
	data, _ := json.Marshal(m)
	name := fmt.Sprintf("%T", m)[len("handlers_test."):]
	w := &told{over: make(chan struct{})}
	go func() { // ends with the answer
		defer close(w.over)
		ctx, cancel := context.WithTimeout(context.Background(), 2400*time.Hour)
		defer cancel()
		env := transport.Envelope{Type: name, Key: key, Data: data}
		if name == "note" || name == "spoiled" {
			env.Delivery = transport.AwaitAccept
		}
		reply, err := b.call(ctx, env)
		w.reply, w.err = string(reply), err
	}()
	synctest.Wait()
	return w
}

func (w *told) open() bool {
	select {
	case <-w.over:
		return false
	default:
		return true
	}
}

// want fails the test unless the message has been answered so by now; "" is not at all.
func (b *bank) want(what string, w *told, reply string) {
	b.Helper()
	synctest.Wait()
	switch {
	case w.open() != (reply == ""):
		b.Errorf("%s: open %v: %q, %v; want %q", what, w.open(), w.reply, w.err, reply)
	case reply != "" && (w.err != nil || w.reply != reply):
		b.Errorf("%s: got %q, %v; want %q", what, w.reply, w.err, reply)
	}
}

// balance fails the test unless a key has a balance.
func (b *bank) balance(key string, n int) {
	b.Helper()
	b.want("the balance of "+key, b.send(key, look{}), fmt.Sprint(n))
}

// pass lets time pass, and waits for what follows.
func (b *bank) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// drain has the shard move: its calls end, then its keys.
func (b *bank) drain() {
	done := make(chan struct{})
	go func() { // ends with the shard
		defer close(done)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := b.subs[0].(interface{ Drain(context.Context) error }).Drain(ctx); err != nil {
			b.Error(err)
		}
		if err := hosting.EndShard(ctx, b.life, 0, false); err != nil {
			b.Error(err)
		}
	}()
	synctest.Wait()
	b.drained = done
}

func envelopeTo(key, data string) transport.Envelope {
	return transport.Envelope{Kind: "account", Key: key, Type: "add", Data: []byte(data)}
}
