// Which turn runs, and calls that would wait for it in a circle

package actor

import "github.com/clstr-go/clstr/internal/turn"

type (
	// Turn is one run of a key's code, a message's or a hook's, that waits for a call,
	// with those that wait for it in turn.
	Turn = turn.Turn
	// Place is where a message stands in line.
	Place = turn.Place
	// Role says what a turn is.
	Role = turn.Role
)

// The roles of the turns of keys.
const (
	KeyTurn    = turn.Key    // a message's, or that of a hook other than a stop hook
	StopTurn   = turn.Stop   // a stop hook's
	EndingTurn = turn.Ending // a stop hook's whose shard ends: what it asks is served
	LastTurn   = turn.Last   // the same of a key that such a hook has woken: it wakes none
)

var _ Place = (*cell)(nil)

// Running implements Place.
func (c *cell) Running() *Turn {
	c.mu.Lock()
	now := c.now
	c.mu.Unlock()
	if now == nil {
		return nil
	}
	return now.call.Turn()
}

// hook returns the hook that runs; nil if none does. It is called with mu held.
func (c *cell) hook() *hook {
	if c.now == nil {
		return nil
	}
	h, _ := c.now.call.(*hook)
	return h
}

// hookLate reports whether the turn that runs is a hook past its limit. It is called
// with mu held.
func (c *cell) hookLate() bool {
	h := c.hook()
	return h != nil && h.late
}

// closesCircle returns an error if the turn that runs waits for m: then m would wait
// for itself.
func (c *cell) closesCircle(m *Context) error {
	line := m.call.Waiting()
	if line == nil {
		return nil
	}
	now := c.Running()
	if now == nil || line.Find(now.Number) == nil {
		return nil
	}
	return failure(ErrCircle, nil, "%s", line.Circle(now.Number))
}

// Turn implements Call.
func (h *hook) Turn() *Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	return h.turn
}

// Asks implements turn.Maker.
func (h *hook) Asks() *Turn {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return nil
	}
	if h.turn == nil {
		c := h.own.cell
		role := KeyTurn
		if h.what == passivation {
			role = c.stopRole()
		}
		h.turn = turn.New(c.shard.id, role, c.shard.host.opts.Kind, c.key, h.by)
		if role == KeyTurn && c.shard.ends() {
			h.turn.ShardEnds()
		}
	}
	return h.turn
}
