// The suite of cluster.Watch

// Package watchtest is what cluster.Watch keeps on every store of state. Stores run it in their
// own tests; tests of package cluster have what a store may do wrong.
package watchtest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/sharding"
	"github.com/clstr-go/clstr/state"
)

// Harness is what the suite must know of a store.
type Harness struct {
	// New makes a new, empty place, and returns what opens a store on it for a node, and one for a
	// client that watches. What stores need to end, it leaves to t.Cleanup.
	New func(t *testing.T) (node, client func() state.Store)
}

// Run tests Watch on the stores of a harness.
func Run(t *testing.T, h Harness) {
	for name, f := range map[string]func(*testing.T, *place){
		"Each":       each,
		"None":       none,
		"Ends":       ends,
		"Unreadable": unreadable,
		"TakenOver":  takenOver,
		"Many":       many,
		"Closed":     closed,
	} {
		t.Run(name, func(t *testing.T) {
			p := &place{t: t, layout: sharding.Layout{NumShards: 4}, owners: map[uint32]*Owner{}}
			p.node, p.client = h.New(t)
			p.owner("a") // a node that has made what the store needs
			f(t, p)
		})
	}
}

// place is where a test's states are stored.
type place struct {
	t            *testing.T
	layout       sharding.Layout
	node, client func() state.Store
	writes       state.Store
	reads        state.Store
	owners       map[uint32]*Owner
}

// owner opens the shard of a key for the node of the test.
func (p *place) owner(key string) *Owner {
	if p.writes == nil {
		p.writes = p.node()
	}
	shard := p.layout.Shard(key)
	if p.owners[shard] == nil {
		p.owners[shard] = Own(p.t, p.writes, shard, 1)
	}
	return p.owners[shard]
}

// watch starts a watch of a key.
func (p *place) watch(key string) *Loop {
	if p.reads == nil {
		p.reads = p.client()
	}
	return Watch(p.t, NewClient(p.t, p.reads, p.layout.NumShards).Kind(kind).Key(key))
}

// each: with a loop that keeps up, every state comes, that at the beginning first.
func each(t *testing.T, p *place) {
	o := p.owner("a")
	o.Set("a", 1)
	rev := o.Set("a", 2)
	l := p.watch("a")
	l.Want(rev, 2)
	p.owner("b").Set("b", 1000)
	for n := 3; n < 20; n++ {
		l.Want(o.Set("a", n), n)
	}
	p.watch("a").Want(l.last, 19)
}

// none: a key without a state is told as such, before its first state and after its last.
func none(t *testing.T, p *place) {
	o, l := p.owner("a"), p.watch("a")
	l.WantNone(0)
	l.Want(o.Set("a", 1), 1)
	deleted := state.Record{Deleted: true, TTL: time.Hour}
	l.WantNone(o.Put("a", deleted))
	o.Put("a", deleted) // a turn of a key that stays deleted is no news
	l.Want(o.Set("a", 2), 2)
	rev := o.Put("a", deleted)
	l.WantNone(rev)
	p.watch("a").WantNone(rev)
}

// ends: a state whose TTL has passed is told as deleted, also to a watch that began before.
func ends(t *testing.T, p *place) {
	o, l := p.owner("a"), p.watch("a")
	l.WantNone(0)
	rev := o.Put("a", state.Record{TTL: time.Second, State: []byte(`{"Balance":1}`)})
	l.Want(rev, 1)
	late := p.watch("a")
	late.Want(rev, 1)
	l.WantNone(rev)
	late.WantNone(rev)
	next := o.Set("a", 2)
	l.Want(next, 2)
	late.Want(next, 2)
}

// unreadable: what does not decode is named, and the watch goes on.
func unreadable(t *testing.T, p *place) {
	o := p.owner("a")
	bad := func(l *Loop, rev state.Rev) {
		t.Helper()
		told := l.Next()
		if !errors.Is(told.Err, state.ErrUnreadable) || told.Rev != rev || told.Deleted {
			t.Errorf("told %+v, want that revision %d is unreadable", told, rev)
		} else if text := told.Err.Error(); !strings.Contains(text, `"account" key "a"`) || !strings.Contains(text, fmt.Sprint("revision ", rev)) || strings.Contains(text, "secret") {
			t.Errorf("the error is %q", text)
		}
	}
	rev := o.Put("a", state.Record{State: []byte(`{"Balance":"secret"}`)})
	l := p.watch("a")
	bad(l, rev)
	l.Want(o.Set("a", 1), 1)
	bad(l, o.Put("a", state.Record{State: []byte("secret")}))
	bad(l, o.Put("a", state.Record{Type: "protobuf", State: []byte(`{"Balance":1}`)}))
	l.Want(o.Set("a", 2), 2)
}

// takenOver: it is all the same to a watch which node stores.
func takenOver(t *testing.T, p *place) {
	l := p.watch("a")
	l.WantNone(0)
	for epoch := range 5 {
		o := Own(t, p.node(), p.layout.Shard("a"), uint64(epoch)+2)
		o.n = uint64(epoch) * 10
		l.Want(o.Set("a", epoch), epoch)
	}
}

// many: watches that are slow, end or begin miss what lies between, and see the newest.
func many(t *testing.T, p *place) {
	const changes = 100
	var all sync.WaitGroup
	slow := make(chan struct{})
	for i := range 6 {
		key := fmt.Sprint("k", i%3)
		p.owner(key)
		l := p.watch(key)
		all.Go(func() {
			for n := -1; n < changes-1; {
				told := l.Next()
				if told.Err != nil || !told.Deleted && told.State.Balance <= n {
					t.Errorf("%s: told %+v after %d", key, told, n)
				}
				if !told.Deleted {
					n = told.State.Balance
				}
				if i < 3 {
					<-slow
				}
			}
		})
	}
	for n := range changes {
		for i := range 3 {
			key := fmt.Sprint("k", i)
			p.owner(key).Set(key, n)
			select {
			case slow <- struct{}{}:
			default:
			}
		}
	}
	close(slow)
	all.Wait()
}

// closed: a store that is closed ends its watches, with an error.
func closed(t *testing.T, p *place) {
	store := p.client()
	c, ok := store.(interface{ Close() error })
	if !ok {
		return // it has no end
	}
	l := Watch(t, NewClient(t, store, p.layout.NumShards).Kind(kind).Key("a"))
	l.WantNone(0)
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := l.WantEnd(); !errors.Is(err, state.ErrClosed) {
		t.Errorf("the loop ends with %v", err)
	}
}
