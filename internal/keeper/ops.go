// Ops: changes that wait, go out and are answered

package keeper

import (
	"fmt"
	"slices"
	"time"

	"github.com/clstr-go/clstr/state"
)

// op is a change that was accepted, until it is answered. Thousands may wait, so it holds of the change
// what most changes have, and all of it only if there is more.
type op struct {
	kind, key string
	state     []byte
	number    uint64
	ttl       time.Duration
	more      *state.Change          // nil: there is nothing but what is here
	token     *state.Token           // of its last try, shared with others; nil: it has not been sent
	done      func(state.Rev, error) // the core hands it back, and never calls it
	try       uint64                 // the last time that it went out; 0: never
	version   int32
	form      form
	out       bool // it may be stored now or later
	doubt     bool // and the store's answer is lost
	looking   bool

	before, after *op // in ops
}

// form is how the state of a record is encoded.
type form uint8

const (
	asJSON form = iota
	asProtobuf
	deleted
)

var types = [...]string{asJSON: "json", asProtobuf: "protobuf", deleted: ""}

// opOf makes an op of a change.
func opOf(c *state.Change, done func(state.Rev, error)) *op {
	o := &op{kind: c.Kind, key: c.Key, done: done}
	if r := c.Record; r != nil {
		o.state, o.number, o.ttl, o.version = r.State, r.Number, r.TTL, int32(r.Version)
		switch {
		case r.Deleted:
			o.form = deleted
		case r.Type == types[asProtobuf]:
			o.form = asProtobuf
		}
		if c.Parts() == 1 && len(c.Drop) == 0 && r.Type == types[o.form] && r.Version == int(o.version) && r.Epoch == 0 &&
			len(r.Commands) == 0 && r.Spilled.IsZero() && r.Mailed == 0 && r.Taken == 0 && r.Failing == nil {
			return o
		}
	}
	all := *c
	o.more = &all
	return o
}

// change returns the change with the token of its last try.
func (o *op) change() *state.Change {
	var c state.Change
	if o.more != nil {
		c = *o.more
	} else {
		c = state.Change{Kind: o.kind, Key: o.key, Record: &state.Record{
			Number: o.number, Version: int(o.version), Type: types[o.form], Deleted: o.form == deleted, TTL: o.ttl, State: o.state,
		}}
	}
	c.Token = *o.token
	return &c
}

// ops are changes in the order in which they came.
type ops struct {
	first, last *op
	n           int
}

func (os *ops) add(o *op) {
	if o.before = os.last; o.before == nil {
		os.first = o
	} else {
		o.before.after = o
	}
	os.last = o
	os.n++
}

func (os *ops) remove(o *op) {
	if o.before == nil {
		os.first = o.after
	} else {
		o.before.after = o.after
	}
	if o.after == nil {
		os.last = o.before
	} else {
		o.after.before = o.before
	}
	os.n--
	o.before, o.after = nil, nil
}

// list returns all of them.
func (os *ops) list() []*op {
	all := make([]*op, 0, os.n)
	for o := os.first; o != nil; o = o.after {
		all = append(all, o)
	}
	return all
}

// commit accepts a change.
func (c *core) commit(change state.Change, done func(state.Rev, error)) {
	o := opOf(&change, done)
	c.ops.add(o)
	switch c.status {
	case open:
		c.goesOut(o)
		change.Token = *o.token
		c.do(send{o, o.try, &change})
	case lost:
		c.answer(o, 0, state.ErrDeposed)
	default:
		c.held = append(c.held, o)
	}
}

// send sends a change that was held.
func (c *core) send(o *op) {
	c.goesOut(o)
	c.do(send{o, o.try, o.change()})
}

func (c *core) goesOut(o *op) {
	o.try, o.out, o.doubt = c.number(), true, false
	if c.shared == nil || *c.shared != c.token {
		t := c.token
		c.shared = &t
	}
	o.token = c.shared
}

// answer ends a change.
func (c *core) answer(o *op, rev state.Rev, err error) {
	c.ended(o)
	if c.cause == o {
		if c.cause = nil; c.status == open { // the next doubt is the first again
			c.paces = 0
		}
	}
	o.out = false
	c.ops.remove(o)
	c.given.ended(o, err)
	c.do(answer{o.done, rev, err})
}

// hold puts a change that is surely not stored back into the line, before those that never went out.
func (c *core) hold(o *op) {
	c.ended(o)
	o.out = false
	c.held = slices.Insert(c.held, 0, o)
}

// ended gives up a look whose result no longer matters.
func (c *core) ended(o *op) {
	if o.looking {
		o.looking = false
		c.looks--
	}
}

// giveUp answers a change that is not stored and never will be.
func (c *core) giveUp(o *op) {
	t, g := c.given.tries[o], &c.given
	if g.keys == nil || len(g.keys) >= mostGivenUp {
		g.keys = map[[2]string]struct{}{}
	}
	g.keys[[2]string{o.kind, o.key}] = struct{}{}
	err := fmt.Errorf("%w: it has failed with each of %d tries: %v", state.ErrRejected, t.n, t.last)
	c.do(poison{o.kind, o.key, err})
	c.answer(o, 0, err)
}
