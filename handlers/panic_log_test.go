package handlers_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/clstr-go/clstr/handlers"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// TestAPanicsLineNamesItsKey: whatever handler it is, the node's log has kind, shard
// and key in the one spelling, and callers cannot flood it with stacks.
func TestAPanicsLineNamesItsKey(t *testing.T) {
	const times = 50
	crash := func(context.Context, transport.Envelope) ([]byte, error) { panic("boom") }
	keyed := handlers.NewKeyHandler(func(string) (transport.HandlerFunc, error) { return crash, nil })
	for name, h := range map[string]transport.HandlerFunc{"keyed": keyed, "wrapped": wrapped(keyed), "plain": crash} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			tr := memtransport.New(memtransport.Options{}).WithLog(slog.New(slog.DiscardHandler))
			life := transport.NewLifetime(slog.New(slog.NewTextHandler(&log, nil)), tr)
			var r transport.Receiver
			if host, ok := handlers.Bind(h, life, handlers.Env{Kind: "account"}); ok {
				r = host
			} else {
				r = life.ReceiverFunc(h)
			}
			if _, err := tr.Subscribe(life.Context(), 5, r); err != nil {
				t.Fatal(err)
			}
			for range times {
				env := transport.Envelope{Shard: 5, Kind: "account", Key: "k-1", Type: "Crash", Data: []byte("s3cret")}
				if _, err := tr.Request(t.Context(), env); !errors.Is(err, transport.ErrPanicked) {
					t.Fatal(err)
				}
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
			for _, part := range []string{"kind=account shard=5 key=k-1 type=Crash panic=boom stack=", "skipped="} {
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
