package main

import (
	"errors"
	"sync"
	"time"

	"github.com/clstr-go/clstr/actor"
	"github.com/clstr-go/clstr/cluster"
)

// Add adds N, and Get adds nothing; Value is the reply to both.
type Add struct{ N int64 }

type Get struct{}

type Value struct{ Value int64 }

// ErrOverflow has a code, so that the front knows it, also from another process.
var ErrOverflow = errors.New("the counter would overflow")

func init() { cluster.RegisterError("counter.overflow", ErrOverflow) }

// database stands for one. It is this process's, so that a counter begins anew
// where the process does.
var database sync.Map // key -> int64

// Counter is the entity: one per key, one message at a time.
type Counter struct{ value int64 }

func (c *Counter) Add(_ *actor.Context, m Add) (Value, error) {
	sum := c.value + m.N
	if (m.N > 0) != (sum > c.value) && m.N != 0 {
		return Value{}, ErrOverflow
	}
	c.value = sum
	return Value{sum}, nil
}

func (c *Counter) Get(*actor.Context, Get) (Value, error) { return Value{c.value}, nil }

func (c *Counter) load(ctx *actor.Context) error {
	if v, ok := database.Load(ctx.Key()); ok {
		c.value = v.(int64)
	}
	return nil
}

func (c *Counter) save(ctx *actor.Context) error {
	database.Store(ctx.Key(), c.value)
	return nil
}

var counters = actor.Define("counter", func(string) *Counter { return &Counter{} },
	actor.OnRequest((*Counter).Add),
	actor.OnRequest((*Counter).Get),
	actor.OnActivate((*Counter).load),
	actor.OnPassivate((*Counter).save),
	actor.PassivateAfter(time.Minute),
)
