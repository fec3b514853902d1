package handlers_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// vault is an entity that fails in all ways.
type vault struct{ sum int }

type put struct{ Amount int }

type fail struct{}

type badReply struct{}

type hold struct{}

type crash struct{}

type total struct{ Sum int }

var errTooMuch = errors.New("too much")

func init() { outcome.RegisterError("handlers_test.too_much", errTooMuch) }

func (v *vault) put(_ *actor.Context, m put) (total, error) {
	v.sum += m.Amount
	return total{v.sum}, nil
}

func (v *vault) fail(*actor.Context, fail) (total, error) { return total{}, errTooMuch }

func (v *vault) badReply(*actor.Context, badReply) (chan int, error) { return make(chan int), nil }

func (v *vault) crash(*actor.Context, crash) (total, error) { panic("boom") }

// hold waits for the caller's end.
func (v *vault) hold(c *actor.Context, _ hold) (total, error) {
	<-c.Done()
	return total{}, c.Err()
}

func (v *vault) proto(_ *actor.Context, m *wrapperspb.Int64Value) (total, error) {
	return total{int(m.Value)}, nil
}

func (v *vault) activate(c *actor.Context) error {
	switch c.Key() {
	case "no database":
		return errNoDatabase
	case "full": // an error that looks like a refusal
		return outcome.ErrOverloaded
	}
	return nil
}

var vaults = actor.Define("vault", func(string) *vault { return &vault{} },
	actor.OnActivate((*vault).activate),
	actor.OnRequest((*vault).put),
	actor.OnRequest((*vault).fail),
	actor.OnRequest((*vault).badReply),
	actor.OnRequest((*vault).crash),
	actor.OnRequest((*vault).hold),
	actor.OnRequest((*vault).proto),
)

// TestCodes: what each failure is to the caller.
func TestCodes(t *testing.T) {
	h := func() transport.HandlerFunc { return handlers.NewActorHandler(vaults.New) }
	inEachForm(t, h, func(t *testing.T, f form, call caller) {
		for _, c := range []struct {
			key, msgType, data string
			want               error
			outcome            outcome.Outcome
			text               string
		}{
			{"k", "put", `{"Amount":"4929123"}`, outcome.ErrDecode, outcome.NotStarted, `type "put" into handlers_test.put`},
			{"k", "put", ``, outcome.ErrDecode, outcome.NotStarted, "no JSON: it is empty"},
			{"k", "google.protobuf.Int64Value", "\x08", outcome.ErrDecode, outcome.NotStarted, "Int64Value"},
			{"k", "get", `{}`, outcome.ErrUnknownType, outcome.NotStarted, `unknown message type: "get"`},
			{"k", "fail", `{}`, errTooMuch, outcome.RanAndFailed, "too much"},
			{"k", "badReply", `{}`, outcome.ErrReply, outcome.RanAndFailed, "chan int"},
			{"k", "crash", `{}`, outcome.ErrPanicked, outcome.MaybeRan, `message type "crash"`},
			{"no database", "put", `{}`, outcome.ErrActivationFailed, outcome.NotStarted, "activation failed: no database"},
			{"full", "put", `{}`, outcome.ErrActivationFailed, outcome.NotStarted, "activation failed: overloaded"},
		} {
			_, err := call(t.Context(), transport.Envelope{Key: c.key, Type: c.msgType, Data: []byte(c.data)})
			failed(t, c.msgType, err, c.want, c.outcome)
			switch {
			case err == nil:
			case !strings.Contains(err.Error(), c.text):
				t.Errorf("%s: %q does not say %q", c.msgType, err, c.text)
			case strings.Contains(err.Error(), "4929123"):
				t.Errorf("%s: %q holds a piece of the payload", c.msgType, err)
			case strings.Count(err.Error(), c.want.Error()) != 1:
				t.Errorf("%s: %q says it twice", c.msgType, err)
			}
		}
	})
}

// TestFullMailbox: the refusal comes at once and says when to try again.
func TestFullMailbox(t *testing.T) {
	for _, scoped := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var h transport.HandlerFunc
			create := func(string) (transport.HandlerFunc, error) {
				return func(ctx context.Context, _ transport.Envelope) ([]byte, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}, nil
			}
			if scoped {
				h = handlers.NewScopedHandler(handlers.ScopedOptions{
					Extract: func(transport.Envelope) (string, error) { return "a-1", nil }, Create: create, MailboxSize: 2,
				})
			} else {
				h = handlers.NewActorHandlerWithOpts(vaults.New, handlers.Options{MailboxSize: 2})
			}
			seen := newCensus()
			n := newNode(t, memtransport.Options{})
			call := n.serve(t, h, hosting.Setup{Observer: seen})
			ctx, leave := context.WithCancel(t.Context())
			for range 3 { // one runs, two wait
				go call(ctx, transport.Envelope{Key: "a-1", Type: "hold", Data: []byte("{}")}) // ends with ctx
				synctest.Wait()
			}
			_, err := call.ask("a-1", "hold")
			failed(t, "one more", err, outcome.ErrOverloaded, outcome.NotStarted)
			if after, ok := outcome.RetryAfter(err); !ok || after <= 0 {
				t.Errorf("%v does not say when to try again", err)
			}
			if !strings.Contains(err.Error(), `key "a-1"`) {
				t.Errorf("%q does not name the key", err)
			}
			if got := seen.get(seen.refused, ""); got != 1 {
				t.Errorf("%d refusals were counted", got)
			}
			leave()
			synctest.Wait()
		})
	}
}

// TestEndedNode refuses what it has not started.
func TestEndedNode(t *testing.T) {
	for _, h := range []transport.HandlerFunc{handlers.NewActorHandler(vaults.New), wrapped(handlers.NewActorHandler(vaults.New))} {
		d := dispatch.NewDispatcher(transport.Limits{}, quiet)
		life := dispatch.NewLifetime(quiet, d)
		r, ok := hosting.Bind(h, life, hosting.Setup{})
		if !ok {
			r = life.ReceiverFunc(h)
		}
		sub, err := d.Subscribe(life.Context(), dispatch.Subscriber{Receiver: r})
		if err != nil {
			t.Fatal(err)
		}
		ask := func() error {
			_, err := sub.Do(t.Context(), transport.Envelope{Key: "k", Type: "put", Data: []byte("{}")})
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		life.End()
		failed(t, "after the end", ask(), outcome.ErrDraining, outcome.NotStarted)
		if _, ok := hosting.Bind(h, life, hosting.Setup{}); ok {
			t.Error("bound to a lifetime that has ended")
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestMiddlewareKeepsCauseAndHint: what a handler passes on keeps what is behind
// it.
func TestMiddlewareKeepsCauseAndHint(t *testing.T) {
	h := wrapped(handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) { return nil, errNoDatabase }))
	_, err := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{}).ask("k", "Get")
	if !errors.Is(err, errNoDatabase) {
		t.Errorf("%v has lost its cause", err)
	}
	synctest.Test(t, func(t *testing.T) {
		h := wrapped(handlers.NewActorHandlerWithOpts(vaults.New, handlers.Options{MailboxSize: 1}))
		call := newNode(t, memtransport.Options{}).serve(t, h, hosting.Setup{})
		ctx, leave := context.WithCancel(t.Context())
		for range 2 {
			go call(ctx, transport.Envelope{Key: "a", Type: "hold", Data: []byte("{}")}) // ends with ctx
			synctest.Wait()
		}
		_, err := call.ask("a", "hold")
		if _, ok := outcome.RetryAfter(err); !ok {
			t.Errorf("%v has lost its hint", err)
		}
		leave()
		synctest.Wait()
	})
}
