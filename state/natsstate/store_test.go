package natsstate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/state/statetest"
	"github.com/clstr-go/clstr/testkit"
)

// patience bounds every wait; a test that passes never uses it up.
const patience = 30 * time.Second

func patient(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, opts natsstate.Options) *natsstate.Store {
	t.Helper()
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s, err := natsstate.Open(patient(t), opts)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// stores are those on the streams of one prefix; each test of the suite gets its own.
func stores(opts natsstate.Options) statetest.Harness {
	n := 0
	return statetest.Harness{New: func(t *testing.T) func(bool) state.Store {
		opts := opts
		opts.Prefix = fmt.Sprint("c.", n)
		n++
		return func(adopt bool) state.Store {
			opts := opts
			opts.Adopt = adopt
			return open(t, opts)
		}
	}}
}

func TestStore(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, stores(natsstate.Options{URL: natstest.Serve(t, server.Options{}).URL()}))
}

// Where changes go together: with replicas, and with storage in memory.
func TestStoreThatGroups(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, stores(natsstate.Options{URL: natstest.Serve(t, server.Options{}).URL(), Memory: true}))
}

func TestReplicatedStore(t *testing.T) {
	testkit.CheckLeaks(t)
	h := stores(natsstate.Options{URL: natstest.ServeThree(t)})
	statetest.Run(t, statetest.Harness{New: func(t *testing.T) func(bool) state.Store {
		open := h.New(t)
		return func(adopt bool) state.Store { return leaderless{open(adopt)} }
	}})
}

// leaderless is a store of servers that may have no leader for a moment, because a busy machine has kept it from them. What no
// server has heard is asked again.
type leaderless struct{ state.Store }

func (s leaderless) again(ctx context.Context, ask func() error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for errors.Is(ask(), outcome.ErrDisconnected) && ctx.Err() == nil {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

func (s leaderless) Open(ctx context.Context, shard uint32, o state.Owner, held state.Token) (token state.Token, err error) {
	s.again(ctx, func() error { token, err = s.Store.Open(ctx, shard, o, held); return err })
	return token, err
}

func (s leaderless) Read(ctx context.Context, t state.Token, r state.Range) (es []state.Entry, more bool, err error) {
	s.again(ctx, func() error { es, more, err = s.Store.Read(ctx, t, r); return err })
	return es, more, err
}

func (s leaderless) Append(ctx context.Context, m state.Mail) (rev state.Rev, err error) {
	s.again(ctx, func() error { rev, err = s.Store.Append(ctx, m); return err })
	return rev, err
}

func set(token state.Token, key string, number uint64, body string) state.Change {
	return state.Change{Token: token, Kind: "account", Key: key, Record: &state.Record{Number: number, State: []byte(body)}}
}

func commit(t testing.TB, s state.Store, c state.Change) error {
	t.Helper()
	done := make(chan error, 1)
	s.Commit(c, func(_ state.Rev, err error) { done <- err })
	select {
	case err := <-done:
		return err
	case <-patient(t).Done():
		t.Fatal("no answer to a change")
		return nil
	}
}

func fenced(t testing.TB, s state.Store, shard uint32, held state.Token) state.Token {
	t.Helper()
	token, err := s.Open(patient(t), shard, state.Owner{}, held)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}
