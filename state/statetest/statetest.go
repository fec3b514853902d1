// The suite: what it runs, and its helpers

package statetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// Harness is what the suite must know about a store.
type Harness struct {
	// New makes a new, empty place, and returns a func that opens a store on it, any number of times.
	// adopt lets a store take over the state of another cluster. t.Cleanup ends the stores.
	New func(t *testing.T) (open func(adopt bool) state.Store)
}

// Run tests the stores of a harness.
func Run(t *testing.T, h Harness) {
	for name, f := range map[string]func(*testing.T, func(adopt bool) state.Store){
		"Fence":        fence,
		"FenceFurther": fenceFurther,
		"Epochs":       epochs,
		"Clusters":     clusters,
		"Layouts":      layouts,
		"Fenced":       fenced,
		"Whole":        whole,
		"Records":      records,
		"Removed":      removed,
		"Ends":         ends,
		"Names":        names,
		"Events":       events,
		"Mail":         mail,
		"AppendOnce":   appendOnce,
		"Aside":        aside,
		"Pages":        pages,
		"Fresh":        fresh,
		"Doubt":        doubt,
		"ManyAtOnce":   manyAtOnce,
		"TakenOver":    takenOver,
		"SideBySide":   sideBySide,
		"Limits":       limits,
		"LongKeys":     longKeys,
		"Watch":        watch,
		"OwnBytes":     ownBytes,
		"Contexts":     contexts,
	} {
		t.Run(name, func(t *testing.T) { f(t, h.New(t)) })
	}
}

const kind = "account"

var none state.Token

func open(t testing.TB, s state.Store, shard uint32, o state.Owner, held state.Token) state.Token {
	t.Helper()
	token, err := s.Open(t.Context(), shard, o, held)
	if err != nil {
		t.Fatalf("opening shard %d as %+v: %v", shard, o, err)
	}
	if token.Shard != shard || token == none {
		t.Fatalf("opening shard %d: token %+v", shard, token)
	}
	return token
}

// commit stores a change and waits.
func commit(ctx context.Context, s state.Store, c state.Change) (state.Rev, error) {
	type result struct {
		rev state.Rev
		err error
	}
	done := make(chan result, 1)
	s.Commit(c, func(rev state.Rev, err error) { done <- result{rev, err} })
	select {
	case r := <-done:
		return r.rev, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func must(t testing.TB, s state.Store, c state.Change) state.Rev {
	t.Helper()
	rev, err := commit(t.Context(), s, c)
	if err != nil {
		t.Fatalf("change %d of %q: %v", c.Number(), c.Key, err)
	}
	return rev
}

// set is a change of a record alone.
func set(token state.Token, key string, number uint64, body string) state.Change {
	return state.Change{Token: token, Kind: kind, Key: key,
		Record: &state.Record{Number: number, Version: 2, Type: "json", State: []byte(body)}}
}

// await reads all keys' entries until there are as many as were stored: such a read may be a
// moment old.
func await(t testing.TB, s state.Store, token state.Token, p state.Place, shard uint32, want int) []state.Entry {
	t.Helper()
	for tries := 0; ; tries++ {
		es := read(t, s, token, state.Range{Place: p, Shard: shard, Most: 1000})
		if len(es) == want || tries == 1000 {
			return es
		}
		<-time.After(time.Millisecond)
	}
}

func read(t testing.TB, s state.Store, token state.Token, r state.Range) []state.Entry {
	t.Helper()
	es, more, err := s.Read(t.Context(), token, r)
	if err != nil {
		t.Fatalf("reading %+v: %v", r, err)
	}
	if more {
		t.Fatalf("reading %+v: there is more than %d", r, len(es))
	}
	last := r.After
	for _, e := range es {
		if e.Err != nil || e.Rev <= last || e.Place != r.Place || e.Shard != r.Shard || time.Since(e.Time).Abs() > time.Hour {
			t.Errorf("reading %+v: after %d comes %+v", r, last, e)
		}
		last = e.Rev
	}
	return es
}

// at is the range of one key's entries.
func at(p state.Place, token state.Token, key string) state.Range {
	return state.Range{Place: p, Shard: token.Shard, Kind: kind, Key: key}
}

func record(t testing.TB, s state.Store, token state.Token, key string) *state.Record {
	t.Helper()
	es := read(t, s, token, at(state.Records, token, key))
	switch {
	case len(es) == 0:
		return nil
	case len(es) > 1 || es[0].Kind != kind || es[0].Key != key || es[0].Record == nil:
		t.Fatalf("the record of %q: %+v", key, es)
	}
	return es[0].Record
}

func wantState(t testing.TB, s state.Store, token state.Token, key string, number uint64, body string) {
	t.Helper()
	r := record(t, s, token, key)
	if r == nil || r.Number != number || string(r.State) != body {
		t.Errorf("%q: %s, want change %d with %q", key, show(r), number, body)
	}
}

func show(r *state.Record) string {
	if r == nil {
		return "no record"
	}
	return fmt.Sprintf("change %d with %q", r.Number, r.State)
}
