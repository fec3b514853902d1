// ids: what a durable key knows of messages with an ID

package host

import (
	"slices"
	"time"

	"github.com/clstr-go/clstr/internal/command"
	"github.com/clstr-go/clstr/internal/persist"
	"github.com/clstr-go/clstr/outcome"
	"github.com/clstr-go/clstr/state"
)

// ids is what a durable key knows of messages with an ID. The mailbox's mu guards it. It is nil, and
// knows nothing, for most keys.
type ids struct {
	command.Known
	open   map[[16]byte]*gated // commands whose handler has run, or runs, and has not answered
	latest []byte              // the newest state, while there are open ones
}

// firstCall is the first call of a command, which carries it out.
type firstCall struct {
	command.Command
	joined []*gated // further calls of the command, which get the same answer
	begun  bool     // a part of what it does goes with a change before its answer
}

// idsOf returns what a record knows; nil if it knows nothing. r may be nil.
func idsOf(r *state.Record, p *persist.Options) *ids {
	if r == nil || len(r.Commands) == 0 && r.Spilled.IsZero() {
		return nil
	}
	is := &ids{Known: command.New(p.IDWindow())}
	is.Load(r)
	return is
}

// begins is called when an incarnation begins. The calls of the last one have been answered.
func (is *ids) begins() {
	if is != nil {
		is.open, is.latest = nil, nil
	}
}

// noteDone notes the commands that were carried out among answers, for the next change. It
// returns false if there is none, as for a key that knows no IDs.
func (is *ids) noteDone(l line) (some bool) {
	for _, g := range l {
		if is != nil && g.first != nil && g.err == nil {
			is.Add(g.first.Command, g.data, time.Now())
			some = true
		}
	}
	return some
}

// begin notes that the next change has a part of what a call's command does, and not its answer.
func (is *ids) begin(g *gated) {
	if g.first != nil && !g.first.begun {
		g.first.begun = true
		is.Begin(g.first.Command, time.Now())
	}
}

// keeps is told of the newest state; nil if the turn has not encoded it, or has deleted it.
func (is *ids) keeps(data []byte, deleted bool) {
	switch {
	case is == nil:
	case len(is.open) == 0 || deleted:
		is.latest = nil
	case data != nil:
		is.latest = data
	}
}

// keepLatest stores the newest state once more, with a command that was answered outside of
// all turns.
func (is *ids) keepLatest(o *outlet) {
	if u := o.fresh; u != nil {
		o.keep(u.state, u.deleted)
	} else {
		o.keep(is.latest, is.latest == nil)
	}
	if len(is.open) == 0 {
		is.latest = nil
	}
}

// waits reports whether a command is open: any turn may answer it, and the answer is then
// stored with the state that the turn leaves.
func (is *ids) waits() bool { return is != nil && len(is.open) > 0 }

// behind puts answers behind the newest state. It returns those that do not wait, which only a
// write-behind key has. It is called with mu held, while there is a state that is not stored.
func (l line) behind(o *outlet) (out line) {
	if o.waits() {
		o.fresh.wait(l)
		return nil
	}
	for _, g := range l {
		if g.firm {
			o.fresh.wait(line{g})
		} else {
			out = append(out, g)
		}
	}
	return out
}

// joins gives the calls that have joined g the same answer, and appends all of them to a line. It is
// called with mu held, when g was answered.
func (g *gated) joins(l line) line {
	l = append(l, g)
	if g.first == nil {
		return l
	}
	if g.err == nil && len(g.data) > command.MaxReply {
		g.err = failure(outcome.ErrNotStored, "a reply of %d bytes to a message with an ID: at most %d are kept", len(g.data), command.MaxReply)
	}
	if is := g.cell.mailbox.outlet.ids; is != nil && is.open[g.first.ID] == g {
		delete(is.open, g.first.ID)
	}
	for _, j := range g.first.joined {
		if !j.answered {
			j.answered, j.late, j.answer = true, true, answer{data: slices.Clone(g.data), err: g.err}
			l = append(l, j)
		}
	}
	g.first.joined = nil
	return l
}
