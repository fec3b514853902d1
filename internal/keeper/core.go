// Core: one shard's fence, and the changes that wait for it; pure

package keeper

import (
	"errors"
	"fmt"

	"github.com/clstr-go/clstr/state"
)

// status is where a shard stands.
//
//	            fence held            answer lost, or refused by the fence
//	opening -----------------> open -------------------------------------> settling
//	   |                         ^                                            |
//	   |                         +----- fence moved, each change in doubt ----+
//	   |                                was there, or goes out again          |
//	   +-------------- deposed, or dropped --> lost <-------------------------+
type status uint8

const (
	opening status = iota
	open
	settling
	lost
)

// core decides for one opening of a shard. It does no I/O, and has neither clock nor
// goroutine: its caller tells it what has happened, and it answers with effects to carry out.
// The next opening of the shard has a core of its own.
type core struct {
	shard  uint32
	owner  state.Owner
	status status
	token  state.Token  // held or, while it settles, the last that was
	shared *state.Token // the same, as changes that were sent have it
	why    error        // the fence could not be moved, and nothing has changed since

	ops   ops
	held  []*op // not under way, in the order in which they go out
	next  uint64
	asked uint64 // the number of the Open that is under way; 0: none
	looks int    // that are under way
	paces int    // tries in a row that failed
	cause *op    // the last change that began a doubt; nil once it is decided
	given givenUp

	effects []effect
}

func newCore(shard uint32, o state.Owner) *core {
	c := &core{shard: shard, owner: o}
	c.fence()
	return c
}

func (c *core) do(e effect) { c.effects = append(c.effects, e) }

// take returns the effects that wait to be carried out.
func (c *core) take() []effect {
	es := c.effects
	c.effects = nil
	return es
}

func (c *core) number() uint64 {
	c.next++
	return c.next
}

// fence asks for the fence, unless that is under way already.
func (c *core) fence() {
	if c.asked == 0 {
		c.asked = c.number()
		c.do(fence{c.asked, c.token})
	}
}

// opened takes the answer to a fence.
func (c *core) opened(id uint64, t state.Token, err error) {
	if id != c.asked || c.status == lost {
		return
	}
	c.asked = 0
	switch {
	case errors.Is(err, state.ErrDeposed):
		c.lose(err)
		return
	case err != nil:
		c.fail(err)
		return
	}
	c.token, c.why = t, nil
	if c.status == opening {
		c.status = open
		c.release()
		return
	}
	for _, o := range c.ops.list() {
		if o.out {
			c.look(o)
		}
	}
	c.settle()
}

// fail waits before the next try.
func (c *core) fail(err error) {
	c.why = err
	c.paces++
	c.do(pause{c.paces})
	c.do(moved{})
}

// again is called after a pause.
func (c *core) again() {
	switch c.status {
	case opening, settling:
		c.fence()
	}
}

func (c *core) look(o *op) {
	if !o.looking { // else under an earlier token: that answer says nothing any more
		o.looking = true
		c.looks++
	}
	c.do(look{o, c.token, o.change()})
}

// settle goes on as soon as nothing is in doubt.
func (c *core) settle() {
	if c.status != settling || c.asked != 0 || c.looks > 0 || c.why != nil {
		return
	}
	c.status = open
	c.release()
}

func (c *core) release() {
	held := c.held
	if c.held = nil; c.cause == nil {
		c.paces = 0
	}
	for _, o := range held {
		if c.given.due(o) { // the fence by which the store has refused it is still this owner's
			c.giveUp(o)
		} else {
			c.send(o)
		}
	}
	c.do(moved{})
}

// doubt moves the fence. After that, a change that was on its way is stored or never will be. If the store takes the fence
// and never the change of a former doubt, doubt waits before it asks again. o is nil after a read.
func (c *core) doubt(o *op, err error) {
	if c.status != open {
		return
	}
	c.status = settling
	if waits := o != nil && c.cause != nil; o != nil {
		if c.cause = o; waits {
			c.fail(inDoubt(fmt.Errorf("a change of kind %q, key %.64q: %w", o.kind, o.key, err)))
			return
		}
	}
	c.fence()
}

// committed takes the answer to a send. An answer to an earlier try is ignored: that try is decided.
func (c *core) committed(o *op, try uint64, rev state.Rev, err error) {
	if o.try != try || !o.out {
		return
	}
	switch {
	case err == nil:
		c.answer(o, rev, nil)
	case errors.Is(err, state.ErrDeposed) && c.status != lost:
		// By another owner, or by this one's own move. A further move tells: see release.
		c.hold(o)
		if *o.token == c.token {
			c.given.failed(o, err)
			c.doubt(o, err)
		}
	case state.Refused(err):
		c.answer(o, 0, err)
	case c.status == lost:
		c.answer(o, 0, inDoubt(err))
	default:
		c.given.failed(o, err)
		o.doubt = true
		c.doubt(o, err)
	}
	c.settle()
}

// looked takes the result of a look: whether the change is stored.
func (c *core) looked(o *op, t state.Token, there bool, rev state.Rev, err error) {
	if !o.looking || t != c.token || c.status != settling {
		return
	}
	c.ended(o)
	switch {
	case errors.Is(err, state.ErrUnreadable): // this key's alone: others go on
		c.answer(o, 0, inDoubt(err))
	case err != nil: // the next move of the fence looks again, and finds out about another owner
		if c.why == nil {
			c.fail(err)
		}
	case there:
		c.answer(o, rev, nil)
	case c.given.due(o):
		c.giveUp(o)
	default:
		c.hold(o)
	}
	c.settle()
}

// suspect is called after the store has refused a read with a token.
func (c *core) suspect(t state.Token) {
	if t == c.token {
		c.doubt(nil, nil)
	}
}

// drop ends the shard because the node says so: another node has it, or nothing may run here any more.
func (c *core) drop() {
	if c.status != lost {
		c.end(state.ErrDeposed)
	}
}

// lose ends the shard because the store says so.
func (c *core) lose(err error) {
	c.end(err)
	c.do(gone{err})
}

func (c *core) end(err error) {
	c.status, c.why, c.asked = lost, err, 0
	for _, o := range c.ops.list() {
		switch {
		case !o.out:
			c.answer(o, 0, err)
		case o.doubt:
			c.answer(o, 0, inDoubt(err))
		}
		// Others wait for the store's answer, which decides them.
	}
	c.held = nil
	c.do(moved{})
}
