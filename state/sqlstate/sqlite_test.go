package sqlstate_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/oncetest"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/sqlstate"
	"github.com/clstr-go/clstr/state/statetest"
	"github.com/clstr-go/clstr/testkit"
)

func open(t testing.TB, o sqlstate.Options) *sqlstate.Store {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := sqlstate.Open(ctx, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func file(t testing.TB) string { return "sqlite:" + filepath.Join(t.TempDir(), "state.db") }

func TestSQLite(t *testing.T) {
	testkit.CheckLeaks(t)
	statetest.Run(t, statetest.Harness{New: func(t *testing.T) func(bool) state.Store {
		o := sqlstate.Options{URL: file(t), Poll: 5 * time.Millisecond}
		return func(adopt bool) state.Store {
			o := o
			o.Adopt = adopt
			return open(t, o)
		}
	}})
}

func TestSQLiteOnce(t *testing.T) {
	testkit.CheckLeaks(t)
	oncetest.Run(t, oncetest.Harness{New: func(t *testing.T) func() state.Store {
		o := sqlstate.Options{URL: file(t), Poll: 5 * time.Millisecond}
		return func() state.Store { return open(t, o) }
	}})
}

func TestOptions(t *testing.T) {
	for _, o := range []sqlstate.Options{{}, {URL: "mysql://localhost"}, {URL: file(t), Poll: -1}, {URL: file(t), Connections: -1}} {
		if s, err := sqlstate.Open(t.Context(), o); !errors.Is(err, sqlstate.ErrBadOption) {
			t.Errorf("%+v: %v", o, err)
			_ = s.Close()
		}
	}
	if _, err := sqlstate.Open(t.Context(), sqlstate.Options{URL: "sqlite:/no/such/folder/state.db"}); err == nil {
		t.Error("a folder that is not there")
	}
}

// What is stored outlives the store, and a store that is closed refuses.
func TestReopened(t *testing.T) {
	url := file(t)
	s := open(t, sqlstate.Options{URL: url})
	token := fenced(t, s)
	if err := commit(s, set(token, "a", 1)); err != nil {
		t.Fatal(err)
	}
	seen := make(chan state.Entry, 8)
	if _, err := s.Watch(state.Range{Shard: 7}, func(e state.Entry) { seen <- e }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if e := <-seen; e.Rev != 0 {
		t.Errorf("the watch is told %+v as the store ends, want that it should read", e)
	}
	if _, err := s.Watch(state.Range{Shard: 7}, func(state.Entry) {}); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Watch after Close: %v", err)
	}
	if _, _, err := s.Read(t.Context(), token, state.Range{Shard: 7}); !errors.Is(err, state.ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if err := commit(s, set(token, "a", 2)); !errors.Is(err, state.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	s = open(t, sqlstate.Options{URL: url})
	es, _, err := s.Read(t.Context(), token, state.Range{Shard: 7, Kind: "account", Key: "a"})
	if err != nil || len(es) != 1 || es[0].Record.Number != 1 {
		t.Errorf("after all was closed: %+v, %v", es, err)
	}
}

// A record that something else has written is unreadable: that key alone.
func TestForeignRecord(t *testing.T) {
	s := open(t, sqlstate.Options{URL: file(t)})
	token := fenced(t, s)
	for _, key := range []string{"a", "b"} {
		if err := commit(s, set(token, key, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Exec("UPDATE clstr_newest SET head = 'x' WHERE entity = CAST('a' AS BLOB)"); err != nil {
		t.Fatal(err)
	}
	es, _, err := s.Read(t.Context(), token, state.Range{Shard: 7})
	if err != nil || len(es) != 2 || !errors.Is(es[0].Err, state.ErrUnreadable) || es[0].Key != "a" || es[1].Err != nil {
		t.Errorf("read %+v, %v", es, err)
	}
}

// A full disk refuses, as not stored, and keeps what it has.
func TestFull(t *testing.T) {
	s := open(t, sqlstate.Options{URL: file(t), Connections: 1})
	token := fenced(t, s)
	if _, err := s.Exec("PRAGMA max_page_count = 60"); err != nil {
		t.Fatal(err)
	}
	n, err := uint64(0), error(nil)
	for err == nil {
		n++
		c := set(token, "a", n)
		c.Events = []state.Event{{Number: n, Payload: make([]byte, 20<<10)}}
		err = commit(s, c)
	}
	if !errors.Is(err, state.ErrFull) || !state.Refused(err) || n < 3 {
		t.Fatalf("change %d: %v", n, err)
	}
	es, _, err := s.Read(t.Context(), token, state.Range{Shard: 7, Kind: "account", Key: "a"})
	if err != nil || len(es) != 1 || es[0].Record.Number != n-1 {
		t.Errorf("of a full disk: %+v, %v", es, err)
	}
}

func fenced(t testing.TB, s *sqlstate.Store) state.Token {
	t.Helper()
	token, err := s.Open(context.Background(), 7, state.Owner{}, state.Token{})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func set(token state.Token, key string, number uint64) state.Change {
	return state.Change{Token: token, Kind: "account", Key: key, Record: &state.Record{Number: number, State: fmt.Append(nil, number)}}
}

func commit(s state.Store, c state.Change) error {
	done := make(chan error, 1)
	s.Commit(c, func(_ state.Rev, err error) { done <- err })
	return <-done
}

func TestWatchOnSQLite(t *testing.T) {
	testkit.CheckLeaks(t)
	watchtest.Run(t, watchtest.Harness{New: func(t *testing.T) (node, client func() state.Store) {
		o := sqlstate.Options{URL: file(t), Poll: 20 * time.Millisecond}
		one := func() state.Store { return open(t, o) }
		return one, one
	}})
}
