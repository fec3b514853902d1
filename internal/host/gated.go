// gated: a call whose answer waits for the state that it was computed from

package host

import (
	"context"
	"slices"
	"sync"

	"github.com/clstr-go/clstr/internal/plain"
	"github.com/clstr-go/clstr/internal/turn"
	"github.com/clstr-go/clstr/outcome"
)

// gated is a call to a durable key, from its turn on. The first answer is kept until the state that
// it was computed from is stored. It may be given on the call's own turn, on a later turn, or
// outside of all turns.
type gated struct {
	Call                       // nil for a goroutine that waits
	stored chan *outcome.Error // tells that goroutine
	cell   *cell
	of     uint32 // its incarnation: outlet.begun

	// Guarded by the mailbox's mu.
	answered bool
	late     bool // not on its own turn
	changed  bool // its turn has changed the state
	firm     bool // its answer is a command's, and waits for the state in any case
	answer
	first *firstCall // nil for what is no command's first call
}

// answer is what a call is answered with: bytes, a value that its sender wants, or an error.
type answer struct {
	data  []byte
	value plain.Value
	err   *outcome.Error
}

// spareGated has calls that are over. The outlet keeps nothing of a call that was answered, so only its own context leads
// to it, until that context's gate is shut.
var spareGated = sync.Pool{New: func() any { return new(gated) }}

func (g *gated) Reply(data []byte, err error) {
	if err == nil {
		g.give(answer{data: slices.Clone(data)})
		return
	}
	coded := failure(outcome.ErrReply, "an error whose methods end their goroutine")
	defer func() { g.give(answer{err: coded}) }()
	coded = outcome.HandlerError(err) // user code, which a store's goroutine must not run
}

func (g *gated) ReplyOwned(data []byte) { g.give(answer{data: data}) }

// Wants implements [Call]: the reply to a command is bytes, because it is stored.
func (g *gated) Wants(of *plain.Type) bool { return g.Call.Wants(of) && g.Call.Message().ID == "" }

func (g *gated) ReplyValue(v plain.Value) { g.give(answer{value: v}) }

func (g *gated) Fail(err *outcome.Error) { g.give(answer{err: err}) }

// IsAlone implements [Call]: the outlet waits for its answer.
func (g *gated) IsAlone() bool { return false }

// EndLast implements [Call].
func (g *gated) EndLast() {
	call := g.Call
	*g = gated{}
	spareGated.Put(g)
	call.EndLast()
}

// Panicked implements [Call]: that is an answer, too.
func (g *gated) Panicked(value any) {
	g.cell.logPanic(g.Call.Message().Type, value)
	g.give(answer{err: failure(outcome.ErrPanicked, "message type %q", g.Call.Message().Type)})
}

// Value implements context.Context: what an Around sends waits as what its handler sends.
func (g *gated) Value(key any) any {
	switch key.(type) {
	case turn.InsideKey:
		return true
	case turn.DurableKey:
		return g.cell.mailbox.outlet
	}
	return g.Call.Value(key)
}

// NoEffect implements [Call]: what has changed its key's state cannot go back.
func (g *gated) NoEffect(none bool) bool {
	b := &g.cell.mailbox
	b.mu.Lock()
	changed := g.changed
	b.mu.Unlock()
	return g.Call.NoEffect(none && !changed) && !(none && changed)
}

// give takes the call's answer. While a turn runs, the answer counts as that turn's, because the
// code that has answered may have seen the turn's changes.
func (g *gated) give(a answer) {
	b := &g.cell.mailbox
	b.mu.Lock()
	o := b.outlet
	if g.answered {
		b.mu.Unlock()
		return
	}
	if g.of != o.begun && a.err == nil {
		a = answer{err: lostAnswer("key %.64q: the incarnation that answers has ended", g.cell.key)}
	}
	g.answered, g.answer = true, a
	g.late = o.turn == nil || o.turn.own != g
	var few [1]*gated
	all := g.joins(few[:0])
	var why *outcome.Error
	var out line
	switch {
	case o.turn != nil:
		o.turn.once = o.turn.once || g.firm
		o.turn.given = append(o.turn.given, all...)
	case o.undone != nil:
		out, why = all, o.undone
	case g.firm && o.ids.noteDone(all):
		o.ids.keepLatest(o)
		o.fresh.wait(all)
	case o.fresh != nil:
		out = all.behind(o)
	default:
		out = all
	}
	r := o.change()
	b.mu.Unlock()
	if g.late && len(out) == 0 {
		for _, g := range all {
			g.Call.Given()
		}
	}
	out.release(why)
	o.send(r)
}

// leave answers the call: with why, if there is one. What is late owes its answer to a turn that
// has been undone; what its own turn has changed may be stored.
func (g *gated) leave(why *outcome.Error) {
	switch {
	case g.stored != nil:
		g.stored <- why
	case why != nil && g.late:
		g.Call.Fail(lostAnswer("key %.64q: %v", g.cell.key, why))
	case why != nil:
		g.Call.Fail(why)
	case g.err != nil:
		g.Call.Fail(g.err)
	case g.value.Type() != nil:
		g.Call.ReplyValue(g.value)
	default:
		g.Call.ReplyOwned(g.data)
	}
}

// newStay makes an entry of a line for a goroutine that waits, as calls do, until the state is stored.
func newStay() *gated { return &gated{stored: make(chan *outcome.Error, 1)} }

// stays waits until the state is stored. It returns why the state will not be stored, or ctx's error.
func (g *gated) stays(ctx context.Context) error {
	select {
	case why := <-g.stored:
		if why != nil {
			return why
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
