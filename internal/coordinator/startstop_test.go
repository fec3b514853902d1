package coordinator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/clstr-go/clstr/internal/ownership"
	"github.com/clstr-go/clstr/internal/record"
	"github.com/clstr-go/clstr/internal/startstoptest"
	"github.com/clstr-go/clstr/sharding"
)

// told is a member that says when it serves.
type told struct {
	*member
	once  sync.Once
	ready chan struct{}
}

func (n *told) Settled() { n.once.Do(func() { close(n.ready) }) }

var errNotServed = errors.New("the shard is not served")

func TestStartStop(t *testing.T) {
	startstoptest.Run(t, func(t *testing.T) startstoptest.Service {
		cl := newCluster(t)
		n := &told{member: cl.member("a"), ready: make(chan struct{})}
		c, err := New(Options{
			Self:  ownership.Self{Ref: record.Ref{Name: "a"}, Layout: sharding.Layout{NumShards: shards}},
			Store: n.store, Node: n, Log: slog.New(slog.DiscardHandler), DrainTimeout: time.Second, StopTimeout: 10 * time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		serving := func() (n int) {
			cl.mu.Lock()
			defer cl.mu.Unlock()
			for _, g := range cl.serving {
				if serves(g) {
					n++
				}
			}
			return n
		}
		return startstoptest.Service{
			Run: c.Run, Ready: n.ready,
			Use: func(context.Context) error {
				if serving() == 0 {
					return errNotServed
				}
				return nil
			},
			Refused: func(err error) bool { return err == errNotServed },
			Busy:    serving,
		}
	})
}
