// The messages and the state of a key

package host

import (
	"errors"
	"sync"

	pactor "github.com/asynkron/protoactor-go/actor"
)

// mailbox has a key's messages and state. It belongs to the key and not to an
// incarnation, so messages that arrive while one incarnation stops wait for the next.
type mailbox struct {
	mu      sync.Mutex
	state   keyState
	mail    queue
	system  []any                 // protoactor's own messages; they go first
	invoker pactor.MessageInvoker // the incarnation; nil while spawning
	now     *Context              // of the turn that runs; nil for mail by process id and system messages
	debts   debts
	outlet  *outlet   // of a durable key, from its first activation on; set on the turn
	group   *EndGroup // with which the incarnation ends, while its shard does
}

// Why a mailbox takes no message.
var (
	errDead  = errors.New("the key is dead") // it may have another mailbox
	errStuck = errors.New("the key is stuck")
	errFull  = errors.New("mailbox full")
)

// put appends m to the mail. It returns true if the cell must be handed to the pool, or why the
// mailbox does not take it. A limit below 0 is no limit.
func (b *mailbox) put(m any, limit int) (runs bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.state.life == dead:
		return false, errDead
	case (b.state.end == cutOff || b.hookLate()) && !isOwn(m):
		return false, errStuck
	case limit >= 0 && b.mail.len() >= limit:
		return false, errFull
	}
	b.mail.push(m)
	return b.schedule(), nil
}

// post appends one of protoactor's own messages. It returns true if the cell must be
// handed to the pool.
func (b *mailbox) post(m any) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, begins := m.(*pactor.Started); begins && b.system == nil {
		b.system = justStarted[:]
	} else {
		b.system = append(b.system, m)
	}
	return b.schedule()
}

// justStarted are the system messages of an incarnation that begins. All keys share it: no code writes into
// it, because what is appended to a full slice goes elsewhere.
var justStarted = [1]any{&pactor.Started{}}

// start lets an incarnation have the mail. It returns true if the cell must be handed
// to the pool.
func (b *mailbox) start(invoker pactor.MessageInvoker) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invoker = invoker
	b.to(evStart)
	return b.schedule()
}

// schedule marks the key as scheduled if it has something to run and is
// not scheduled yet. It is called with mu held.
func (b *mailbox) schedule() bool {
	if b.state.turn != resting || b.invoker == nil {
		return false
	}
	if len(b.system) == 0 && (!b.state.runs() || b.mail.len() == 0 && len(b.debts.due) == 0) {
		return false
	}
	b.to(evSchedule)
	return true
}

// to changes the state, and returns by how many more keys are active. It is called with
// mu held.
func (b *mailbox) to(e event) (more int) { return b.state.to(e) }

// change is to for what happens to an incarnation, if it is still that of the key.
func (b *mailbox) change(of pactor.MessageInvoker, e event) (more int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.invoker != of {
		return 0
	}
	return b.to(e)
}

// stands returns the state.
func (b *mailbox) stands() keyState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

// noticeOfADrain is a name for the log.
type noticeOfADrain byte

// Turns that no message causes.
var (
	passivateTurn any = new(byte)           // its actor asked for it, or its shard ends
	drainTurn     any = new(noticeOfADrain) // a drain waits for its answers
)

// next takes the message of the next turn. Without one it ends the key's run. An actor
// that asks for its passivation while it is activated gets its first message before that.
func (b *mailbox) next(afterUser bool) (m any, invoker pactor.MessageInvoker, user bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = nil
	if afterUser && b.state.leaving && b.state.life == live {
		return passivateTurn, nil, false
	}
	switch {
	case len(b.system) > 0 && b.invoker != nil:
		b.to(evWork)
		m = b.system[0]
		if len(b.system) == 1 {
			b.system = nil
		} else {
			b.system[0] = nil
			b.system = b.system[1:]
		}
		return m, b.invoker, false
	case !b.state.runs():
		b.to(evRest) // only here: there is one worker for a key
		return nil, nil, false
	case len(b.debts.due) > 0:
		b.to(evWork)
		return drainTurn, b.invoker, true
	case b.state.end == woken && b.mail.len() == 0 && b.group.isLast():
		return passivateTurn, nil, false
	}
	m = b.mail.pop()
	b.now, _ = m.(*Context)
	switch {
	case m == nil:
		b.to(evRest)
	case isOwn(m):
		b.to(evSchedule)
	default:
		b.to(evWork)
	}
	return m, b.invoker, true
}

// take takes the messages for which f holds out of the mail.
func (b *mailbox) take(f func(any) bool) []any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mail.take(f)
}

// wanted drops the messages at the front whose senders have gone, and reports
// whether there are others. It is called on the key's turn.
func (b *mailbox) wanted() bool {
	for {
		b.mu.Lock()
		m := b.mail.first
		b.mu.Unlock()
		x, ok := m.(*Context)
		if !ok || !x.abandoned() {
			return m != nil
		}
		b.mu.Lock()
		if b.mail.first == m { // a host that ends may have taken it
			b.mail.pop()
		}
		b.mu.Unlock()
	}
}

// stopIdle begins to stop an idle key and returns its process id. It returns nil for a
// key that is busy, owes an answer, waits for the store, has mail, was woken, is being spawned or stops
// already. A write-behind key first has its state stored, and stops after that.
// A turn that no caller has asked for does not keep a key, which stops after it.
func (b *mailbox) stopIdle() *PID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.state.runs() || b.state.end != serving || b.state.turn == working || b.outlet.busy() ||
		len(b.system) > 0 || len(b.debts.open) > 0 || !b.mail.all(isOwn) {
		return nil
	}
	if b.outlet.holds() {
		b.outlet.hurry()
		return nil
	}
	b.to(evStop)
	return selfOf(b.invoker)
}

// stopNow begins to stop a key, and returns its process id. It returns nil where the key is
// being spawned or stops already, or was woken and has mail, which has come just now. With
// first it stops a key of the first round only, and not the incarnation that was woken in its place.
func (b *mailbox) stopNow(first bool) *PID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if first && (b.group == nil || b.state.end == woken) {
		return nil
	}
	b.to(evStay)
	if b.state.life != live || b.state.end == woken && b.mail.len() > 0 {
		return nil
	}
	b.to(evStop)
	return selfOf(b.invoker)
}

// holding returns the incarnation if it has a state that must be stored before it leaves. A shard that ends
// does not wait for that.
func (b *mailbox) holding() *shell {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.group != nil || !b.outlet.holds() {
		return nil
	}
	s, _ := actorOf(b.invoker).(*shell)
	return s
}

// stays has a key that was to leave go on.
func (b *mailbox) stays() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.to(evStay)
}

// wake makes the key one that a stop hook has woken. The group is to be told.
func (b *mailbox) wake(g *EndGroup) {
	b.group = g
	b.to(evWake)
}

// look marks a live key as scheduled, whether it has mail or not. It returns true if the
// cell must be handed to the pool.
func (b *mailbox) look() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.life != live || b.state.turn != resting {
		return false
	}
	b.to(evSchedule)
	return true
}

// hook returns the hook that runs; nil if none does. It is called with mu held.
func (b *mailbox) hook() *hook {
	if b.now == nil {
		return nil
	}
	h, _ := b.now.call.(*hook)
	return h
}

// hookLate reports whether the turn that runs is a hook past its limit. It is called
// with mu held.
func (b *mailbox) hookLate() bool {
	h := b.hook()
	return h != nil && h.late
}

// isOwn reports whether an incarnation has sent the message to itself. Such a message means nothing
// to the next incarnation, and is no reason to make one.
func isOwn(m any) bool {
	switch m.(type) {
	case *ticker, *pactor.ReceiveTimeout:
		return true
	}
	return false
}

func isOthers(m any) bool { return !isOwn(m) }

func isAny(any) bool { return true }
