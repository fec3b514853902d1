package natsstore_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/membership"
	"github.com/clstr-go/clstr/membership/natsstore"
	"github.com/clstr-go/clstr/membership/storetest"
	"github.com/clstr-go/clstr/testkit"
)

// patience bounds every wait; a test that passes never uses it up.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, opts natsstore.Options) *natsstore.Store {
	t.Helper()
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := natsstore.Open(patient(t), opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func write(t testing.TB, s membership.Store, key string, rev uint64, value string) uint64 {
	t.Helper()
	got, err := s.Write(patient(t), key, rev, []byte(value))
	if err != nil {
		t.Fatalf("writing %s at %d: %v", key, rev, err)
	}
	return got
}

func read(t testing.TB, s membership.Store, key string) membership.Entry {
	t.Helper()
	e, err := s.Read(patient(t), key)
	if err != nil {
		t.Fatalf("reading %s: %v", key, err)
	}
	return e
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func TestStore(t *testing.T) {
	testkit.CheckLeaks(t)
	storetest.Run(t, func(t *testing.T) membership.Store {
		return open(t, natsstore.Options{URL: natstest.Serve(t, server.Options{}).URL()})
	})
}
