// Which calls a draining shard waits for, and therefore serves

package dispatch

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/clstr-go/clstr/internal/standing"
	"github.com/clstr-go/clstr/internal/turn"
)

// needs are the turns of other shards that the turns of a dispatcher's draining shards wait for,
// directly or by way of others. A call that one of these turns waits for is admitted. Otherwise a
// drain would wait for a call that it refuses, because
// two shards that drain at the same moment may wait for each other.
type needs struct {
	mu     sync.Mutex
	drains map[uint32]*Sub // shards that have refused what may be needed
	busy   bool
	last   time.Time
	found  map[uint64]*found
}

// learnPause is the least time between two searches for what drains wait for.
const learnPause = 10 * time.Millisecond

// drainReach is how far these searches go: a call in line behind chains of requests is far away.
var drainReach = reach{turns: 4096, hops: 64, drains: true}

// Needed reports whether a call in flight in this shard waits for this one. A
// drain serves such a call, or the drain would never end. Needed does not believe the turns that
// the call names. It is true if such a turn runs here and waits now, or if a
// turn of the shard was found to wait for such a turn of another shard. If that is not
// known yet, a search begins, and a later try of the call is admitted. A call for which a stop hook
// of an ending shard waits is needed in every shard. A call for which any turn of an ending shard
// waits is needed in the shards that end together with it ([Lifetime.EndTogether]).
func (c *turns) Needed() bool {
	line := c.by
	if line == nil {
		return false
	}
	shard := uint32(c.env.Shard)
	if role := c.StopHook(); role == turn.Ending || role == turn.Last || c.waitsAtTheEnd() {
		return true
	}
	if line.OfShards(func(s uint32) bool { return s == shard }) {
		return true
	}
	n := &c.sub.d.asking.needs
	if n.has(line) {
		return true
	}
	n.learn(shard, c.sub)
	return false
}

func (n *needs) has(line *Turn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	for t := range line.Line() {
		if n.found[t.Number] != nil {
			return true
		}
	}
	return false
}

// learn begins to search for what is needed.
func (n *needs) learn(shard uint32, s *Sub) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drains[shard] = s
	if now := time.Now(); !n.busy && now.Sub(n.last) >= learnPause {
		n.last = now
		n.busy = s.d.asking.begin(n.search)
	}
}

func (n *needs) search(ctx context.Context) {
	n.mu.Lock()
	var a *asking
	for shard, s := range n.drains {
		if s.standing.Phase() == standing.Draining {
			a = s.d.asking
		} else {
			delete(n.drains, shard)
		}
	}
	drains := maps.Clone(n.drains)
	n.mu.Unlock()
	var all map[uint64]*found
	if a != nil {
		first := turn.Of(func(shard uint32) bool { return drains[shard] != nil }, drainReach.turns)
		all = a.search(ctx, here(first), drainReach, func(*found) bool { return false })
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found, n.busy = all, false
}

// StopHook returns the role of the stop hook of this process that waits for the
// call, or has waited until the call was accepted; turn.Key if there is none. It is turn.Stop if
// the hook's shard does not end yet. Requests from the handler of such a notification count as the
// hook's too.
func (c *turns) StopHook() turn.Role {
	role, _ := c.stopHook()
	return role
}

func (c *turns) stopHook() (role turn.Role, past int) {
	return c.by.StopHook(uint32(c.env.Shard))
}

// serve makes a notification remember the stop hook that has sent it, because the hook may be over
// when the notification's turn comes.
func (c *turns) serve(from *Call) {
	role, past := c.stopHook()
	if role == turn.Key && from != nil {
		role, past = from.stopHook()
	}
	if role != turn.Key {
		c.by = c.by.After(role, past)
	}
}

// waitsAtTheEnd reports whether a turn of a shard that ends with the call's waits for it.
func (c *turns) waitsAtTheEnd() bool {
	all := c.sub.life.Together()
	return all.Has(uint32(c.env.Shard)) && c.by.OfShards(all.Has)
}

// endsTogether reports whether the call's shard ends with others, and no node takes it.
func (c *turns) endsTogether() bool {
	return c.sub != nil && c.sub.life.Together().Has(uint32(c.env.Shard))
}

// AtAnEnd reports whether ctx is that of a stop hook, of a handler that runs for one while
// shards end, or of any handler whose shard ends with all shards of its node. The messages that they
// send must not arrive later.
func AtAnEnd(ctx context.Context) bool {
	if c := lend(ctx); c.Call != nil {
		defer c.giveBack()
		return c.StopHook() != turn.Key || c.endsTogether()
	}
	m, ok := ctx.Value(turn.MakerKey{}).(turn.Maker)
	if !ok {
		return false
	}
	t := m.Asks()
	return t != nil && t.Stops()
}

// HandsOver reports whether ctx is that of a handler of the given shard, and the shard is being handed over. The hand-off waits
// for the handler, so the handler must not wait for the end of the hand-off.
func HandsOver(ctx context.Context, shard uint32) bool {
	c := lend(ctx)
	if c.Call == nil {
		return false
	}
	defer c.giveBack()
	return c.sub != nil && uint32(c.env.Shard) == shard && c.sub.standing.Asks()
}
