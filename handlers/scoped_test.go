package handlers_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
)

var errNoTenant = errors.New("no tenant")

func init() { outcome.RegisterError("handlers_test.no_tenant", errNoTenant) }

// extractByType does what the message's type says.
func extractByType(env transport.Envelope) (string, error) {
	switch env.Type {
	case "Refused":
		return "", errNoTenant
	case "Foreign":
		return "k", io.ErrUnexpectedEOF
	case "NotOurs":
		return "", outcome.Errorf(outcome.ErrOverloaded, "said by a call of Extract's own")
	case "Empty":
		return "", nil
	case "Panic":
		panic("boom")
	}
	return env.Headers["tenant"], nil
}

func TestExtract(t *testing.T) {
	scoped := func() transport.HandlerFunc {
		return handlers.NewScopedHandler(handlers.ScopedOptions{Extract: extractByType, Create: new(tally).create})
	}
	inEachForm(t, scoped, func(t *testing.T, f form, call caller) {
		// The client's key and the handler's are two things, and neither needs the other.
		for _, key := range []string{"", "user-123"} {
			env := transport.Envelope{Type: "Get", Key: key, Headers: map[string]string{"tenant": "t-1"}}
			if reply, err := call(t.Context(), env); err != nil || string(reply) != "t-1" {
				t.Errorf("key %q: got %q, %v", key, reply, err)
			}
		}
		_, err := call.ask("", "Refused")
		failed(t, "a registered error", err, errNoTenant, outcome.RanAndFailed)
		_, err = call.ask("", "Foreign")
		if outcome.Of(err) != outcome.RanAndFailed || !strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error()) {
			t.Errorf("an error of somebody's: got %v (%v)", err, outcome.Of(err))
		}
		_, err = call.ask("", "NotOurs") // retrying it is Extract's business
		failed(t, "an error of a call of its own", err, outcome.ErrOverloaded, outcome.RanAndFailed)
		_, err = call.ask("", "Empty")
		failed(t, "an empty key", err, outcome.ErrKeyRequired, outcome.NotStarted)
		_, err = call.ask("", "Panic")
		if !errors.Is(err, outcome.ErrPanicked) || strings.Contains(err.Error(), "boom") {
			t.Errorf("a panic: got %v", err)
		}
		if err := notify(call, transport.Envelope{Type: "Refused"}); f == direct && !errors.Is(err, errNoTenant) {
			t.Errorf("a notification: got %v", err)
		}
	})
}

// notify sends a notification that awaits its acceptance.
func notify(call caller, env transport.Envelope) error {
	env.Delivery = transport.AwaitAccept
	_, err := call(context.Background(), env)
	return err
}

// replier passes the answer on.
type replier chan *outcome.Error

// Reply implements [dispatch.Replier].
func (r replier) Reply(_ *dispatch.Call, _ []byte, err *outcome.Error) { r <- err }

// TestExtractEndsItsGoroutine: the call is answered all the same.
func TestExtractEndsItsGoroutine(t *testing.T) {
	h := handlers.NewScopedHandler(handlers.ScopedOptions{
		Extract: func(transport.Envelope) (string, error) { runtime.Goexit(); return "", nil },
		Create:  new(tally).create,
	})
	d := dispatch.NewDispatcher(transport.Limits{}, quiet)
	life := dispatch.NewLifetime(quiet, d)
	r, ok := hosting.Bind(h, life, hosting.Setup{})
	if !ok {
		t.Fatal("a scoped handler was not bound")
	}
	sub, err := d.Subscribe(life.Context(), dispatch.Subscriber{Receiver: r})
	if err != nil {
		t.Fatal(err)
	}
	answer := make(replier, 1)
	go sub.Dispatch(dispatch.NewCall(transport.Envelope{Type: "Get"}, answer, 0)) // ends in Extract
	failed(t, "the call", <-answer, outcome.ErrPanicked, outcome.MaybeRan)
	if err := sub.Unsubscribe(); err != nil {
		t.Error(err)
	}
	life.End()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
