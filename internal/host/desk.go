// The mailbox of a shard's supervisor, whose turn is taken at once to spawn a key

package host

import (
	"sync"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// desk is the mailbox of a shard's supervisor. If the supervisor has nothing to do, the goroutine that brings the
// first message of a new key takes the supervisor's turn and spawns the key. That turn waits for nothing, and runs
// no actor's code. All other turns have a goroutine, as with protoactor's own mailbox, because they may wait: an
// application can listen to protoactor's events.
type desk struct {
	invoker pactor.MessageInvoker

	mu        sync.Mutex
	taken     bool // a goroutine has the turn
	suspended bool
	system    []any // protoactor's own messages; they go first
	mail      []any
}

var _ pactor.Mailbox = (*desk)(nil)

// spawn has an incarnation of a new key made. It does not wait.
func (d *desk) spawn(c *cell) {
	d.mu.Lock()
	if d.taken || d.suspended {
		d.mail = append(d.mail, c)
		d.mu.Unlock()
		return
	}
	d.taken = true // nothing stands in line: then a goroutine would have the turn
	d.mu.Unlock()
	defer d.leave() // also where a listener of protoactor's events ends this goroutine
	d.handle(c, false)
}

// leave ends a turn of spawn.
func (d *desk) leave() {
	d.mu.Lock()
	d.taken = false
	d.wake()
}

// PostUserMessage implements protoactor's Mailbox.
func (d *desk) PostUserMessage(message any) {
	d.mu.Lock()
	d.mail = append(d.mail, message)
	d.wake()
}

// PostSystemMessage implements protoactor's Mailbox.
func (d *desk) PostSystemMessage(message any) {
	d.mu.Lock()
	d.system = append(d.system, message)
	d.wake()
}

// wake starts a goroutine if there is something to do and no goroutine has the turn. It is called with mu held,
// and lets go of mu.
func (d *desk) wake() {
	starts := !d.taken && (len(d.system) > 0 || len(d.mail) > 0 && !d.suspended)
	d.taken = d.taken || starts
	d.mu.Unlock()
	if starts {
		go d.work() // ends when nothing waits
	}
}

// work handles what waits.
func (d *desk) work() {
	over := false
	defer func() {
		if !over { // a listener of protoactor's events has ended this goroutine: another one goes on
			go d.work()
		}
	}()
	for m, system, ok := d.next(); ok; m, system, ok = d.next() {
		d.handle(m, system)
	}
	over = true
}

// next takes the message of the next turn. Without one it ends the turns.
func (d *desk) next() (m any, system, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for len(d.system) > 0 {
		m, d.system = shift(d.system)
		switch m.(type) {
		case *pactor.SuspendMailbox:
			d.suspended = true
		case *pactor.ResumeMailbox:
			d.suspended = false
		default:
			return m, true, true
		}
	}
	if len(d.mail) > 0 && !d.suspended {
		m, d.mail = shift(d.mail)
		return m, false, true
	}
	d.taken = false
	return nil, false, false
}

// shift takes the first message out of a queue, and returns what is left.
func shift(queue []any) (m any, rest []any) {
	m, queue[0] = queue[0], nil
	if len(queue) == 1 {
		return m, nil
	}
	return m, queue[1:]
}

// handle is one turn. A panic goes to the supervisor's own supervisor, as with protoactor's mailbox.
func (d *desk) handle(m any, system bool) {
	defer func() {
		if reason := recover(); reason != nil {
			d.invoker.EscalateFailure(reason, m)
		}
	}()
	if system {
		d.invoker.InvokeSystemMessage(m)
	} else {
		d.invoker.InvokeUserMessage(m)
	}
}

// RegisterHandlers implements protoactor's Mailbox. The dispatcher is not used.
func (d *desk) RegisterHandlers(invoker pactor.MessageInvoker, _ pactor.Dispatcher) {
	d.invoker = invoker
}

// Start implements protoactor's Mailbox.
func (d *desk) Start() {}

// UserMessageCount implements protoactor's Mailbox.
func (d *desk) UserMessageCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.mail)
}
