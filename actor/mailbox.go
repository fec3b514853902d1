// The cell as protoactor's Mailbox

package actor

import pactor "github.com/asynkron/protoactor-go/actor"

var _ pactor.Mailbox = (*cell)(nil)

// PostUserMessage implements protoactor's Mailbox: mail by process id, from the
// actor itself, its children, timers or other actors of the node.
func (c *cell) PostUserMessage(message any) {
	if batch, ok := pactor.UnwrapEnvelopeMessage(message).(pactor.MessageBatch); ok {
		for _, m := range batch.GetMessages() {
			c.PostUserMessage(m)
		}
	}
	if !isOwn(message) {
		c.used.Store(c.shard.host.clock.Add(1))
	}
	switch c.put(message, c.shard.host.opts.MailboxSize) {
	case wake:
		c.shard.host.system.pool.Go(c)
	case full:
		c.shard.host.refused()
		c.shard.host.deadMail(c, message, "its mailbox is full")
	case stuck:
		c.shard.host.refused()
		c.shard.host.deadMail(c, message, "a hook of its takes too long")
	case gone:
		c.shard.host.deadLetter(c.self(), message)
	}
}

// PostSystemMessage implements protoactor's Mailbox.
func (c *cell) PostSystemMessage(message any) {
	c.mu.Lock()
	c.system = append(c.system, message)
	schedule := c.wake()
	c.mu.Unlock()
	if schedule {
		c.shard.host.system.pool.Go(c)
	}
}

// RegisterHandlers implements protoactor's Mailbox: an incarnation begins. Its
// dispatcher is not used; the pool is.
func (c *cell) RegisterHandlers(invoker pactor.MessageInvoker, _ pactor.Dispatcher) {
	if s, ok := actorOf(invoker).(*shell); ok {
		s.cell = c
	}
	c.spawned = invoker
}

// Start implements protoactor's Mailbox. Started has been posted, so that no
// mail can come before it: only now may the cell run.
func (c *cell) Start() {
	c.mu.Lock()
	c.invoker, c.spawned = c.spawned, nil
	schedule := c.wake()
	c.mu.Unlock()
	if schedule {
		c.shard.host.system.pool.Go(c)
	}
}

// UserMessageCount implements protoactor's Mailbox.
func (c *cell) UserMessageCount() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mail.len()
}

// takeMail empties the queue, for a host that ends, or whose lease has.
func (c *cell) takeMail() []any {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []any
	for m := c.mail.pop(); m != nil; m = c.mail.pop() {
		all = append(all, m)
	}
	return all
}

// takeOthers takes all but what the incarnation has sent to itself. It is called
// with mu held.
func (c *cell) takeOthers() []any {
	return c.mail.take(func(m any) bool { return !isOwn(m) })
}

// wanted drops the messages at the front whose senders have gone, and reports
// whether there are others. It is called on the cell's turn.
func (c *cell) wanted() bool {
	for {
		c.mu.Lock()
		m := c.mail.first
		c.mu.Unlock()
		x, ok := m.(*Context)
		if !ok || !x.abandoned() {
			return m != nil
		}
		c.mu.Lock()
		if c.mail.first == m { // a host that ends may have taken it
			c.mail.pop()
		}
		c.mu.Unlock()
	}
}

// abandoned reports whether nobody waits any more. Start sees to it that a call
// whose time is up is told so.
func (c *Context) abandoned() bool { return c.call.Err() != nil && !c.call.Start(nil) }
