package transport

import (
	"context"
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/pool"
)

// maxVia bounds the shards that a call tells of; a longer chain forgets where it
// began.
const maxVia = 16

// lenientAfter is how long a drain admits of other calls only what its own wait
// for. Two shards that drain at one moment may wait for each other: then whatever
// a handler anywhere waits for is admitted.
const lenientAfter = 250 * time.Millisecond

// ViaOf returns the shards whose handlers or hooks wait for a call that is made
// with ctx, the nearest last; nil outside of both. Transports carry it to the
// owner ([Call.SetVia]), so that a shard that drains serves what it waits for.
func ViaOf(ctx context.Context) []uint32 {
	c := CallFrom(ctx)
	if c == nil {
		if shard, ok := ctx.Value(pool.ShardKey{}).(uint32); ok {
			return []uint32{shard}
		}
		return nil
	}
	own := uint32(c.env.Shard)
	via := c.via()
	if slices.Contains(via, own) {
		return via
	}
	return append(slices.Clone(via[max(0, len(via)-maxVia+1):]), own)
}

// SetVia says which shards wait for the call, before it is dispatched.
func (c *Call) SetVia(via []uint32) {
	if len(via) > 0 {
		c.mu.Lock()
		c.rest().via = via
		c.mu.Unlock()
	}
}

func (c *Call) via() []uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.more == nil {
		return nil
	}
	return c.more.via
}

// Needed reports whether a call that is in flight in this shard waits for this
// one: a drain serves it, or it would never end.
func (c *Call) Needed() bool {
	if c.alone {
		return false
	}
	via := c.via()
	return slices.Contains(via, uint32(c.env.Shard)) || len(via) > 0 && c.sub.home().lenient.Load()
}
