package handlers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/host"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// asActor hosts handler funcs as protoactor actors.
func (y *tally) asActor(key string) (actor.Actor, error) {
	h, err := y.create(key)
	if err != nil {
		return nil, err
	}
	return pactor.ReceiveFunc(func(c pactor.Context) {
		if m, ok := c.Message().(*actor.Message); ok {
			reply, _ := h(context.Background(), transport.Envelope{Type: m.Type})
			c.Respond(reply)
		}
	}), nil
}

func byHeader(env transport.Envelope) (string, error) { return env.Headers["tenant"], nil }

// kinds of handlers, over the same funcs.
var kinds = map[string]func(y *tally) transport.HandlerFunc{
	"NewKeyHandler":         func(y *tally) transport.HandlerFunc { return handlers.NewKeyHandler(y.create) },
	"NewKeyHandlerWithOpts": func(y *tally) transport.HandlerFunc { return handlers.NewKeyHandlerWithOpts(y.create, 10) },
	"NewActorHandler":       func(y *tally) transport.HandlerFunc { return handlers.NewActorHandler(y.asActor) },
	"NewActorHandlerWithOpts": func(y *tally) transport.HandlerFunc {
		return handlers.NewActorHandlerWithOpts(y.asActor, handlers.Options{CacheSize: -1})
	},
	"NewScopedHandler": func(y *tally) transport.HandlerFunc {
		return handlers.NewScopedHandler(handlers.ScopedOptions{Extract: byHeader, Create: y.create})
	},
}

// TestOneActorPerKey: however many first requests race.
func TestOneActorPerKey(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			var y *tally
			inEachForm(t, func() transport.HandlerFunc { y = new(tally); return kind(y) }, func(t *testing.T, _ form, call caller) {
				const keys, racers = 5, 100
				var wg sync.WaitGroup
				start := make(chan struct{})
				for i := range racers * keys {
					key := fmt.Sprint("key-", i%keys)
					wg.Go(func() {
						<-start
						env := transport.Envelope{Type: "Get", Key: key, Headers: map[string]string{"tenant": key}}
						if reply, err := call(context.Background(), env); err != nil || string(reply) != key {
							t.Errorf("%s: got %q, %v", key, reply, err)
						}
					})
				}
				close(start)
				wg.Wait()
				for i := range keys {
					if n := y.madeOf(fmt.Sprint("key-", i)).Load(); n != 1 {
						t.Errorf("key-%d was made %d times", i, n)
					}
				}
				if y.overlap.Load() {
					t.Error("two messages of one key were handled at once")
				}
			})
		})
	}
}

// TestCacheSize: the default is the document's, -1 is unlimited.
func TestCacheSize(t *testing.T) {
	y := new(tally)
	scoped := func(size int) transport.HandlerFunc {
		return handlers.NewScopedHandler(handlers.ScopedOptions{Extract: byHeader, Create: y.create, CacheSize: size})
	}
	for name, c := range map[string]struct {
		h    transport.HandlerFunc
		want int
	}{
		"key, default":   {handlers.NewKeyHandler(y.create), 1024},
		"key, 0":         {handlers.NewKeyHandlerWithOpts(y.create, 0), 1024},
		"key, 7":         {handlers.NewKeyHandlerWithOpts(y.create, 7), 7},
		"key, -1":        {handlers.NewKeyHandlerWithOpts(y.create, -1), 1100},
		"actor, default": {handlers.NewActorHandler(y.asActor), 1024},
		"actor, 7":       {handlers.NewActorHandlerWithOpts(y.asActor, handlers.Options{CacheSize: 7}), 7},
		"actor, -1":      {handlers.NewActorHandlerWithOpts(y.asActor, handlers.Options{CacheSize: -1}), 1100},
		"scoped, 0":      {scoped(0), host.DefaultCacheSize},
		"scoped, 7":      {scoped(7), 7},
		"scoped, -1":     {scoped(-1), 1100},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				seen := newCensus()
				n := newNode(t, memtransport.Options{})
				call := n.serve(t, c.h, hosting.Setup{Observer: seen})
				for i := range 1100 {
					key := fmt.Sprint("key-", i)
					env := transport.Envelope{Type: "Get", Key: key, Headers: map[string]string{"tenant": key}}
					if _, err := call(t.Context(), env); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				if got := seen.get(seen.active, ""); got != c.want {
					t.Errorf("%d keys are active, want %d", got, c.want)
				}
				if got := seen.get(seen.passivated, ""); got != 1100-c.want {
					t.Errorf("%d keys were passivated, want %d", got, 1100-c.want)
				}
				n.end()
				if got := seen.get(seen.active, ""); got != 0 {
					t.Errorf("%d keys are active after the node's end", got)
				}
			})
		})
	}
}

func TestIdleAfter(t *testing.T) {
	y := new(tally)
	for name, h := range map[string]transport.HandlerFunc{
		"actor": handlers.NewActorHandlerWithOpts(y.asActor, handlers.Options{IdleAfter: time.Minute}),
		"scoped": handlers.NewScopedHandler(handlers.ScopedOptions{
			Extract: func(env transport.Envelope) (string, error) { return env.Key, nil }, Create: y.create, IdleAfter: time.Minute,
		}),
	} {
		synctest.Test(t, func(t *testing.T) {
			seen := newCensus()
			call := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{Observer: seen})
			if _, err := call.ask("k", "Get"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(59 * time.Second)
			synctest.Wait()
			if got := seen.get(seen.active, ""); got != 1 {
				t.Errorf("%s: %d keys are active before the time", name, got)
			}
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := seen.get(seen.active, ""); got != 0 {
				t.Errorf("%s: %d keys are active after the time", name, got)
			}
		})
	}
}

var errNoDatabase = errors.New("no database")

func init() { outcome.RegisterError("handlers_test.no_database", errNoDatabase) }

// TestFailedCreate: the error has a hint when the key is tried again, and until
// then the key says the same.
func TestFailedCreate(t *testing.T) {
	for name, fail := range map[string]func() (transport.HandlerFunc, error){
		"error": func() (transport.HandlerFunc, error) { return nil, fmt.Errorf("loading: %w", errNoDatabase) },
		"panic": func() (transport.HandlerFunc, error) { panic("boom") },
		"nil":   func() (transport.HandlerFunc, error) { return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			create := func() transport.HandlerFunc {
				var tries atomic.Int64
				return handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) {
					if tries.Add(1) < 3 {
						return fail()
					}
					return func(context.Context, transport.Envelope) ([]byte, error) { return []byte("made"), nil }, nil
				})
			}
			inEachBubble(t, create, func(t *testing.T, f form, call caller) {
				for range 2 {
					_, err := call.ask("k", "Get")
					hint, ok := outcome.RetryAfter(err)
					if !ok {
						t.Errorf("%v: no hint when to try again", err)
					}
					if f != plain { // which has real time: it may be too late
						_, soon := call.ask("k", "Get")
						failed(t, name+", too soon", soon, outcome.ErrActivationFailed, outcome.NotStarted)
						if left, _ := outcome.RetryAfter(soon); left != hint || name == "error" && !errors.Is(soon, errNoDatabase) {
							t.Errorf("too soon: %v, again after %v of %v", soon, left, hint)
						}
					}
					<-time.After(hint)
					failed(t, name, err, outcome.ErrActivationFailed, outcome.NotStarted)
					if name == "error" && !errors.Is(err, errNoDatabase) {
						t.Errorf("%v has lost its cause", err)
					}
					if text := err.Error(); strings.Count(text, "activation failed") != 1 || strings.Contains(text, "boom") {
						t.Errorf("the caller reads %q", text)
					}
				}
				if reply, err := call.ask("k", "Get"); err != nil || reply != "made" {
					t.Errorf("the third call: %q, %v", reply, err)
				}
			})
		})
	}
}

// TestFactoryWithoutActor: nil is no actor.
func TestFactoryWithoutActor(t *testing.T) {
	h := func() transport.HandlerFunc {
		return handlers.NewActorHandler(func(string) (actor.Actor, error) { return nil, nil })
	}
	inEachForm(t, h, func(t *testing.T, f form, call caller) {
		_, err := call.ask("k", "Get")
		failed(t, "nil", err, outcome.ErrActivationFailed, outcome.NotStarted)
	})
}

// TestPanicInHandler: the caller hears at once, and the key goes on afresh.
func TestPanicInHandler(t *testing.T) {
	create := func() transport.HandlerFunc {
		var made atomic.Int64
		return handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) {
			n := made.Add(1)
			return func(_ context.Context, env transport.Envelope) ([]byte, error) {
				if env.Type == "Panic" {
					panic("boom")
				}
				return fmt.Append(nil, n), nil
			}, nil
		})
	}
	inEachForm(t, create, func(t *testing.T, f form, call caller) {
		for i := range 3 {
			if reply, err := call.ask("k", "Get"); err != nil || reply != fmt.Sprint(i+1) {
				t.Errorf("incarnation %q, %v, want %d", reply, err, i+1)
			}
			_, err := call.ask("k", "Panic")
			if !errors.Is(err, outcome.ErrPanicked) || outcome.Of(err).NeverRan() || strings.Contains(err.Error(), "boom") {
				t.Errorf("got %v (%v), want ErrPanicked", err, outcome.Of(err))
			}
		}
	})
}

func TestKeyHeader(t *testing.T) {
	y := new(tally)
	inEachForm(t, func() transport.HandlerFunc { return handlers.NewKeyHandler(y.create) }, func(t *testing.T, f form, call caller) {
		_, err := call(t.Context(), transport.Envelope{Type: "Get", Headers: map[string]string{"key": "k"}})
		failed(t, "no key", err, outcome.ErrMissingKeyHeader, outcome.NotStarted)
		for _, key := range []string{"a b", "a.*.>", "\x00", "\xff\xfe", "%2F", "a/b", "..", strings.Repeat("k", 1<<10)} {
			if reply, err := call.ask(key, "Get"); err != nil || reply != key {
				t.Errorf("%q: got %q, %v", key, reply, err)
			}
		}
	})
	// Only a plain call can set the header, and an empty one: transports refuse it.
	h := handlers.NewKeyHandler(y.create)
	with := func(key string) transport.Envelope {
		return transport.Envelope{Type: "Get", Headers: map[string]string{transport.HeaderKey: key}}
	}
	if reply, err := h(t.Context(), with("k")); err != nil || string(reply) != "k" {
		t.Errorf("by header: %q, %v", reply, err)
	}
	_, err := h(t.Context(), with(""))
	failed(t, "empty key", err, outcome.ErrKeyRequired, outcome.NotStarted)
}

func TestBadOptions(t *testing.T) {
	create := new(tally).create
	factory := new(tally).asActor
	opts := func(o handlers.Options) func() {
		return func() { handlers.NewActorHandlerWithOpts(factory, o) }
	}
	scoped := func(o handlers.ScopedOptions) func() { return func() { handlers.NewScopedHandler(o) } }
	for _, c := range []struct {
		f    func()
		want string
	}{
		{func() { handlers.NewKeyHandler(nil) }, "NewKeyHandler: the create func is nil"},
		{func() { handlers.NewKeyHandlerWithOpts(nil, 5) }, "NewKeyHandler: the create func is nil"},
		{func() { handlers.NewKeyHandlerWithOpts(create, -2) }, "NewKeyHandlerWithOpts: CacheSize -2: -1 (unlimited), 0 (default) or more"},
		{func() { handlers.NewActorHandler(nil) }, "NewActorHandler: the factory is nil"},
		{func() { handlers.NewActorHandlerWithOpts(nil, handlers.Options{}) }, "NewActorHandler: the factory is nil"},
		{opts(handlers.Options{CacheSize: -2}), "NewActorHandlerWithOpts: CacheSize -2"},
		{opts(handlers.Options{MailboxSize: -2}), "NewActorHandlerWithOpts: MailboxSize -2: -1 (unlimited)"},
		{opts(handlers.Options{IdleAfter: -1}), "NewActorHandlerWithOpts: IdleAfter -1ns: 0 (never)"},
		{opts(handlers.Options{HookTimeout: -2}), "NewActorHandlerWithOpts: HookTimeout -2ns: -1 (none), 0 (default) or a duration"},
		{scoped(handlers.ScopedOptions{}), "NewScopedHandler: Extract and Create are required"},
		{scoped(handlers.ScopedOptions{Extract: byHeader}), "NewScopedHandler: Extract and Create are required"},
		{scoped(handlers.ScopedOptions{Create: create}), "NewScopedHandler: Extract and Create are required"},
		{scoped(handlers.ScopedOptions{Extract: byHeader, Create: create, CacheSize: -7}), "NewScopedHandler: CacheSize -7"},
		{scoped(handlers.ScopedOptions{Extract: byHeader, Create: create, MailboxSize: -7}), "NewScopedHandler: MailboxSize -7"},
		{scoped(handlers.ScopedOptions{Extract: byHeader, Create: create, IdleAfter: -time.Second}), "NewScopedHandler: IdleAfter -1s"},
		{scoped(handlers.ScopedOptions{Extract: byHeader, Create: create, HookTimeout: -time.Second}), "NewScopedHandler: HookTimeout -1s"},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "clstr: "+c.want) {
					t.Errorf("panic %q, want %q", text, c.want)
				}
			}()
			c.f()
		}()
	}
}
