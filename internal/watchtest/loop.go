// What the tests of watches are written with: an owner that stores, a loop that is told

package watchtest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/clstr-go/clstr/cluster"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/transport/memtransport"
)

const kind = "account"

// Account is the state that is stored.
type Account struct{ Balance int }

// NewClient makes a client that only watches.
func NewClient(t testing.TB, store state.Store, numShards uint32) *cluster.Client {
	t.Helper()
	tr := memtransport.New(memtransport.Options{})
	t.Cleanup(func() { _ = tr.Close() })
	c, err := cluster.NewClient(cluster.ClientOptions{Transport: tr, NumShards: numShards, State: store})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Owner writes states of accounts.
type Owner struct {
	t     testing.TB
	store state.Store
	token state.Token
	n     uint64
}

// Own opens a shard.
func Own(t testing.TB, s state.Store, shard uint32, epoch uint64) *Owner {
	t.Helper()
	token, err := s.Open(t.Context(), shard, state.Owner{Cluster: "c", Epoch: epoch}, state.Token{})
	if err != nil {
		t.Fatal(err)
	}
	return &Owner{t: t, store: s, token: token}
}

// Set stores a balance.
func (o *Owner) Set(key string, balance int) state.Rev {
	o.t.Helper()
	return o.Put(key, state.Record{Type: "json", State: fmt.Appendf(nil, `{"Balance":%d}`, balance)})
}

// Put stores a record.
func (o *Owner) Put(key string, r state.Record) state.Rev {
	o.t.Helper()
	o.n++
	r.Number, r.Version = o.n, 3
	type result struct {
		rev state.Rev
		err error
	}
	done := make(chan result, 1)
	o.store.Commit(state.Change{Token: o.token, Kind: kind, Key: key, Record: &r}, func(rev state.Rev, err error) { done <- result{rev, err} })
	stored := <-done
	if stored.err != nil {
		o.t.Errorf("storing %s: %v", key, stored.err)
	}
	return stored.rev
}

// Told is what a loop was told.
type Told struct {
	cluster.Change[Account]
	Err error
}

// Loop is a watch in a goroutine of its own, which waits until each of what it is told is taken.
type Loop struct {
	t     testing.TB
	told  chan Told
	ended chan struct{}
	stop  context.CancelFunc
	last  state.Rev
	gone  bool
}

// Watch starts a loop. It ends with the test, or with Stop.
func Watch(t testing.TB, key *cluster.ScopedClient) *Loop {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Loop{t: t, told: make(chan Told), ended: make(chan struct{}), stop: cancel}
	go func() { // ends with Stop
		defer close(l.ended)
		for change, err := range cluster.Watch[Account](ctx, key) {
			select {
			case l.told <- Told{change, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(l.Stop)
	return l
}

// Stop ends the loop, and waits.
func (l *Loop) Stop() {
	l.stop()
	<-l.ended
}

// Next returns what is told next. It checks that nothing goes back.
func (l *Loop) Next() Told {
	l.t.Helper()
	told, ok := l.Within(30 * time.Second)
	if !ok {
		l.t.Fatal("nothing is told")
	}
	return told
}

// Within is Next, unless nothing is told for so long.
func (l *Loop) Within(d time.Duration) (told Told, ok bool) {
	l.t.Helper()
	select {
	case told = <-l.told:
		if told.Rev < l.last || told.Rev == l.last && told.Rev > 0 && !told.Deleted && !l.gone {
			if !errors.Is(told.Err, state.ErrSetBack) {
				l.t.Errorf("told revision %d after %d", told.Rev, l.last)
			}
		}
		l.last, l.gone = told.Rev, told.Deleted
		return told, true
	case <-time.After(d):
		return Told{}, false
	}
}

// Want takes what is told next, and says what it should be.
func (l *Loop) Want(rev state.Rev, balance int) {
	l.t.Helper()
	if told := l.Next(); told.Err != nil || told.Deleted || told.Rev != rev || told.State.Balance != balance || told.Version != 3 {
		l.t.Errorf("told %+v, want %d at revision %d", told, balance, rev)
	}
}

// WantNone is Want of a key without a state.
func (l *Loop) WantNone(rev state.Rev) {
	l.t.Helper()
	if told := l.Next(); told.Err != nil || !told.Deleted || told.Rev != rev || told.State != (Account{}) {
		l.t.Errorf("told %+v, want that there is none at revision %d", told, rev)
	}
}

// WantEnd waits for the end, and returns the error that the loop was told last.
func (l *Loop) WantEnd() (err error) {
	l.t.Helper()
	for {
		select {
		case told := <-l.told:
			err = told.Err
		case <-l.ended:
			return err
		case <-time.After(30 * time.Second):
			l.t.Fatal("the loop does not end")
		}
	}
}
