package handlers_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
)

// slow is a durable entity that answers later.
type slow struct {
	Balance int
	begun   int
	open    *actor.Answer[int]
}

type (
	order  struct{ N int } // left open
	answer struct{}        // answers it on a later turn
	smash  struct{}
)

func (s *slow) order(_ *actor.Context, m order, a actor.Answer[int]) error {
	s.begun++
	s.open = &a
	s.Balance += m.N
	return nil
}

func (s *slow) answer(*actor.Context, answer) (int, error) {
	s.open.Reply(s.Balance)
	return s.begun, nil
}

func (s *slow) deposit(_ *actor.Context, m deposit) (int, error) {
	s.Balance += m.N
	return s.Balance, nil
}

func (s *slow) look(*actor.Context, look) (int, error)   { return s.Balance, nil }
func (s *slow) query(*actor.Context, query) (int, error) { return s.begun, nil }
func (s *slow) smash(*actor.Context, smash) error        { panic("smash") }

// TestCommandAnsweredLater: repeats of a command that is open join it, and get the same
// answer. The ID is stored with the answer: by a later turn, or beside all turns.
func TestCommandAnsweredLater(t *testing.T) {
	for _, p := range []actor.Persistence{{}, {Behind: -1}} {
		for way, give := range map[string]func(*bank, *slow){
			"on a turn":      func(b *bank, _ *slow) { b.send("k", answer{}) },
			"beside turns":   func(_ *bank, s *slow) { s.open.Reply(s.Balance) },
			"behind a query": func(b *bank, s *slow) { b.send("k", query{}); s.open.Reply(s.Balance) },
			"after others":   func(b *bank, s *slow) { b.send("k", deposit{0}); b.send("k", deposit{0}); s.open.Reply(s.Balance) },
			"with an error":  func(_ *bank, s *slow) { s.open.Fail(errSpoilt) },
			"with a panic":   func(b *bank, _ *slow) { b.send("k", smash{}) },
		} {
			synctest.Test(t, func(t *testing.T) {
				var entity *slow
				def := actor.Define("account", func(string) *slow { entity = &slow{}; return entity }, actor.Durable(p), actor.OnRequestLater((*slow).order),
					actor.OnRequest((*slow).answer), actor.OnRequest((*slow).deposit), actor.OnRequest((*slow).look), actor.OnQuery((*slow).query), actor.OnNotify((*slow).smash))
				b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
				calls := []*told{b.sendID("order-1", "k", order{5}), b.sendID("order-1", "k", order{5}), b.sendID("order-1", "k", order{5})}
				b.fails(way, b.sendID("order-1", "k", order{6}), outcome.ErrIDReused, outcome.NotStarted)
				for _, w := range calls {
					b.want(way+": open", w, "")
				}
				ended := func() (n int) {
					for _, c := range b.records["k"].Commands {
						if !c.Begun {
							n++
						}
					}
					return n
				}
				if entity.begun != 1 || ended() != 0 {
					t.Fatalf("%s: begun %d times, %d commands kept", way, entity.begun, ended())
				}
				b.set(func(s *shelf) { s.hold = way != "with an error" && way != "with a panic" })
				give(b, entity)
				synctest.Wait()
				switch way {
				case "with an error", "with a panic":
					for _, w := range calls {
						if w.open() || w.err == nil {
							t.Errorf("%s: %q, %v", way, w.reply, w.err)
						}
					}
					if ended() != 0 {
						t.Errorf("%s: a command is kept", way)
					}
					b.fails(way+": again", b.sendID("order-1", "k", order{5}), outcome.ErrBegun, outcome.MaybeRan)
					b.balance("k", 5)
					return
				}
				for _, w := range calls {
					b.want(way+": not stored", w, "")
				}
				b.set(func(s *shelf) { s.hold = false })
				for b.release() > 0 {
				}
				for _, w := range calls {
					b.want(way+": stored", w, "5")
				}
				if n := len(b.records["k"].Commands); n != 1 || ended() != 1 || b.stored("k") != 5 {
					t.Errorf("%s: %d commands beside %d", way, n, b.stored("k"))
				}
				b.want(way+": again", b.sendID("order-1", "k", order{5}), "5")
				b = b.reborn(handlers.NewActorHandler(def.New))
				b.want(way+": in another process", b.sendID("order-1", "k", order{5}), "5")
				b.balance("k", 5)
			})
		}
	}
}

// TestOpenCommandAtTheEnd: calls that wait for an open one are told as that one is, when the
// key's shard ends.
func TestOpenCommandAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := actor.Define("account", func(string) *slow { return &slow{} }, actor.Durable(actor.Persistence{}), actor.OnRequestLater((*slow).order))
		b := newBank(t, handlers.NewActorHandler(def.New), hosting.Setup{})
		calls := []*told{b.sendID("order-1", "k", order{5}), b.sendID("order-1", "k", order{5})}
		b.node.end()
		synctest.Wait()
		for i, w := range calls {
			if w.open() || w.err == nil || errors.Is(w.err, errSpoilt) {
				t.Errorf("call %d: open %v, %v", i, w.open(), w.err)
			}
		}
	})
}
