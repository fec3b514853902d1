package handlers_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport"
)

// sendID is send with an ID.
func (b *bank) sendID(id, key string, m any, opts ...transport.EnvelopeOption) *told {
	data, _ := json.Marshal(m)
	env := transport.Envelope{Type: strings.TrimPrefix(fmt.Sprintf("%T", m), "handlers_test."), Key: key, Data: data, ID: id}
	if env.Type == "note" || env.Type == "spoiled" {
		env.Delivery = transport.AwaitAccept
	}
	for _, o := range opts {
		o(&env)
	}
	w := &told{over: make(chan struct{})}
	go func() { // ends with the answer
		defer close(w.over)
		ctx, cancel := context.WithTimeout(context.Background(), 2400*time.Hour)
		defer cancel()
		reply, err := b.call(ctx, env)
		w.reply, w.err = string(reply), err
	}()
	synctest.Wait()
	return w
}

// fails fails the test unless the message has ended so.
func (b *bank) fails(what string, w *told, sentinel error, o outcome.Outcome) {
	b.Helper()
	synctest.Wait()
	if w.open() || w.err == nil || sentinel != nil && !errors.Is(w.err, sentinel) || outcome.Of(w.err) != o {
		b.Errorf("%s: open %v: %q, %v (%v); want %v (%v)", what, w.open(), w.reply, w.err, outcome.Of(w.err), sentinel, o)
	}
}

// dying is the keeper of a process that dies: what it commits gets no answer, and is stored
// or not.
type dying struct {
	*shelf
	dies, stores bool
	after        func() // what happens when a change was stored
	unanswered   []func(state.Rev, error)
}

func (d *dying) Commit(shard uint32, c state.Change, done func(state.Rev, error)) {
	switch {
	case !d.dies:
		d.shelf.Commit(shard, c, func(rev state.Rev, err error) {
			if d.after != nil {
				d.after()
			}
			done(rev, err)
		})
	case d.stores:
		d.shelf.Commit(shard, c, func(state.Rev, error) {})
		fallthrough
	default:
		d.unanswered = append(d.unanswered, done)
	}
}

// reborn is a bank of another process over the same store.
func (b *bank) reborn(h transport.HandlerFunc) *bank {
	next := newBank(b.T, h, hosting.Setup{Keeper: b.shelf})
	next.shelf = b.shelf
	return next
}

// TestOnce: a message with an ID runs once per key. A repeat gets the first one's reply,
// whatever has happened since: another incarnation, and deletion.
func TestOnce(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		for i, then := range []any{look{}, leave{100}, forget{}} {
			key := fmt.Sprint(i)
			b.want("the first", b.sendID("order-1", key, deposit{5}), "5")
			b.want("a repeat", b.sendID("order-1", key, deposit{5}), "5")
			b.want("another command", b.sendID("order-2", key, deposit{6}), "11")
			b.want("a query", b.sendID("q", key, query{}), "11")
			if b.stored(key) != 11 {
				b.Errorf("with the ID of a query %d is stored", b.stored(key))
			}
			b.want("without an ID", b.send(key, deposit{1}), "12")
			if w := b.sendID("order-1", key, deposit{5}, func(e *transport.Envelope) { e.Delivery = transport.AwaitAccept }); w.open() || w.err != nil {
				b.Fatal("the same as a notification:", w.err)
			}
			if w := b.send(key, then); w.open() || w.err != nil {
				b.Fatal(w.err)
			}
			b.pass(time.Hour) // the newest are known for as long as their record
			b.want("the first, once more", b.sendID("order-1", key, deposit{5}), "5")
			b.want("a query, once more", b.sendID("q", key, query{}), "11")
			b.balance(key, []int{12, 112, 0}[i])
		}
		b.want("another key", b.sendID("order-1", "other", deposit{7}), "7")
	})
}

// TestAnotherCommand: an ID belongs to one message.
func TestAnotherCommand(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.want("the first", b.sendID("order-1", "k", deposit{5}), "5")
		b.fails("another payload", b.sendID("order-1", "k", deposit{6}), outcome.ErrIDReused, outcome.NotStarted)
		b.fails("another type", b.sendID("order-1", "k", look{}), outcome.ErrIDReused, outcome.NotStarted)
		b.balance("k", 5)
	})
}

// TestErrorsAreNotKept: a turn that has failed has kept nothing, so its command may run again.
func TestErrorsAreNotKept(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.want("before", b.send("k", deposit{1}), "1")
		for range 3 {
			b.fails("a failure", b.sendID("f", "k", spoil{5}), nil, outcome.RanAndFailed)
			b.fails("a failure that changes nothing", b.sendID("n", "k", spoil{0}), nil, outcome.RanAndFailed)
			b.fails("a panic", b.sendID("p", "k", burst{5}), outcome.ErrPanicked, outcome.MaybeRan)
			b.fails("what does not marshal", b.sendID("m", "k", break_{5}), outcome.ErrNotStored, outcome.RanAndFailed)
		}
		b.set(func(s *shelf) { s.hold = true })
		b.send("k", deposit{0})
		b.send("k", note{1})
		first, next := b.sendID("p2", "k", burst{5}), b.sendID("p2", "k", burst{5})
		b.set(func(s *shelf) { s.hold = false })
		b.release()
		b.fails("a panic while a change is on its way", first, outcome.ErrPanicked, outcome.MaybeRan)
		b.fails("its next try", next, outcome.ErrPanicked, outcome.MaybeRan)
		b.send("k", note{-1})
		b.set(func(s *shelf) { s.refuse = state.ErrFull })
		b.fails("a full store", b.sendID("order-1", "k", deposit{5}), outcome.ErrNotStored, outcome.RanAndFailed)
		b.set(func(s *shelf) { s.refuse = state.ErrDeposed })
		b.fails("deposed", b.sendID("order-1", "k", deposit{5}), outcome.ErrDeposed, outcome.RanAndFailed)
		b.set(func(s *shelf) { s.refuse = nil })
		b.want("once the store takes it", b.sendID("order-1", "k", deposit{5}), "6")
		b.want("a repeat", b.sendID("order-1", "k", deposit{5}), "6")
	})
}

// TestRepeatWaitsForTheFirst: no repeat is answered before the first one's change is stored,
// and the change has the ID and the state together.
func TestRepeatWaitsForTheFirst(t *testing.T) {
	for _, p := range []actor.Persistence{{}, {Behind: time.Hour}, {Behind: -1}} {
		inEachBank(t, p, handlers.Options{}, func(b *bank) {
			b.hold = true
			calls := []*told{b.sendID("order-1", "k", deposit{5})}
			for range 3 {
				calls = append(calls, b.sendID("order-1", "k", deposit{5}))
			}
			for i, w := range calls {
				b.want(fmt.Sprintf("behind %v: call %d", p.Behind, i), w, "")
			}
			b.release()
			for i, w := range calls {
				b.want(fmt.Sprintf("behind %v: call %d", p.Behind, i), w, "5")
			}
			r := b.records["k"]
			if b.commits != 1 || len(r.Commands) != 1 || b.stored("k") != 5 {
				b.Errorf("behind %v: %d commits, the last of %d commands, with %d", p.Behind, b.commits, len(r.Commands), b.stored("k"))
			}
		})
	}
}

// TestCrashBeforeTheReply: the change is stored, and the process dies before the reply leaves,
// or it dies before that. Either way the caller's next try, in another process, finds what the
// store has.
func TestCrashBeforeTheReply(t *testing.T) {
	for name, form := range durableForms {
		for _, stored := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				d := &dying{shelf: newShelf(), stores: stored}
				b := newBank(t, form(actor.Persistence{}, handlers.Options{}), hosting.Setup{Keeper: d})
				b.shelf = d.shelf
				b.want("before", b.send("k", deposit{100}), "100")
				d.dies = true
				first := b.sendID("order-1", "k", deposit{5})
				b.sendID("note-1", "l", note{7})
				b.want("the first try", first, "")
				next := b.reborn(form(actor.Persistence{}, handlers.Options{}))
				next.want(name, next.sendID("order-1", "k", deposit{5}), "105")
				next.sendID("note-1", "l", note{7})
				next.balance("k", 105)
				next.balance("l", 7)
				next.want("once more", next.sendID("order-1", "k", deposit{5}), "105")
				if b.want("the first try", first, ""); d.commits != 3 {
					t.Errorf("%s, stored %v: %d commits", name, stored, d.commits)
				}
				for _, done := range d.unanswered {
					done(0, state.ErrDeposed)
				}
			})
		}
	}
}

// TestOldCommand: a try that is older than the key's memory is refused, unless the key knows
// it, however long it has waited here.
func TestOldCommand(t *testing.T) {
	for _, c := range []struct {
		p      actor.Persistence
		window time.Duration
	}{
		{actor.Persistence{}, 10 * time.Minute}, {actor.Persistence{Window: time.Hour}, time.Hour}, {actor.Persistence{TTL: 10 * time.Second}, 9 * time.Second},
	} {
		inEachBank(t, c.p, handlers.Options{}, func(b *bank) {
			aged := func(d time.Duration) transport.EnvelopeOption {
				return func(e *transport.Envelope) { e.AgeMs = d.Milliseconds() }
			}
			b.want("young enough", b.sendID("order-1", "k", deposit{1}, aged(c.window)), "1")
			b.fails("too old", b.sendID("order-2", "k", deposit{1}, aged(c.window+time.Millisecond)), outcome.ErrEnvelopeExpired, outcome.NotStarted)
			b.want("old, and known", b.sendID("order-1", "k", deposit{1}, aged(2*c.window)), "1")
		})
	}
}

// TestReplyThatIsTooLarge: it could not be kept, so nothing is.
func TestReplyThatIsTooLarge(t *testing.T) {
	type tell struct{ N int }
	def := actor.Define("account", func(string) *account { return &account{} }, actor.Durable(actor.Persistence{}), actor.OnRequest((*account).look),
		actor.OnRequest(func(a *account, _ *actor.Context, m tell) (string, error) {
			a.Balance++
			return strings.Repeat("x", m.N-2), nil
		}))
	synctest.Test(t, func(t *testing.T) {
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
		if w := b.sendID("most", "k", tell{8 << 10}); w.open() || w.err != nil {
			t.Error(w.err)
		}
		w := b.sendID("more", "k", tell{8<<10 + 1})
		b.fails("one byte more", w, outcome.ErrNotStored, outcome.RanAndFailed)
		if !strings.Contains(fmt.Sprint(w.err), "at most 8192") {
			t.Error(w.err)
		}
		if w := b.send("k", tell{1 << 20}); w.open() {
			t.Error("without an ID it may be of any size")
		}
		b.balance("k", 2)
	})
}

// TestAroundAndRepeats: an Around runs for the first only, and one that fails afterwards undoes
// it, its ID with it.
func TestAroundAndRepeats(t *testing.T) {
	ran, fail := 0, false
	around := func(ctx context.Context, in *handlers.Incoming, next func(context.Context) error) error {
		if in.Type() != "deposit" {
			return next(ctx)
		}
		if in.ID() != "order-1" {
			t.Errorf("ID %q", in.ID())
		}
		ran++
		if err := next(ctx); err != nil || !fail {
			return err
		}
		return errSpoilt
	}
	inEachBank(t, actor.Persistence{}, handlers.Options{Around: around}, func(b *bank) {
		ran, fail = 0, true
		b.fails("an Around that fails", b.sendID("order-1", "k", deposit{5}), nil, outcome.RanAndFailed)
		fail = false
		b.want("the first", b.sendID("order-1", "k", deposit{5}), "5")
		b.want("a repeat", b.sendID("order-1", "k", deposit{5}), "5")
		b.fails("another", b.sendID("order-1", "k", deposit{6}), outcome.ErrIDReused, outcome.NotStarted)
		if ran != 2 {
			b.Errorf("it ran %d times", ran)
		}
	})
}
