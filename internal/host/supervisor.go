// The supervisor of a shard's keys: spawns, and hears of ends

package host

import (
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// supervisor is a shard as protoactor's actor, whose children are the keys' actors. Its
// turn never waits.
type supervisor struct {
	shard    *shard
	pid      *PID
	desk     desk
	props    *pactor.Props
	spawning *cell         // only on its turn
	done     chan struct{} // closed when it and all its children have ended
}

// keySupervision restarts a key's actor after a panic; one that goes on
// panicking is stopped, and made anew by the next message.
var keySupervision = pactor.NewOneForOneStrategy(10, 10*time.Second, pactor.DefaultDecider)

func newSupervisor(s *shard) *supervisor {
	v := &supervisor{shard: s, done: make(chan struct{})}
	v.props = pactor.PropsFromProducer(
		func() pactor.Actor { return &shell{shard: s} },
		pactor.WithMailbox(func() pactor.Mailbox { return inbox{v.spawning} }),
	)
	props := pactor.PropsFromProducer(func() pactor.Actor { return v }, pactor.WithSupervisor(keySupervision),
		pactor.WithMailbox(func() pactor.Mailbox { return &v.desk }))
	// The name is free: protoactor forgets a supervisor before the host does.
	v.pid, _ = v.root().SpawnNamed(props, s.host.name+"/"+strconv.FormatUint(uint64(s.id), 10))
	return v
}

func (v *supervisor) root() *pactor.RootContext { return v.shard.host.system.as.Root }

// stop ends the supervisor and with it its children. It does not wait.
func (v *supervisor) stop() { v.root().Stop(v.pid) }

func (v *supervisor) Receive(ctx pactor.Context) {
	switch m := ctx.Message().(type) {
	case *cell:
		v.spawn(ctx, m)
	case *pactor.Terminated:
		v.terminated(ctx, m.Who)
	case *pactor.Stopped:
		v.shard.close() // an actor may have stopped its parent
		toSpawn := v.shard.cells()
		for _, c := range toSpawn {
			v.shard.afterEnd(c, false)
		}
		v.shard.host.forget(v.shard) // first: a delivery may follow the end at once
		close(v.done)
	}
}

func (v *supervisor) spawn(ctx pactor.Context, c *cell) {
	s := v.shard
	s.mu.RLock()
	closed := s.state == shardClosed
	s.mu.RUnlock()
	if closed || c.mailbox.stands().end == cutOff {
		s.afterEnd(c, false)
		return
	}
	v.spawning = c
	_, err := ctx.SpawnNamed(v.props, url.PathEscape(c.key)) // a key is any bytes
	v.spawning = nil
	if err != nil { // the name is taken: an actor of the application's sits there
		c.log().Error("cannot start a key's actor: its process id is taken", slog.Any("error", err))
		s.afterEnd(c, false)
	}
}

// terminated is told when an incarnation has ended, its stop hook and children
// included: mail that has come meanwhile gets the next one.
func (v *supervisor) terminated(ctx pactor.Context, who *PID) {
	forgetChild(ctx)
	c := v.find(who)
	if c == nil {
		return // a child that is not a key's
	}
	c.forgets() // before the next one, which may owe answers of its own
	if v.shard.afterEnd(c, true) {
		v.spawn(ctx, c)
	}
}

// find returns the cell of a child.
func (v *supervisor) find(pid *PID) *cell {
	key, err := url.PathUnescape(pid.Id[strings.LastIndexByte(pid.Id, '/')+1:])
	if err != nil {
		return nil
	}
	return v.shard.find(key)
}

// forgetChild clears what protoactor leaves of a child that has gone: an id, and
// by it the mailbox, behind the end of the list of those that are there.
func forgetChild(ctx pactor.Context) {
	if there := ctx.Children(); cap(there) > len(there) {
		there[:len(there)+1][len(there)] = nil
	}
}

// inbox is a cell as protoactor's Mailbox.
type inbox struct{ *cell }

var _ pactor.Mailbox = inbox{}

// PostUserMessage implements protoactor's Mailbox: mail by process id, from the
// actor itself, its children, timers or other actors of the node.
func (c inbox) PostUserMessage(message any) {
	if batch, ok := pactor.UnwrapEnvelopeMessage(message).(pactor.MessageBatch); ok {
		for _, m := range batch.GetMessages() {
			c.PostUserMessage(m)
		}
	}
	h := c.shard.host
	if !isOwn(message) {
		h.ages.use(c.cell)
	}
	runs, err := c.mailbox.put(message, h.mailbox.or(DefaultMailboxSize))
	c.handOver(runs)
	switch err {
	case nil:
	case errDead:
		c.deadLetter(message)
	default:
		h.observers.apart(Observer.MailboxRefused)
		c.refuseMail(message, err)
	}
}

func (c inbox) PostSystemMessage(message any) { c.handOver(c.mailbox.post(message)) }

// RegisterHandlers implements protoactor's Mailbox: an incarnation begins. Its
// dispatcher is not used; the pool is.
func (c inbox) RegisterHandlers(invoker pactor.MessageInvoker, _ pactor.Dispatcher) {
	if s, ok := actorOf(invoker).(*shell); ok {
		s.cell = c.cell
	}
	c.spawned = invoker
}

// Start implements protoactor's Mailbox. Started has been posted, so that no
// mail can come before it: only now may the key run.
func (c inbox) Start() {
	invoker := c.spawned
	c.spawned = nil
	c.handOver(c.mailbox.start(invoker))
}

func (c inbox) UserMessageCount() int {
	c.mailbox.mu.Lock()
	defer c.mailbox.mu.Unlock()
	return c.mailbox.mail.len()
}
