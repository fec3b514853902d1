package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestMiddlewareKeepsOrder: one message at a time, in the order sent, however a
// message was sent and however long the middleware takes for it.
func TestMiddlewareKeepsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const messages = 90
		var mu sync.Mutex
		got := map[string][]string{}
		var overlap atomic.Bool
		inner := handlers.NewKeyHandler(func(key string) (transport.HandlerFunc, error) {
			var running atomic.Int64
			return func(_ context.Context, env transport.Envelope) ([]byte, error) {
				if running.Add(1) > 1 {
					overlap.Store(true)
				}
				defer running.Add(-1)
				mu.Lock()
				defer mu.Unlock()
				got[key] = append(got[key], env.Type)
				return nil, nil
			}, nil
		})
		n := newNode(t, memtransport.Options{MaxConcurrentHandlers: -1})
		call := n.serve(t, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			var i int
			if _, err := fmt.Sscan(env.Type, &i); err == nil {
				<-time.After(time.Duration(messages-i) * time.Millisecond) // the first takes longest
			}
			return inner(ctx, env)
		}, hosting.Setup{})
		var wg sync.WaitGroup
		for k := range 4 {
			key := fmt.Sprint("key-", k)
			wg.Go(func() {
				for i := range messages {
					// Two at a time of each kind, so that each follows each.
					delivery := []transport.Delivery{transport.AwaitNothing, transport.AwaitAccept, transport.AwaitReply}[i/2%3]
					if _, err := call(t.Context(), transport.Envelope{Key: key, Type: fmt.Sprint(i), Delivery: delivery}); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() { // another sender, whose messages come between
				for range messages {
					if _, err := call.ask(key, "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		n.end()
		for key, types := range got {
			own := slices.DeleteFunc(slices.Clone(types), func(typ string) bool { return typ == "x" })
			for i, typ := range own {
				if typ != fmt.Sprint(i) {
					t.Fatalf("%s: message %s came as number %d", key, typ, i)
				}
			}
			if len(own) != messages || len(types) != 2*messages {
				t.Errorf("%s: %d messages were handled, %d of the first sender", key, len(types), len(own))
			}
		}
		if len(got) != 4 || overlap.Load() {
			t.Errorf("%d keys, two messages of one at once: %v", len(got), overlap.Load())
		}
	})
}

// TestMiddlewareRefusesNotifications: a sender that waits is told of a full mailbox. The log has a line for
// the key, and one for the notification only if its sender does not wait.
func TestMiddlewareRefusesNotifications(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tr := memtransport.New(memtransport.Options{})
		life := dispatch.NewLifetime(slog.New(slog.NewTextHandler(&log, nil)), dispatch.DispatcherOf(tr))
		var codes []string
		life.ObserveFailed(func(err *outcome.Error) { codes = append(codes, err.Code) })
		h := wrapped(handlers.NewActorHandlerWithOpts(vaults.New, handlers.Options{MailboxSize: 1}))
		if _, err := tr.Backend().Subscribe(life.Context(), 0, dispatch.Subscriber{Receiver: life.ReceiverFunc(h)}); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		for range 2 { // one runs, one waits
			go tr.Request(ctx, transport.Envelope{Key: "a-1", Type: "hold", Data: []byte("{}")}) // ends with ctx
			synctest.Wait()
		}
		env := transport.Envelope{Key: "a-1", Type: "put", Data: []byte("s3cret"), Delivery: transport.AwaitAccept}
		_, err := tr.Request(t.Context(), env)
		failed(t, "with an ack", err, outcome.ErrOverloaded, outcome.NotStarted)
		if _, ok := outcome.RetryAfter(err); !ok {
			t.Errorf("%v has lost its hint", err)
		}
		if text := log.String(); strings.Contains(text, "notification failed") || strings.Count(text, "the mailbox of a key is full") != 1 || len(codes) != 0 {
			t.Errorf("%v, and the log has %q: the sender knows", codes, text)
		}
		env.Delivery = transport.AwaitNothing
		if _, err := tr.Request(t.Context(), env); err != nil {
			t.Errorf("without an ack: %v", err)
		}
		synctest.Wait()
		if text := log.String(); !strings.Contains(text, "notification failed") || !strings.Contains(text, "type=put") || strings.Contains(text, "s3cret") {
			t.Errorf("the log has %q", text)
		}
		if !slices.Equal(codes, []string{"overloaded"}) {
			t.Errorf("told of %v", codes)
		}
		leave()
		synctest.Wait()
		life.End()
		_ = tr.Close()
	})
}

// TestMiddlewareAcknowledgesWhatItPassesOn, not what it has begun with; who does
// not wait for that is told what is known.
func TestMiddlewareAcknowledgesWhatItPassesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		var ended error // of the middleware's context, where it waits at the gate
		var count tally
		inner := handlers.NewKeyHandler(count.create)
		call := newNode(t, memtransport.Options{}).serve(t, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			if env.Type == "Gate" {
				select {
				case <-gate:
				case <-ctx.Done():
					ended = ctx.Err()
				}
			}
			return inner(ctx, env)
		}, hosting.Setup{})
		if _, err := call.ask("k", "Get"); err != nil { // from now on it is known to pass on
			t.Fatal(err)
		}
		told := make(chan error, 1)
		go func() { told <- notify(call, transport.Envelope{Key: "k", Type: "Gate"}) }() // ends with the ack
		synctest.Wait()
		select {
		case err := <-told:
			t.Errorf("acknowledged with %v before it was passed on", err)
		default:
		}
		gate <- struct{}{}
		if err := <-told; err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // ends with ctx
			_, err := call(ctx, transport.Envelope{Key: "k", Type: "Gate", Delivery: transport.AwaitAccept})
			told <- err
		}()
		synctest.Wait()
		cancel()
		failed(t, "a sender that leaves", <-told, context.Canceled, outcome.MaybeRan)
		synctest.Wait()
		if !errors.Is(ended, context.Canceled) {
			t.Errorf("the middleware's context ended with %v", ended)
		}
	})
}

// TestMiddlewareNeedNotPassOn: a notification that a middleware handles by
// itself is acknowledged when it has, with what it says.
func TestMiddlewareNeedNotPassOn(t *testing.T) {
	inner := handlers.NewKeyHandler(new(tally).create)
	call := newNode(t, memtransport.Options{}).serve(t, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
		switch env.Type {
		case "Deny":
			return nil, errTooMuch
		case "Keep":
			return nil, nil
		case "Panic":
			panic("boom")
		}
		return inner(ctx, env)
	}, hosting.Setup{})
	if _, err := call.ask("k", "Get"); err != nil {
		t.Fatal(err)
	}
	for msgType, want := range map[string]error{"Deny": errTooMuch, "Keep": nil, "Get": nil, "Panic": outcome.ErrPanicked} {
		for range 3 { // what failed has left the line
			if err := notify(call, transport.Envelope{Key: "k", Type: msgType}); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", msgType, err, want)
			}
			if _, err := call(t.Context(), transport.Envelope{Key: "k", Type: msgType, Delivery: transport.AwaitNothing}); err != nil {
				t.Errorf("%s: %v", msgType, err)
			}
		}
	}
}

// late answers a message "wait" when it gets "set".
type late struct{ waiter *pactor.PID }

func (l *late) Receive(c pactor.Context) {
	m, ok := c.Message().(*actor.Message)
	switch {
	case !ok:
	case m.Type == "wait":
		l.waiter = c.Sender()
	case m.Type == "set":
		c.Send(l.waiter, []byte("now"))
	}
}

// TestMiddlewareLetsOthersPass: a request that waits for its actor holds nobody
// up who comes after it.
func TestMiddlewareLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := wrapped(handlers.NewActorHandler(func(string) (actor.Actor, error) { return new(late), nil }))
		for _, delivery := range []transport.Delivery{transport.AwaitAccept, transport.AwaitNothing} {
			call := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{})
			answered := make(chan string, 1)
			go func() { // ends with the answer
				reply, err := call.ask("k", "wait")
				answered <- fmt.Sprint(reply, err)
			}()
			synctest.Wait()
			if _, err := call(t.Context(), transport.Envelope{Key: "k", Type: "set", Delivery: delivery}); err != nil {
				t.Error(err)
			}
			if got := <-answered; got != "now<nil>" {
				t.Errorf("got %s", got)
			}
		}
	})
}

// TestMiddlewareKeepsTheOutcome: what is known of the call where it was passed
// on goes before that the middleware has returned.
func TestMiddlewareKeepsTheOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		inner := handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) {
			return func(_ context.Context, env transport.Envelope) ([]byte, error) {
				if env.Type == "Hang" {
					<-release
				}
				return nil, nil
			}, nil
		})
		own := errors.New("the middleware's own")
		call := newNode(t, memtransport.Options{HandlerTimeout: time.Second}).serve(t, func(ctx context.Context, env transport.Envelope) ([]byte, error) {
			switch env.Headers["do"] {
			case "own words": // about a handler that runs on
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				defer cancel()
				if _, err := inner(short, env); err != nil {
					return nil, own
				}
			case "refused, after it ran":
				if _, err := inner(ctx, env); err != nil {
					return nil, err
				}
				env.Key = ""
			case "own words of a refusal":
				env.Key = ""
				if _, err := inner(ctx, env); err != nil {
					return nil, own
				}
			case "wrapped refusal":
				env.Key = ""
				_, err := inner(ctx, env)
				return nil, fmt.Errorf("audited: %w", err)
			}
			return inner(ctx, env)
		}, hosting.Setup{})
		for i, c := range []struct {
			msgType, do string
			want        error
			outcome     outcome.Outcome
		}{
			{"Hang", "", outcome.ErrHandlerTimeout, outcome.MaybeRan},
			{"Hang", "own words", nil, outcome.MaybeRan},
			{"Get", "refused, after it ran", outcome.ErrMissingKeyHeader, outcome.RanAndFailed},
			{"Get", "own words of a refusal", nil, outcome.RanAndFailed},
			{"Get", "wrapped refusal", outcome.ErrMissingKeyHeader, outcome.NotStarted},
		} {
			_, err := call(t.Context(), transport.Envelope{Key: fmt.Sprint("key-", i), Type: c.msgType, Headers: map[string]string{"do": c.do}})
			if c.want == nil && err != nil && strings.Contains(err.Error(), own.Error()) {
				c.want = err
			}
			failed(t, c.msgType+", "+c.do, err, c.want, c.outcome)
		}
		close(release)
		synctest.Wait()
	})
}
