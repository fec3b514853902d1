// Fresh reads, doubt, watches, contexts

package statetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/state"
)

// fresh: a read holds every change that was accepted before, through any store.
func fresh(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{Cluster: "c", Epoch: 1}, none)
	for n := range uint64(150) {
		if n%10 == 9 { // another store takes over
			s = stores(false)
			token = open(t, s, 7, state.Owner{Cluster: "c", Epoch: n}, none)
			wantState(t, s, token, "a", n, fmt.Sprint(n-1))
		}
		c := set(token, "a", n+1, fmt.Sprint(n))
		c.Mail = []state.Mail{{Shard: 7, Kind: kind, Key: "b", Payload: []byte(fmt.Sprint(n))}}
		must(t, s, c)
		wantState(t, s, token, "a", n+1, fmt.Sprint(n))
		if es := read(t, s, token, at(state.Mails, token, "b")); len(es) != int(n)+1 {
			t.Fatalf("%d mails after %d", len(es), n+1)
		}
	}
}

// lossy loses the answers to changes: its caller hears of none, and truth does.
type lossy struct {
	state.Store
	truth chan error
}

var errLost = errors.New("the answer is lost")

// Commit implements [state.Store].
func (l lossy) Commit(c state.Change, done func(state.Rev, error)) {
	l.Store.Commit(c, func(_ state.Rev, err error) { l.truth <- err })
	done(0, errLost)
}

// doubt: once the fence is moved, a change is stored, or it never will be.
func doubt(t *testing.T, stores func(bool) state.Store) {
	s := lossy{stores(false), make(chan error, 1)}
	token := open(t, s, 7, state.Owner{}, none)
	n, stored := uint64(0), 0
	for range 60 {
		for _, size := range []int{0, 3} { // mails
			c := set(token, "a", n+1, fmt.Sprint(n+1))
			for range size {
				c.Mail = append(c.Mail, state.Mail{Shard: 7, Kind: kind, Key: "b"})
			}
			if _, err := commit(t.Context(), s, c); !errors.Is(err, errLost) || state.Refused(err) {
				t.Fatalf("a lost answer: %v", err)
			}
			token = open(t, s, 7, state.Owner{}, token)
			there := false
			if r := record(t, s, token, "a"); r != nil {
				there = r.Number == n+1
			}
			if mails := len(read(t, s, token, state.Range{Place: state.Mails, Shard: 7, Kind: kind, Key: "b", Most: 1000})); there && mails != stored+size || !there && mails != stored {
				t.Fatalf("change %d is there: %v, with %d mails, %d before it", n+1, there, mails, stored)
			}
			err := <-s.truth
			if err == nil && !there || state.Refused(err) && there {
				t.Fatalf("change %d is there: %v; its answer was: %v", n+1, there, err)
			}
			if there {
				n++
				stored += size
			}
			r := record(t, s, token, "a")
			if now := r != nil && r.Number == n; n > 0 && !now {
				t.Fatalf("after the answer to change %d there is %s", n, show(r))
			}
		}
	}
}

// watch: what is stored is told, the changes of a key in their order.
func watch(t *testing.T, stores func(bool) state.Store) {
	s, watching := stores(false), stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	all, one, mails := make(chan state.Entry, 100), make(chan state.Entry, 100), make(chan state.Entry, 100)
	var stops []func()
	for _, w := range []struct {
		r state.Range
		c chan state.Entry
	}{
		{state.Range{Place: state.Records, Shard: 7}, all},
		{at(state.Records, token, "a"), one},
		{state.Range{Place: state.Inbox, Shard: 7}, mails},
	} {
		stop, err := watching.Watch(w.r, func(e state.Entry) { w.c <- e })
		if err != nil {
			t.Fatal(err)
		}
		stops = append(stops, stop)
	}
	next := func(c chan state.Entry) state.Entry {
		for patience := time.After(30 * time.Second); ; {
			select {
			case e := <-c:
				if e.Rev > 0 { // else it says that some may be missing
					return e
				}
			case <-patience:
				t.Fatal("no hint")
				return state.Entry{}
			}
		}
	}
	last := state.Rev(0)
	for n := range uint64(5) {
		must(t, s, set(token, "b", n+1, "other"))
		rev := must(t, s, set(token, "a", n+1, fmt.Sprint(n)))
		e := next(one) // each is told, where nothing is behind it yet
		if e.Key != "a" || e.Rev != rev || e.Rev <= last || string(e.Record.State) != fmt.Sprint(n) {
			t.Errorf("told %+v, want change %d at %d", e, n+1, rev)
		}
		last = rev
	}
	for newest := uint64(0); newest < 5; {
		if e := next(all); e.Key == "a" {
			newest = e.Record.Number
		}
	}
	if _, err := s.Append(t.Context(), state.Mail{Shard: 7, Kind: kind, Key: "a", Payload: []byte("hello")}); err != nil {
		t.Fatal(err)
	}
	if e := next(mails); e.Mail == nil || string(e.Mail.Payload) != "hello" || e.Key != "a" {
		t.Errorf("told %+v, want mail for a", e)
	}
	for _, stop := range stops {
		stop()
		stop() // does nothing
	}
	must(t, s, set(token, "a", 6, "unseen"))
	select {
	case e := <-one:
		t.Errorf("told %+v after the end of the watch", e)
	default:
	}
}

func contexts(t *testing.T, stores func(bool) state.Store) {
	s := stores(false)
	token := open(t, s, 7, state.Owner{}, none)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Open(ended, 7, state.Owner{}, none); err == nil || state.Refused(err) {
		t.Errorf("Open with a context that has ended: %v", err)
	}
	if _, _, err := s.Read(ended, token, at(state.Records, token, "a")); err == nil {
		t.Error("a read with a context that has ended succeeds")
	}
	if _, err := s.Append(ended, state.Mail{Shard: 7, Kind: kind, Key: "a"}); err == nil || state.Refused(err) {
		t.Errorf("Append with a context that has ended: %v", err)
	}
}
