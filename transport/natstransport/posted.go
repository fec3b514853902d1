// The calls of posted notifications, which are used again, and their deadlines

package natstransport

import (
	"sync"

	"github.com/clstr-go/clstr/internal/dispatch"
	"github.com/clstr-go/clstr/internal/expiry"
)

// mostSpare is how many calls that are over are kept.
const mostSpare = 4096

// posted has the calls of posted notifications that are over. Each keeps its entry in the clock. A notification ends long
// before its deadline, so the entry is not moved for each. If the clock comes to a call that has more time, it looks again
// when that time is up.
type posted struct {
	t *Transport

	mu    sync.Mutex // before calls.mu
	spare []*call
}

// call returns a call that ends at a moment.
func (p *posted) call(to *route, told dispatch.Told, o dispatch.Order, moment int64) (c *call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.spare) - 1; n >= 0 {
		c, p.spare = p.spare[n], p.spare[:n]
	} else {
		c = &call{t: p.t}
	}
	c.to, c.told, c.order, c.until = to, told, o, moment
	if c.looks == 0 || moment < c.looks {
		p.lookAt(c)
	}
	return c
}

// lookAt has the clock look at a call when its time is up. It is called with mu held.
func (p *posted) lookAt(c *call) {
	c.looks = c.until
	p.t.clock.Add(&c.node, c, c.until)
}

// give takes back calls that were accepted, when their senders have been told. It leaves alone requests, and what [call.tell] has told.
func (p *posted) give(calls []*call) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range calls {
		switch {
		case c.signal != nil || c.last:
		case len(p.spare) == mostSpare:
			p.t.clock.Remove(&c.node)
		default:
			c.to, c.told, c.id, c.until, c.unknown = nil, nil, 0, 0, 0
			p.spare = append(p.spare, c)
		}
	}
	clear(calls)
}

// leave takes a call that the clock looks at out of those that wait, if its time is up ([calls.leave]).
func (p *posted) leave(c *call) (ok, sent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case c.until == 0: // it has not been used for long: those beside it are a peak's
		for _, s := range p.spare {
			p.t.clock.Remove(&s.node)
		}
		p.spare = nil
		return false, false
	case c.until > expiry.Now():
		p.lookAt(c)
		return false, false
	}
	c.looks = 0 // the clock has it no more. If its acceptance is on its way, it is used again
	return p.t.calls.leave(c)
}
