package natsstate_test

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/clstr-go/clstr/internal/natstest"
	"github.com/clstr-go/clstr/internal/watchtest"
	"github.com/clstr-go/clstr/state"
	"github.com/clstr-go/clstr/state/natsstate"
	"github.com/clstr-go/clstr/testkit"
)

// Watches that have the permissions of one kind only, on a store that a client has opened.
func TestWatch(t *testing.T) {
	testkit.CheckLeaks(t)
	watchtest.Run(t, watchtest.Harness{New: func(t *testing.T) (node, watcher func() state.Store) {
		url := natstest.Serve(t, server.Options{Users: users()}).URL()
		return func() state.Store { return open(t, natsstate.Options{URL: as("node", url)}) },
			func() state.Store { return client(t, "bob", url, refuseNothing(t)) }
	}})
}

// Of three servers each has the watches of its own connections, and hears of states from the leader.
func TestWatchOfReplicas(t *testing.T) {
	testkit.CheckLeaks(t)
	url, places := natstest.ServeThree(t), 0
	watchtest.Run(t, watchtest.Harness{New: func(t *testing.T) (node, watcher func() state.Store) {
		places++
		o := natsstate.Options{URL: url, Prefix: fmt.Sprint("p", places)}
		c := o
		c.Client = true
		return func() state.Store { return open(t, o) }, func() state.Store { return open(t, c) }
	}})
}

// A watch goes on through the restarts of its server: what was stored meanwhile is told at once,
// and not after half a minute.
func TestWatchThroughRestarts(t *testing.T) {
	testkit.CheckLeaks(t)
	srv := natstest.Serve(t, server.Options{})
	back := make(chan struct{}, 8)
	fast := []nats.Option{nats.ReconnectWait(1), nats.ReconnectJitter(0, 0)}
	node := open(t, natsstate.Options{URL: srv.URL(), NATSOptions: append(fast, nats.ReconnectHandler(func(*nats.Conn) { back <- struct{}{} }))})
	watcher := open(t, natsstate.Options{URL: srv.URL(), Client: true, NATSOptions: fast})
	l := watchtest.Watch(t, watchtest.NewClient(t, watcher, 1).Kind("account").Key("a"))
	l.WantNone(0)
	for n := range 4 {
		o := watchtest.Own(t, node, 0, uint64(n)+1)
		l.Want(o.Set("a", 2*n), 2*n)
		srv.Restart()
		<-back
		o = watchtest.Own(t, node, 0, uint64(n)+1)
		rev := o.Set("a", 2*n+1)
		l.Want(rev, 2*n+1)
	}
}
