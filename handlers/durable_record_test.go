package handlers_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestBadState stops the key that it is of, with the record's name, and no other. The key is
// tried again, less and less often.
func TestBadState(t *testing.T) {
	upgrade := func(version int, data []byte) ([]byte, error) {
		switch version {
		case 0:
			panic("no upgrade")
		case 1:
			return nil, errSpoilt
		}
		return bytes.Replace(data, []byte("Old"), []byte("Balance"), 1), nil
	}
	for name, c := range map[string]struct {
		record state.Record
		reply  string // "" for none
	}{
		"this version":       {state.Record{Version: 3, Type: "json", State: []byte(`{"Balance":7}`)}, "7"},
		"an older version":   {state.Record{Version: 2, Type: "json", State: []byte(`{"Old":7}`)}, "7"},
		"a failed upgrade":   {state.Record{Version: 1, Type: "json", State: []byte(`{"Old":7}`)}, ""},
		"an upgrade panics":  {state.Record{Version: 0, Type: "json", State: []byte(`{"Old":7}`)}, ""},
		"a newer version":    {state.Record{Version: 4, Type: "json", State: []byte(`{"Balance":7}`)}, ""},
		"another encoding":   {state.Record{Version: 3, Type: "protobuf", State: []byte(`{"Balance":7}`)}, ""},
		"no JSON":            {state.Record{Version: 3, Type: "json", State: []byte(`{"Balance":`)}, ""},
		"another type":       {state.Record{Version: 3, Type: "json", State: []byte(`{"Balance":"x"}`)}, ""},
		"a key that is gone": {state.Record{Version: 4, Type: "xml", Deleted: true}, "0"},
	} {
		inEachBank(t, actor.Persistence{Version: 3, Upgrade: upgrade}, handlers.Options{}, func(b *bank) {
			c.record.Number = 5
			b.records["k"] = c.record
			w := b.send("k", look{})
			<-w.over
			b.balance("other", 0)
			if c.reply != "" {
				b.want(name, w, c.reply)
				if b.commits > 0 {
					b.Errorf("%s: loading it has stored it", name)
				}
				b.send("k", deposit{1})
				if r := b.records["k"]; r.Number != 6 || r.Version != 3 {
					b.Errorf("%s: stored %+v", name, r)
				}
				return
			}
			failed(b, name, w.err, outcome.ErrBadState, outcome.NotStarted)
			if !strings.Contains(w.err.Error(), `record of account "k" in shard 0`) {
				b.Errorf("%s: %v", name, w.err)
			}
			again := b.send("k", look{})
			<-again.over
			failed(b, name+", again", again.err, outcome.ErrBadState, outcome.NotStarted)
			if after, ok := outcome.RetryAfter(again.err); !ok || after <= 0 {
				b.Errorf("%s: no hint when to try again", name)
			}
			b.records["k"] = state.Record{Number: 6, Version: 3, Type: "json", State: []byte(`{"Balance":8}`)}
			b.pass(time.Second)
			b.balance("k", 8)
		})
	}
}

// TestAStoreThatCannotBeRead fails activations, and nothing runs. Another owner of the shard looks
// like the end of the lease.
func TestAStoreThatCannotBeRead(t *testing.T) {
	inEachBank(t, actor.Persistence{}, handlers.Options{}, func(b *bank) {
		b.set(func(s *shelf) { s.unread = errors.New("down") })
		w := b.send("k", deposit{1})
		<-w.over
		failed(b, "a store that is down", w.err, outcome.ErrActivationFailed, outcome.NotStarted)
		failed(b, "its cause", w.err, outcome.ErrNoStore, outcome.NotStarted)
		b.set(func(s *shelf) { s.unread = fmt.Errorf("found: %w", state.ErrUnreadable) })
		w = b.send("l", deposit{1})
		<-w.over
		failed(b, "a record that cannot be read", w.err, outcome.ErrBadState, outcome.NotStarted)
		b.set(func(s *shelf) { s.unread = state.ErrDeposed })
		w = b.send("m", deposit{1})
		<-w.over
		failed(b, "another owner", w.err, outcome.ErrNotOwner, outcome.NotStarted)
		b.set(func(s *shelf) { s.unread = nil })
		b.pass(time.Second)
		for _, key := range []string{"k", "l", "m"} {
			b.balance(key, 0)
		}
	})
}

// TestWhatIsTooLarge, or has a circle in it, is refused on the turn, and the key goes on.
func TestWhatIsTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := handlers.NewActorHandler(accounts(actor.Persistence{MaxState: 100}, actor.OnRequest(func(a *account, _ *actor.Context, m add) (int, error) {
			a.Any = strings.Repeat("x", max(m.N, 0))
			if m.N < 0 {
				circle := map[string]any{}
				circle["circle"] = circle
				a.Any = circle
			}
			return m.N, nil
		})).New)
		b := newBank(t, h, hosting.Setup{})
		b.want("a state", b.send("k", add{50}), "50")
		for _, n := range []int{100, -1} {
			w := b.send("k", add{n})
			<-w.over
			failed(t, fmt.Sprint("state ", n), w.err, outcome.ErrNotStored, outcome.RanAndFailed)
		}
		b.want("the next", b.send("k", add{51}), "51")
		if b.commits != 2 {
			t.Errorf("%d commits", b.commits)
		}
	})
}

// sign is an entity whose state is a protobuf message.
type sign struct{ text *wrapperspb.StringValue }

func (s *sign) State() any { return s.text }

func (s *sign) SetState(v any) error {
	s.text = v.(*wrapperspb.StringValue)
	return nil
}

type turnTo struct{ Text string }

// TestProtobufState is stored as protobuf: an entity that is a message, and one that has one.
func TestProtobufState(t *testing.T) {
	turn := func(s *wrapperspb.StringValue, m turnTo) (string, error) {
		old := s.Value
		s.Value = m.Text
		return old, nil
	}
	for name, factory := range map[string]handlers.ActorFactory{
		"has": actor.Define("sign", func(string) *sign { return &sign{wrapperspb.String("new")} }, actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(s *sign, _ *actor.Context, m turnTo) (string, error) { return turn(s.text, m) })).New,
		"is": actor.Define("sign", func(string) *wrapperspb.StringValue { return wrapperspb.String("new") }, actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(s *wrapperspb.StringValue, _ *actor.Context, m turnTo) (string, error) { return turn(s, m) })).New,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBank(t, handlers.NewActorHandlerWithOpts(factory, handlers.Options{IdleAfter: time.Second}), hosting.Setup{})
			b.want(name, b.send("k", turnTo{"a"}), `"new"`)
			if r := b.records["k"]; r.Type != "protobuf" || string(r.State) != "\n\x01a" {
				t.Errorf("%s: stored %q %q", name, r.Type, r.State)
			}
			b.pass(5 * time.Second)
			b.want(name, b.send("k", turnTo{"b"}), `"a"`)
		})
	}
}

// shelfLife is an entity that is made with values, which JSON leaves out where they are zero.
type shelfLife struct {
	N      int      `json:",omitempty"`
	List   []string `json:",omitempty"`
	Dep    string   `json:"-"`
	hidden string
	inner
}

type inner struct {
	M int `json:",omitempty"`
}

type clear_ struct{}

// TestZeroIsStored, where an entity is made with another value; fields that are not stored stay
// as they are made.
func TestZeroIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		def := actor.Define("shelf", func(string) *shelfLife {
			return &shelfLife{N: 7, List: []string{"made"}, Dep: "dep", hidden: "hidden", inner: inner{9}}
		}, actor.Durable(actor.Persistence{}),
			actor.OnRequest(func(s *shelfLife, _ *actor.Context, _ clear_) (string, error) {
				s.N, s.List, s.M = 0, nil, 0
				return "", nil
			}),
			actor.OnQuery(func(s *shelfLife, _ *actor.Context, _ query) (string, error) {
				return fmt.Sprintf("%d %v %s %s %d", s.N, s.List, s.Dep, s.hidden, s.M), nil
			}))
		b := newBank(t, handlers.NewActorHandlerWithOpts(def.New, handlers.Options{IdleAfter: time.Second}), hosting.Setup{})
		b.want("as it is made", b.send("k", query{}), `"7 [made] dep hidden 9"`)
		b.want("cleared", b.send("k", clear_{}), `""`)
		b.pass(5 * time.Second)
		b.want("as it is stored", b.send("k", query{}), `"0 [] dep hidden 0"`)
	})
}

// TestTTL is the record's.
func TestTTL(t *testing.T) {
	inEachBank(t, actor.Persistence{TTL: time.Hour}, handlers.Options{}, func(b *bank) {
		b.send("k", deposit{1})
		if ttl := b.records["k"].TTL; ttl != time.Hour {
			b.Errorf("TTL %v", ttl)
		}
	})
}

// shy is a protoactor actor that cannot say what its state is.
type shy struct{}

func (shy) Receive(pactor.Context) {}
func (shy) State() any             { panic("shy") }
func (shy) SetState(any) error     { return nil }

// TestPersistenceIsChecked where it is given.
func TestPersistenceIsChecked(t *testing.T) {
	panics := func(what string, f func()) {
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		f()
	}
	type lossy struct{ hidden int }
	for _, p := range []actor.Persistence{{Version: -1}, {TTL: time.Millisecond}, {TTL: -time.Second}, {Behind: -2}, {MaxState: -1}, {MaxState: state.MaxState}} {
		panics(fmt.Sprintf("%+v", p), func() { actor.Durable(p) })
		panics(fmt.Sprintf("%+v of a handler", p), func() {
			handlers.NewActorHandlerWithOpts(func(string) (actor.Actor, error) { return nil, nil }, handlers.Options{Durable: &p})
		})
	}
	panics("a state without fields", func() {
		_ = lossy{}.hidden
		actor.Define("lossy", func(string) *lossy { return nil }, actor.Durable(actor.Persistence{}))
	})
	panics("Durable twice", func() { accounts(actor.Persistence{}, actor.Durable(actor.Persistence{})) })
	for name, h := range map[string]handlers.ActorFactory{
		"an entity of Define": actor.Define("account", func(string) *account { return &account{} }, actor.OnRequest((*account).look)).New,
		"no state":            func(string) (actor.Actor, error) { return pactor.ReceiveFunc(func(pactor.Context) {}), nil },
		"a State that panics": func(string) (actor.Actor, error) { return shy{}, nil },
	} {
		call := newNode(t, memtransport.Options{}).serve(t, handlers.NewActorHandlerWithOpts(h, handlers.Options{Durable: &actor.Persistence{}}), hosting.Setup{Kind: "account", Keeper: newShelf()})
		_, err := call.ask("k", "look")
		failed(t, name, err, outcome.ErrActivationFailed, outcome.NotStarted)
	}
	call := newNode(t, memtransport.Options{}).serve(t, handlers.NewActorHandler(accounts(actor.Persistence{}).New), hosting.Setup{Keeper: newShelf()})
	_, err := call.ask("k", "look")
	failed(t, "a handler without a kind", err, outcome.ErrActivationFailed, outcome.NotStarted)
}
