// Changes: whole or not at all, in every place

package statetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// parts are changes that each touch one place beside the record, and one that touches all.
func parts(token state.Token) map[string]state.Change {
	to := state.Mail{Shard: token.Shard, Kind: kind, Key: "b", ID: "m1", Type: "Credit", Header: map[string]string{"h": "v\r\n"}, Payload: []byte("5")}
	make := func(f func(c *state.Change)) state.Change {
		c := set(token, "a", 1, "one")
		f(&c)
		return c
	}
	es := []state.Event{{Number: 1, Type: "Opened", Payload: []byte("e1")}, {Number: 1, Payload: []byte("e2")}}
	rs := []state.Reminder{{Name: "r", Due: time.Unix(1e9, 0).UTC(), Type: "Statement", Payload: []byte("p")}}
	parked := []state.ParkedMail{{Mail: state.Mail{Shard: token.Shard, Kind: kind, Key: "a", ID: "p", Payload: []byte("bad")}, Attempts: 5, Error: "no"}}
	spill := &state.Spill{Commands: []state.Command{{ID: []byte("id"), Sum: []byte("sum"), Reply: []byte("r")}}, TTL: time.Hour}
	return map[string]state.Change{
		"a record":         make(func(*state.Change) {}),
		"events alone":     {Token: token, Kind: kind, Key: "a", Events: es},
		"a record, events": make(func(c *state.Change) { c.Events = es }),
		"mail":             make(func(c *state.Change) { c.Mail = []state.Mail{to} }),
		"reminders":        make(func(c *state.Change) { c.Reminders = &rs }),
		"parked mail":      make(func(c *state.Change) { c.Parked = parked }),
		"a spill":          make(func(c *state.Change) { c.Spill = spill }),
		"all": make(func(c *state.Change) {
			c.Events, c.Mail, c.Reminders, c.Parked, c.Spill = es, []state.Mail{to, to}, &rs, parked, spill
		}),
	}
}

func whole(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	shard := uint32(0)
	for name, c := range parts(state.Token{}) {
		shard++
		token := open(t, s, shard, state.Owner{}, none)
		for name2, again := range parts(token) {
			if name2 == name {
				c = again
			}
		}
		rev := must(t, s, c)
		want := map[state.Place]int{state.Events: len(c.Events), state.Mails: len(c.Mail), state.Parked: len(c.Parked)}
		for p, there := range map[state.Place]bool{state.Records: c.Record != nil, state.Reminders: c.Reminders != nil, state.Spilled: c.Spill != nil} {
			if there {
				want[p] = 1
			}
		}
		for p := range state.Places {
			es := await(t, s, token, p, shard, want[p])
			if len(es) != want[p] {
				t.Errorf("%s: %d %v, want %d", name, len(es), p, want[p])
			}
			wantParts(t, name, c, es)
			if first := state.Entries(c)[0].Place; p == first && len(es) > 0 && es[0].Rev != rev {
				t.Errorf("%s: stored at %d, its first part at %d", name, rev, es[0].Rev)
			}
		}
	}
}

// wantParts: what was stored is read as it was.
func wantParts(t *testing.T, name string, c state.Change, es []state.Entry) {
	t.Helper()
	all := state.Entries(c)
	n := 0
	for _, e := range es {
		for n < len(all) && all[n].Place != e.Place {
			n++
		}
		if n == len(all) {
			return // counted elsewhere
		}
		want := all[n]
		n++
		if e.Kind != want.Kind || e.Key != want.Key || e.Shard != want.Shard ||
			string(e.Head()) != string(want.Head()) || string(e.Body()) != string(want.Body()) {
			t.Errorf("%s: stored %s with %q\nread %s with %q", name, want.Head(), want.Body(), e.Head(), e.Body())
		}
	}
}

func records(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	if r := record(t, s, token, "a"); r != nil {
		t.Errorf("a key that was never stored: %s", show(r))
	}
	last := state.Rev(0)
	for i := range uint64(5) {
		rev := must(t, s, set(token, "a", i+1, fmt.Sprint(i)))
		if rev <= last {
			t.Errorf("revision %d after %d", rev, last)
		}
		last = rev
		es := read(t, s, token, at(state.Records, token, "a"))
		if len(es) != 1 || es[0].Rev != rev || es[0].Record.Version != 2 || es[0].Record.Type != "json" {
			t.Errorf("after the change at %d: %+v", rev, es)
		}
		wantState(t, s, token, "a", i+1, fmt.Sprint(i))
	}
	must(t, s, set(token, "b", 1, ""))
	wantState(t, s, token, "b", 1, "")
	wantState(t, s, token, "a", 5, "4")
	if es := read(t, s, token, state.Range{Place: state.Records, Shard: 7, Kind: kind, Key: "a", After: last}); len(es) != 0 {
		t.Errorf("after its own revision there is %+v", es)
	}
}

// removed: a key that is deleted leaves what is known of it.
func removed(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	must(t, s, set(token, "a", 1, "one"))
	c := set(token, "a", 2, "")
	c.Record.Deleted, c.Record.TTL, c.Record.Taken = true, 24*time.Hour, 77
	c.Record.Commands = []state.Command{{ID: []byte{0, 255}, Sum: []byte{1}, Reply: []byte("done")}}
	must(t, s, c)
	r := record(t, s, token, "a")
	if r == nil || !r.Deleted || r.Taken != 77 || len(r.Commands) != 1 || string(r.Commands[0].Reply) != "done" || len(r.State) != 0 {
		t.Errorf("a deleted key: %+v", r)
	}
	must(t, s, set(token, "a", 3, "three"))
	wantState(t, s, token, "a", 3, "three")
}

// ends: a record with a TTL ends, and one that replaces it stays.
func ends(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	for _, key := range []string{"a", "b"} {
		c := set(token, key, 1, "one")
		c.Record.TTL = time.Second
		must(t, s, c)
		wantState(t, s, token, key, 1, "one")
	}
	must(t, s, set(token, "b", 2, "two"))
	for record(t, s, token, "a") != nil {
		<-time.After(20 * time.Millisecond)
	}
	wantState(t, s, token, "b", 2, "two")
}

// names: keys are any bytes, and no two are one.
func names(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	keys := []string{"a", "A", "a.b", "a b", "*", ">", "a.>", "\x00\xff", "ä", "a\r\nb", ".", "=", "_", "_a", "%61", "'; --",
		strings.Repeat("k", 120), strings.Repeat("k", 1000), strings.Repeat("k", 1001), strings.Repeat("\xf0", state.MaxKey)}
	for i, key := range keys {
		must(t, s, set(token, key, uint64(i+1), key))
	}
	for i, key := range keys {
		wantState(t, s, token, key, uint64(i+1), key)
	}
	for i, e := range await(t, s, token, state.Records, 7, len(keys)) {
		if e.Key != keys[i] || e.Kind != kind || string(e.Record.State) != keys[i] {
			t.Errorf("record %d of the shard is %q, want %q", i, e.Key, keys[i])
		}
	}
	c := set(token, "a", 1, "of another kind")
	c.Kind = "Account.x"
	must(t, s, c)
	wantState(t, s, token, "a", 1, "a")
}

// limits: what is too large, or breaks a rule, is refused and changes nothing. What is just
// within the limits is stored.
func limits(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	for name, broken := range map[string]struct {
		err error
		f   func(*state.Change)
	}{
		"a large state": {state.ErrTooLarge, func(c *state.Change) { c.Record.State = make([]byte, state.MaxState) }},
		"many events":   {state.ErrTooLarge, func(c *state.Change) { c.Events = slicesOf(state.MaxParts, state.Event{Number: 1}) }},
		"many commands": {state.ErrTooLarge, func(c *state.Change) { c.Record.Commands = slicesOf(100, state.Command{Reply: make([]byte, 512)}) }},
		"mail with a header": {state.ErrTooLarge, func(c *state.Change) {
			c.Mail = []state.Mail{{Kind: kind, Key: "b", Header: map[string]string{"h": strings.Repeat("\x01", 30<<10)}}}
		}},
		"no number":         {state.ErrInvalid, func(c *state.Change) { c.Record.Number = 0 }},
		"no record":         {state.ErrInvalid, func(c *state.Change) { c.Record = nil }},
		"no kind":           {state.ErrInvalid, func(c *state.Change) { c.Kind = "" }},
		"no key":            {state.ErrInvalid, func(c *state.Change) { c.Key = "" }},
		"a long key":        {state.ErrInvalid, func(c *state.Change) { c.Key = strings.Repeat("k", state.MaxKey+1) }},
		"mail to no key":    {state.ErrInvalid, func(c *state.Change) { c.Mail = []state.Mail{{Kind: kind}} }},
		"a type in Latin-1": {state.ErrInvalid, func(c *state.Change) { c.Mail = []state.Mail{{Kind: kind, Key: "b", Type: "\xe4"}} }},
		"half a second":     {state.ErrInvalid, func(c *state.Change) { c.Record.TTL = time.Second / 2 }},
		"the year 10,000": {state.ErrInvalid, func(c *state.Change) {
			c.Reminders = &[]state.Reminder{{Due: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}
		}},
		"other events": {state.ErrInvalid, func(c *state.Change) { c.Events = []state.Event{{Number: 2}} }},
	} {
		c := set(token, "a", 1, "one")
		broken.f(&c)
		if _, err := commit(t.Context(), s, c); !errors.Is(err, broken.err) || !state.Refused(err) {
			t.Errorf("%s: %v, want %v", name, err, broken.err)
		}
	}
	if _, err := s.Append(t.Context(), state.Mail{Kind: kind}); !errors.Is(err, state.ErrInvalid) {
		t.Errorf("mail to no key: %v", err)
	}
	empty(t, s, token)
	large := set(token, "a", 1, strings.Repeat("x", state.MaxState-1024))
	must(t, s, large)
	wantState(t, s, token, "a", 1, string(large.Record.State))
	large.Record.State, large.Record.Number = []byte("one"), 2
	large.Record.Commands = slicesOf(55, state.Command{Reply: make([]byte, 512)})
	large.Events = slicesOf(state.MaxParts-1, state.Event{Number: 2, Payload: make([]byte, 2048)})
	must(t, s, large)
	if es := read(t, s, token, at(state.Events, token, "a")); len(es) != state.MaxParts-1 {
		t.Errorf("%d events, want %d", len(es), state.MaxParts-1)
	}
}

func slicesOf[T any](n int, v T) []T {
	vs := make([]T, n)
	for i := range vs {
		vs[i] = v
	}
	return vs
}

// manyAtOnce: callers of many keys and shards do not disturb each other.
func manyAtOnce(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	const shards, keys, rounds = 4, 8, 10
	var tokens []state.Token
	for shard := range uint32(shards) {
		tokens = append(tokens, open(t, s, shard, state.Owner{Cluster: "c", Epoch: 1}, none))
	}
	var wg sync.WaitGroup
	for i := range shards * keys {
		token, key := tokens[i%shards], fmt.Sprint("k", i/shards)
		wg.Go(func() {
			for n := range uint64(rounds) {
				c := set(token, key, n+1, fmt.Sprint(n))
				if n%3 == 1 {
					c.Mail = []state.Mail{{Shard: (token.Shard + 1) % shards, Kind: kind, Key: key, Payload: []byte(fmt.Sprint(n))}}
				}
				if _, err := commit(t.Context(), s, c); err != nil {
					t.Errorf("change %d of %s: %v", n+1, key, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := range shards * keys {
		wantState(t, s, tokens[i%shards], fmt.Sprint("k", i/shards), rounds, fmt.Sprint(rounds-1))
	}
	for _, token := range tokens {
		if es := await(t, s, token, state.Mails, token.Shard, keys*3); len(es) != keys*3 {
			t.Errorf("%d mails in shard %d, want %d", len(es), token.Shard, keys*3)
		}
	}
}
