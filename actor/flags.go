// The flags of a key

package actor

type flag uint16

const (
	scheduled flag = 1 << iota // on the pool, or running
	suspended                  // by protoactor, between a failure and the restart
	stopping                   // an incarnation is on its way out
	leaving                    // stop after the turn that runs
	working                    // the turn that runs is for somebody, or protoactor's
	counted                    // in the host's number of active keys
	dead                       // out of the shard's table
	ends                       // its shard ends, and this incarnation was there when that began
	woken                      // a stop hook has woken it while its shard ends
)

func (c *cell) is(f flag) bool { return c.flags&f != 0 }

func (c *cell) set(f flag) {
	c.mu.Lock()
	c.flags |= f
	c.mu.Unlock()
}

func (c *cell) isSet(f flag) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.is(f)
}

func (c *cell) unset(f flag) {
	c.mu.Lock()
	c.flags &^= f
	c.mu.Unlock()
}
