package coordinator

import (
	"context"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/clstr-go/clstr/internal/sparse"
	"github.com/clstr-go/clstr/membership"
)

// guest is a member's store whose code does something else, in one of its methods or in all, while it is bad.
type guest struct {
	membership.Store
	in     string // a method; "" is all
	after  bool
	bad    atomic.Bool
	called atomic.Int64
	does   func()
}

func (g *guest) turn(method string, after bool) {
	if (g.in == method || g.in == "") && g.after == after && g.bad.Load() {
		g.called.Add(1)
		g.does()
	}
}

func (g *guest) Write(ctx context.Context, key string, rev uint64, value []byte) (uint64, error) {
	g.turn("Write", false)
	defer g.turn("Write", true)
	return g.Store.Write(ctx, key, rev, value)
}

func (g *guest) Read(ctx context.Context, key string) (membership.Entry, error) {
	g.turn("Read", false)
	defer g.turn("Read", true)
	return g.Store.Read(ctx, key)
}

func (g *guest) Snapshot(ctx context.Context, prefix string) ([]membership.Entry, uint64, error) {
	g.turn("Snapshot", false)
	defer g.turn("Snapshot", true)
	return g.Store.Snapshot(ctx, prefix)
}

func (g *guest) Watch(f func(membership.Entry)) (func(), error) {
	g.turn("Watch", false)
	stop, err := g.Store.Watch(f)
	return func() {
		stop()
		g.turn("Watch", true)
	}, err
}

// Reconnect makes it a store that is reached through a server.
func (g *guest) Reconnect() { g.turn("Reconnect", false) }

// eachGuest runs a test with a node whose store does not return, in each way that there is. free lets go of what has blocked.
func eachGuest(t *testing.T, test func(t *testing.T, cl *cluster, m *member, g *guest, free func())) {
	for _, in := range []string{"Write", "Read", "Snapshot", "Watch", ""} {
		for _, what := range []string{"panic", "Goexit", "block"} {
			for _, after := range []bool{false, true} {
				t.Run(what+" in "+in+map[bool]string{true: ", after"}[after], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						cl := newCluster(t)
						m, over := cl.member("a"), make(chan struct{})
						g := &guest{Store: m.store, in: in, after: after, does: map[string]func(){
							"panic": func() { panic("boom") }, "Goexit": runtime.Goexit, "block": func() { <-over },
						}[what]}
						m.store = g
						test(t, cl, m, g, func() { close(over) })
					})
				})
			}
		}
	}
}

// TestStoreWhoseCodeDoesNotReturn: a node whose store panics, ends the goroutine or blocks for ever is as one that does not
// reach its store. Once the store is in order it serves, and it leaves as others do.
func TestStoreWhoseCodeDoesNotReturn(t *testing.T) {
	eachGuest(t, func(t *testing.T, cl *cluster, m *member, g *guest, free func()) {
		b := cl.start("b")
		time.Sleep(5 * time.Second)
		g.bad.Store(true) // from its start
		cl.run(m, m, 0)
		time.Sleep(20 * time.Second)
		g.bad.Store(false)
		time.Sleep(40 * time.Second)
		cl.wantOwners("a", "b")
		g.bad.Store(true) // in the middle of its life
		time.Sleep(20 * time.Second)
		if asked := g.called.Load(); asked == 0 && g.in != "Watch" && g.in != "Read" {
			t.Error("the store was not asked")
		}
		g.bad.Store(false)
		time.Sleep(40 * time.Second)
		cl.wantOwners("a", "b")
		free()
		end(m, b)
	})
}

// TestEndWithAStoreThatDoesNotReturn: the node ends all the same, when it leaves and before it has joined.
func TestEndWithAStoreThatDoesNotReturn(t *testing.T) {
	for _, joined := range []bool{true, false} {
		eachGuest(t, func(t *testing.T, cl *cluster, m *member, g *guest, free func()) {
			g.bad.Store(!joined)
			cl.run(m, m, 0)
			time.Sleep(10 * time.Second)
			g.bad.Store(true)
			began := time.Now()
			m.stop()
			<-m.ended // with what could not be done in time
			if took := time.Since(began); took > 65*time.Second {
				t.Errorf("joined %v: the end took %v", joined, took)
			}
			free()
		})
	}
}

// lateWatch is a store whose Watch returns when it may, and counts what is watched.
type lateWatch struct {
	membership.Store
	may     chan struct{}
	watched atomic.Int64
}

func (l *lateWatch) Watch(func(membership.Entry)) (func(), error) {
	l.watched.Add(1)
	<-l.may
	return func() { l.watched.Add(-1) }, nil
}

// TestWatchThatComesLate: a watch ends, whether it begins in time, when its user has just left, or when it is given up.
func TestWatchThatComesLate(t *testing.T) {
	for _, late := range []time.Duration{0, time.Second, sparse.Patience - 1, sparse.Patience + time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			l := &lateWatch{may: make(chan struct{})}
			time.AfterFunc(late, func() { close(l.may) })
			_ = members{inner: l, log: slog.New(slog.DiscardHandler)}.watch(ctx, nil)
			time.Sleep(2 * time.Hour)
			if n := l.watched.Load(); n != 0 {
				t.Errorf("after %v: %d watches have not ended", late, n)
			}
		})
	}
}
