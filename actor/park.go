// Mail by process id that waits for the node's lease

package actor

import (
	"sync"
	"time"
)

// parkedLook is how often a shard whose keys have mail that waits for the node's
// lease looks whether it is back.
const parkedLook = 100 * time.Millisecond

// parking is the cells of a shard whose mail by process id waits for the lease.
// A call is asked for at its gate when its turn comes; such mail has no gate: the
// host asks Lapsed, and parks the cell. The mail stays as it is, in its order.
// Calls do not stay: those behind the mail are refused, which is what their gates
// would do, and at once, so that their senders find the next owner. They are not
// asked to start, since a lease that comes back meanwhile would let them pass the
// mail. A parked cell runs protoactor's own messages, and so it can stop. Parked
// cells share one timer, which is set only while there are such.
type parking struct {
	shard *shard

	mu    sync.Mutex
	timer *time.Timer
	cells []*cell
	ended bool
}

// parks reports whether m must wait for the lease. A ticker asks for itself.
func (s *shard) parks(m any) bool {
	switch m.(type) {
	case nil, *Context, *ticker:
		return false
	}
	return s.lapsed()
}

// lapse is what a cell's next turn is when its mail must wait for the lease.
var lapse any = new(byte)

// park lets go of the pool, unless there is something to run after all.
func (c *cell) park() bool {
	s := c.shard
	c.mu.Lock()
	if len(c.system) > 0 || !s.parks(c.mail.first) {
		c.mu.Unlock()
		return false
	}
	c.flags = c.flags&^(scheduled|working) | parked
	calls := c.mail.take(isCall)
	c.mu.Unlock()
	s.parking.add(c)
	s.refuseAll(c, calls, ErrLapsed)
	return true
}

// unpark returns true if the cell must be handed to the pool.
func (c *cell) unpark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flags &^= parked
	return c.wake()
}

func (p *parking) add(c *cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.cells = append(p.cells, c)
	switch {
	case len(p.cells) > 1:
	case p.timer == nil:
		p.timer = time.AfterFunc(parkedLook, p.look)
	default:
		p.timer.Reset(parkedLook)
	}
}

// look is called by the timer.
func (p *parking) look() {
	lapsed := p.shard.lapsed()
	p.mu.Lock()
	if lapsed {
		if !p.ended {
			p.timer.Reset(parkedLook)
		}
		p.mu.Unlock()
		return
	}
	cells := p.cells
	p.cells = nil
	p.mu.Unlock()
	for _, c := range cells {
		if c.unpark() {
			p.shard.host.system.pool.Go(c)
		}
	}
}

// end is called when the shard ends, and with it its cells.
func (p *parking) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended, p.cells = true, nil
	if p.timer != nil {
		p.timer.Stop()
	}
}

func isCall(m any) bool { _, ok := m.(*Context); return ok }
