package testkit_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// counter is the entity of these tests.
type counter struct {
	n     int
	ticks int
	key   string
}

type add struct{ N int }

type sum struct{ N, Ticks int }

type block struct{}

var errNegative = errors.New("must not be negative")

func init() { cluster.RegisterError("testkit_test.negative", errNegative) }

func (c *counter) add(_ *actor.Context, m add) (sum, error) {
	if m.N < 0 {
		return sum{}, errNegative
	}
	c.n += m.N
	return sum{c.n, c.ticks}, nil
}

func (c *counter) tick(*actor.Context) error {
	c.ticks++
	return nil
}

// block waits for the caller's time to run out.
func (c *counter) block(ctx *actor.Context, _ block) (sum, error) {
	<-ctx.Done()
	return sum{}, context.Cause(ctx)
}

var counters = actor.Define("counter", func(key string) *counter { return &counter{key: key} },
	actor.OnRequest((*counter).add),
	actor.OnRequest((*counter).block),
)

// hooks counts what happens to a counter.
type hooks struct {
	activated, passivated atomic.Int64
	failActivation        atomic.Bool
}

var errNoDatabase = errors.New("no database")

// define makes a counter whose hooks are counted.
func (h *hooks) define(options ...actor.Option) *actor.Definition[counter] {
	options = append(options,
		actor.OnRequest((*counter).add),
		actor.OnRequest((*counter).block),
		actor.OnNotify(func(c *counter, ctx *actor.Context, _ sum) error { time.Sleep(time.Minute); c.n = 1000; return nil }),
		actor.OnActivate(func(*counter, *actor.Context) error {
			if h.failActivation.Load() {
				return errNoDatabase
			}
			h.activated.Add(1)
			return nil
		}),
		actor.OnPassivate(func(*counter, *actor.Context) error {
			time.Sleep(time.Second) // a slow flush, in virtual time
			h.passivated.Add(1)
			return nil
		}),
	)
	return actor.Define("counter", func(key string) *counter { return &counter{key: key} }, options...)
}
