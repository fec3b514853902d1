// Ops: changes that wait, go out and are answered

package keeper

import (
	"slices"

	"github.com/clstr-go/clstr/state"
)

// op is a change that was accepted, until it is answered. Thousands may wait, so it holds of the change
// what most changes have, and all of it only if it has more than a record.
type op struct {
	id      uint64
	kind    string
	key     string
	record  *state.Record
	more    *state.Change          // nil: there is nothing but the record
	token   *state.Token           // of its last try, shared with others; nil: it has not been sent
	done    func(state.Rev, error) // the core hands it back, and never calls it
	try     uint64                 // the last time that it went out; 0: never
	out     bool                   // it may be stored now or later
	doubt   bool                   // and the store's answer is lost
	looking bool
}

// commit accepts a change.
func (c *core) commit(change state.Change, done func(state.Rev, error)) {
	o := &op{id: c.number(), kind: change.Kind, key: change.Key, record: change.Record, done: done}
	if change.Parts() > 1 || change.Record == nil || len(change.Drop) > 0 {
		more := change // a pointer to change itself would have each one allocated
		o.more = &more
	}
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
	if c.shared == nil || *c.shared != c.token {
		t := c.token
		c.shared = &t
	}
	o.token = c.shared
	c.do(send{o.id, o.try, o.change()})
}

// change returns the change with the token of its last try.
func (o *op) change() *state.Change {
	c := state.Change{Kind: o.kind, Key: o.key, Record: o.record}
	if o.more != nil {
		c = *o.more
	}
	c.Token = *o.token
	return &c
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
