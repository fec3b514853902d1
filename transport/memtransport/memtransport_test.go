package memtransport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/transport"
	"github.com/clstr-go/clstr/transport/memtransport"
)

// What every transport does is in the suite; these are this one's own.

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		opts memtransport.Options
		want string
	}{
		{memtransport.Options{MaxConcurrentHandlers: -2}, "MaxConcurrentHandlers -2: -1 (unlimited), 0 (default) or more"},
		{memtransport.Options{MaxPending: -2}, "MaxPending -2: -1 (unlimited), 0 (default) or more"},
		{memtransport.Options{MaxMessageBytes: -2}, "MaxMessageBytes -2: -1 (unlimited), 0 (default) or more"},
		{memtransport.Options{HandlerTimeout: -time.Second}, "HandlerTimeout -1s: -1 (none), 0 (default) or a duration"},
	} {
		func() {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.HasPrefix(text, "memtransport.New: ") || !strings.Contains(text, c.want) {
					t.Errorf("panic %q, want %q", text, c.want)
				}
			}()
			memtransport.New(c.opts)
		}()
	}
}

func TestNilHandler(t *testing.T) {
	tr := memtransport.New(memtransport.Options{})
	defer tr.Close()
	if _, err := tr.SubscribeShard(t.Context(), 3, nil); !errors.Is(err, outcome.ErrBadOption) || !strings.Contains(err.Error(), "shard 3") {
		t.Errorf("got %v", err)
	}
}

// TestClosed: each call says that it is, and nothing was sent.
func TestClosed(t *testing.T) {
	tr := memtransport.New(memtransport.Options{})
	sub, err := tr.SubscribeShard(t.Context(), 0, func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil })
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}
	for _, d := range []transport.Delivery{transport.AwaitReply, transport.AwaitAccept, transport.AwaitNothing} {
		_, err := tr.Request(t.Context(), transport.Envelope{Type: "Get", Delivery: d})
		if !errors.Is(err, outcome.ErrTransportClosed) || outcome.Of(err) != outcome.NotSent {
			t.Errorf("delivery %d: got %v (%v)", d, err, outcome.Of(err))
		}
	}
	if _, err := tr.SubscribeShard(t.Context(), 1, func(context.Context, transport.Envelope) ([]byte, error) { return nil, nil }); !errors.Is(err, outcome.ErrTransportClosed) {
		t.Errorf("subscribing: got %v", err)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Errorf("unsubscribing: %v", err)
	}
}

func TestLogGetsPanics(t *testing.T) {
	var log bytes.Buffer
	tr := memtransport.New(memtransport.Options{}).WithLog(slog.New(slog.NewTextHandler(&log, nil)))
	if _, err := tr.SubscribeShard(t.Context(), 0, func(context.Context, transport.Envelope) ([]byte, error) { panic("boom") }); err != nil {
		t.Fatal(err)
	}
	_, err := tr.Request(t.Context(), transport.Envelope{Type: "Get", Data: []byte("s3cret")})
	if !errors.Is(err, outcome.ErrPanicked) {
		t.Errorf("got %v", err)
	}
	if err := tr.Close(); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, "boom") || !strings.Contains(text, "type=Get") || strings.Contains(text, "s3cret") {
		t.Errorf("the log has %q", text)
	}
}
