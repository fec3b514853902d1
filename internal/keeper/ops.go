// Ops: changes that wait, go out and are answered

package keeper

import (
	"slices"

	"github.com/clstr-go/clstr/state"
)

// op is a change that was accepted, until it is answered.
type op struct {
	id      uint64
	change  *state.Change          // with the token of its last try; never written
	done    func(state.Rev, error) // the core hands it back, and never calls it
	try     uint64                 // the last time that it went out; 0: never
	out     bool                   // it may be stored now or later
	doubt   bool                   // and the store's answer is lost
	looking bool
}

// commit accepts a change.
func (c *core) commit(change state.Change, done func(state.Rev, error)) {
	change.Token = c.token
	o := &op{id: c.number(), change: &change, done: done}
	c.ops[o.id] = o
	switch c.status {
	case open:
		c.send(o)
	case lost:
		c.answer(o, 0, state.ErrDeposed)
	default:
		c.held = append(c.held, o)
	}
}

func (c *core) send(o *op) {
	o.try, o.out, o.doubt = c.number(), true, false
	if o.change.Token != c.token {
		again := *o.change
		again.Token, o.change = c.token, &again
	}
	c.do(send{o.id, o.try, o.change})
}

func (c *core) answer(o *op, rev state.Rev, err error) {
	delete(c.ops, o.id)
	c.do(answer{o.done, rev, err})
}

// hold puts a change that is surely not stored back into the line, before those that never went out.
func (c *core) hold(o *op) {
	o.out = false
	c.held = slices.Insert(c.held, 0, o)
}
