package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/hosting"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestAPanicsLineNamesItsKey: whatever handler it is, the node's log has kind, shard
// and key in the one spelling, and callers cannot flood it with stacks.
func TestAPanicsLineNamesItsKey(t *testing.T) {
	const times = 50
	crash := func(_ context.Context, env transport.Envelope) ([]byte, error) {
		if env.Type == "Fail" {
			return nil, errors.New("no room")
		}
		panic("boom")
	}
	keyed := handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) { return crash, nil })
	scoped := handlers.NewScopedHandler(handlers.ScopedOptions{ // its keys are not the client's
		Extract: func(env transport.Envelope) (string, error) { return "k-" + env.Headers["no"], nil },
		Create:  func(string) (transport.HandlerFunc, error) { return crash, nil },
	})
	for name, h := range map[string]transport.HandlerFunc{
		"keyed": keyed, "wrapped": wrapped(keyed), "plain": crash, "scoped": scoped, "scoped and wrapped": wrapped(scoped),
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			tr := memtransport.New(memtransport.Options{}).WithLog(slog.New(slog.DiscardHandler))
			life := dispatch.NewLifetime(slog.New(slog.NewTextHandler(&log, nil)), dispatch.DispatcherOf(tr))
			var r dispatch.Receiver
			if host, ok := hosting.Bind(h, life, hosting.Setup{Kind: "account"}); ok {
				r = host
			} else {
				r = life.ReceiverFunc(h)
			}
			if _, err := tr.Backend().Subscribe(life.Context(), 5, dispatch.Subscriber{Receiver: r}); err != nil {
				t.Fatal(err)
			}
			env := transport.Envelope{Shard: 5, Kind: "account", Key: "k-1", Type: "Crash", Data: []byte("s3cret")}
			if strings.HasPrefix(name, "scoped") {
				env.Key, env.Headers = "client's", map[string]string{"no": "1"}
			}
			for range times {
				if _, err := tr.Request(t.Context(), env); !errors.Is(err, outcome.ErrPanicked) {
					t.Fatal(err)
				}
			}
			env.Type, env.Delivery = "Fail", transport.AwaitAccept
			if _, err := tr.Request(t.Context(), env); err != nil {
				t.Fatal(err)
			}
			if err := life.End(); err != nil {
				t.Error(err)
			}
			if err := tr.Close(); err != nil {
				t.Error(err)
			}
			text := log.String()
			if n := strings.Count(text, `msg="handler panicked"`); n < 2 || n > times/2 {
				t.Errorf("%d lines of %d panics", n, times)
			}
			for _, part := range []string{"kind=account shard=5 key=k-1 type=Crash panic=boom stack=", "skipped=",
				`msg="notification failed" kind=account shard=5 key=k-1 type=Fail`} {
				if !strings.Contains(text, part) {
					t.Errorf("no line says %q: %.300s", part, text)
				}
			}
			if strings.Contains(text, "s3cret") {
				t.Error("the log has the payload")
			}
		})
	}
}
